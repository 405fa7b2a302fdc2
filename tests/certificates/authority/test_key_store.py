"""Checks of the CA key: errors are shown, and signing resumes automatically."""

import contextlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from certificates import tasks
from certificates.authority import key_store
from certificates.models import Authority, FutureCertificate
from certificates.operations.states import FutureState
from devices.identity import zone_keys
from faults import Fault
from pki.protection import sealing
from tests.support import factories
from wire import messages

pytestmark = pytest.mark.django_db


def missing(path):
    path.unlink()


def open_to_others(path):
    path.chmod(0o644)


def of_another_server(path):
    path.unlink()
    sealing.write_private_file(path, sealing.generate_vault_key().private)


def no_key_at_all(path):
    path.write_text("rubbish")


PROBLEMS = [
    (missing, "No such file"),
    (open_to_others, "is accessible to other users"),
    (of_another_server, "encrypted with a different key"),
    (no_key_at_all, "cannot be decrypted"),
]
IDS = [damage.__name__ for damage, _ in PROBLEMS]
each = pytest.mark.parametrize(("damage", "why"), PROBLEMS, ids=IDS)


@contextlib.contextmanager
def damaged(path, damage):
    """Damage a key file, and restore it afterwards."""
    before = path.read_text()
    damage(path)
    zone_keys.clear_cache()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        sealing.write_private_file(path, before)
        zone_keys.clear_cache()


def checked():
    key_store.check_key(Authority.objects.current(), now=timezone.now())
    return Authority.objects.current()


def pane():
    client = Client()
    client.force_login(User.objects.filter(username="reader").first() or factories.user("reader"))
    return client.get("/configuration/certificates/").content.decode()


def test_a_healthy_ca_has_no_fault_and_is_checked_again_later(zone):
    now = timezone.now()
    assert [one.pk for one in key_store.list_keys_to_check(now)] == [Authority.objects.current().pk]
    assert checked().fault == ""
    assert not key_store.list_keys_to_check(now + timedelta(minutes=9)).exists()
    assert key_store.list_keys_to_check(now + timedelta(minutes=11)).exists()
    assert "cannot sign" not in pane()


@each
def test_a_damaged_ca_vault_key_is_shown_and_not_replaced(zone, damage, why):
    path = zone.home / "ca-vault" / "ca-vault.key"
    sealed = Authority.objects.current().sealed_key
    with damaged(path, damage):
        assert why in checked().fault
        assert "The zone CA cannot sign certificates." in pane()
        assert Authority.objects.current().sealed_key == sealed
        assert path.exists() == (damage is not missing)
        assert key_store.list_keys_to_check(timezone.now() + timedelta(seconds=30)).exists()
    assert checked().fault == ""
    assert "cannot sign" not in pane()


@each
def test_a_damaged_vault_key_stops_signing_and_logins(zone, damage, why):
    with damaged(zone.home / "vault" / "vault.key", damage):
        with pytest.raises(Fault, match=why):
            _ = zone_keys.get_keyring().zone_key
        login = Client().get("/login/")
        assert (login.status_code, "zone keys" in login.content.decode()) == (503, True)
        parts = Client().get("/healthz").json()["parts"]
        assert parts["vault"] == "failed"
        assert parts["database"] == "ok"
    assert zone_keys.get_keyring().zone_key
    assert "Zone Certificate Authority" in pane()
    assert Client().get("/healthz").json()["parts"]["vault"] == "ok"


def test_pending_csrs_are_signed_when_the_key_is_restored(zone, monkeypatch):
    monkeypatch.setattr("certificates.tasks.agents.notify_agents", lambda: None)
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    waiting = FutureCertificate.objects.get(device=satellite.id)
    ca = Authority.objects.current()
    assert waiting.state == FutureState.AWAITED
    with damaged(zone.home / "ca-vault" / "ca-vault.key", missing):
        tasks.sign_pending_csrs(str(ca.pk))
        waiting.refresh_from_db()
        assert waiting.state == FutureState.AWAITED
        assert "No such file" in Authority.objects.current().fault
    tasks.sign_pending_csrs(str(ca.pk))
    waiting.refresh_from_db()
    assert waiting.state == FutureState.CREATED
    assert Authority.objects.current().fault == ""


def test_an_expired_ca_is_shown_as_expired(zone):
    Authority.objects.update(not_after=timezone.now() - timedelta(days=1))
    assert "has expired" in pane()
