"""A CA that cannot sign says so, keeps what it has, goes on by itself (S-11, S-35, F-18)."""

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
    sealing.write_private_file(path, sealing.make_vault_key().private)


def no_key_at_all(path):
    path.write_text("rubbish")


AILMENTS = [
    (missing, "cannot be opened: No such file"),
    (open_to_others, "is open to other users"),
    (of_another_server, "sealed to another key"),
    (no_key_at_all, "cannot be opened"),
]
IDS = [harm.__name__ for harm, _ in AILMENTS]
each = pytest.mark.parametrize(("harm", "why"), AILMENTS, ids=IDS)


@contextlib.contextmanager
def harmed(path, harm):
    """Do harm to a key file, and bring it back as it was."""
    before = path.read_text()
    harm(path)
    zone_keys.forget()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        sealing.write_private_file(path, before)
        zone_keys.forget()


def tried():
    key_store.check_key(Authority.objects.current(), now=timezone.now())
    return Authority.objects.current()


def pane():
    client = Client()
    client.force_login(User.objects.filter(username="reader").first() or factories.user("reader"))
    return client.get("/configuration/certificates/").content.decode()


def test_a_ca_in_order_has_no_fault_and_is_tried_again_after_a_while(zone):
    now = timezone.now()
    assert [one.pk for one in key_store.keys_to_check(now)] == [Authority.objects.current().pk]
    assert tried().fault == ""
    assert not key_store.keys_to_check(now + timedelta(minutes=9)).exists()
    assert key_store.keys_to_check(now + timedelta(minutes=11)).exists()
    assert "cannot sign" not in pane()


@each
def test_a_harmed_ca_vault_key_is_told_in_the_pane_and_nothing_is_made_anew(zone, harm, why):
    path = zone.home / "ca-vault" / "ca-vault.key"
    sealed = Authority.objects.current().sealed_key
    with harmed(path, harm):
        assert why in tried().fault
        assert "The zone CA cannot sign." in pane()
        assert Authority.objects.current().sealed_key == sealed
        assert path.exists() == (harm is not missing)
        assert key_store.keys_to_check(timezone.now() + timedelta(seconds=30)).exists()
    assert tried().fault == ""
    assert "cannot sign" not in pane()


@each
def test_a_harmed_vault_key_stops_signing_and_leaves_the_pages(zone, harm, why):
    with harmed(zone.home / "vault" / "vault.key", harm):
        with pytest.raises(Fault, match=why):
            _ = zone_keys.here().zone_key
        assert "Zone Certificate Authority" in pane()
        parts = Client().get("/healthz").json()["parts"]
        assert parts["vault"] == "failed"
        assert parts["database"] == "ok"
    assert zone_keys.here().zone_key
    assert Client().get("/healthz").json()["parts"]["vault"] == "ok"


def test_what_waits_is_signed_when_the_key_is_back(zone, monkeypatch):
    monkeypatch.setattr(tasks, "wake_all", lambda: None)
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    waiting = FutureCertificate.objects.get(device=satellite.id)
    ca = Authority.objects.current()
    assert waiting.state == FutureState.AWAITED
    with harmed(zone.home / "ca-vault" / "ca-vault.key", missing):
        tasks.sign(str(ca.pk))
        waiting.refresh_from_db()
        assert waiting.state == FutureState.AWAITED
        assert "cannot be opened" in Authority.objects.current().fault
    tasks.sign(str(ca.pk))
    waiting.refresh_from_db()
    assert waiting.state == FutureState.CREATED
    assert Authority.objects.current().fault == ""


def test_an_expired_ca_says_that_it_has_expired_and_not_more(zone):
    Authority.objects.update(not_after=timezone.now() - timedelta(days=1))
    assert "has expired" in pane()
