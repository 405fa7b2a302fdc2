"""A component that fails reports it, changes nothing partly, and recovers (F-14 to F-17)."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError
from django.test import Client

from audit.models import Entry
from certificates import tasks
from certificates.authority import key_operations
from certificates.models import Authority, FutureCertificate, IssuedCertificate, VaultJob
from certificates.operations.states import FutureState
from tests.support import factories, walkthrough
from wire import messages

PREFERENCES = "/preferences/"


def visitor():
    factories.zone()
    client = Client(raise_request_exception=False)
    client.force_login(factories.user("reader"))
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wanted", ["page", "htmx", "program"])
def test_an_unavailable_database_is_reported(monkeypatch, wanted):
    client = visitor()

    def broken(*_):
        raise OperationalError("connection refused")

    path = {"page": PREFERENCES, "htmx": PREFERENCES, "program": "/api/v1/zone"}[wanted]
    headers = {"HX-Request": "true"} if wanted == "htmx" else {}
    with monkeypatch.context() as patch:
        patch.setattr("django.contrib.sessions.backends.db.SessionStore.load", broken)
        answer = client.get(path, headers=headers)
    text = answer.content.decode() + answer.headers.get("HX-Trigger", "")
    assert answer.status_code == 503
    assert "The database is unavailable, locked, or out of disk space." in text
    assert "reference" in text.lower()
    assert "connection refused" not in text
    assert client.get(PREFERENCES).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_health_is_reported_without_a_database(monkeypatch):
    client = visitor()

    def broken(*_):
        raise OperationalError("connection refused")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", broken)
    answer = client.get("/healthz")
    assert answer.status_code in (200, 503)
    assert "database" in answer.json()["parts"]


@pytest.fixture
def waiting(zone, monkeypatch):
    """A satellite that is waiting for its initial certificate."""
    monkeypatch.setattr("certificates.tasks.agents.notify_agents", lambda: None)
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    return FutureCertificate.objects.get(device=satellite.id)


@pytest.mark.django_db
def test_a_certificate_that_cannot_be_stored_is_issued_again(zone, waiting, monkeypatch):
    from certificates.issuance import signing

    def full(*_):
        raise DatabaseError("injected")

    with monkeypatch.context() as patch:
        patch.setattr(signing, "_store_certificates", full)
        with pytest.raises(DatabaseError):
            tasks.sign_pending_csrs(str(Authority.objects.current().pk))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.chain_pem) == (FutureState.AWAITED, "")
    assert not Entry.objects.filter(action="issue").exists()
    assert IssuedCertificate.objects.filter(device=waiting.device, sha256="").count() == 1, (
        "the record of the intent remains"
    )
    tasks.sign_pending_csrs(str(Authority.objects.current().pk))
    waiting.refresh_from_db()
    assert waiting.state == FutureState.CREATED
    assert IssuedCertificate.objects.filter(device=waiting.device).exclude(sha256="").count() == 1


@pytest.mark.django_db
def test_no_backup_without_its_audit_entry(zone, monkeypatch):
    def fail(*_, **__):
        raise DatabaseError("injected")

    monkeypatch.setattr(type(Entry.objects), "record", fail)
    with pytest.raises(DatabaseError):
        key_operations.back_up("a-long-enough-pass-phrase", by=None)
    assert not VaultJob.objects.exists()


@pytest.mark.django_db
def test_content_is_stored_when_disk_space_is_available_again(zone):
    operation = walkthrough.remint_ca()
    folder = zone.home / "content"
    folder.mkdir()
    with full_disk(folder):
        tasks.prepare_operation(str(operation.pk))
        operation = walkthrough.fresh(operation)
        assert operation.state == "preparing"
        assert "cannot be stored" in operation.reason
        assert operation.update is None
        assert list(folder.iterdir()) == []
    walkthrough.prepare(zone, operation)
    operation = walkthrough.fresh(operation)
    assert (operation.state, operation.reason) == ("replicating", "")


@contextmanager
def full_disk(folder):
    """Simulate a full disk for the files of a folder."""
    real = os.fsync

    def full(handle):
        if folder in Path(f"/proc/self/fd/{handle}").readlink().parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", full)
        yield
