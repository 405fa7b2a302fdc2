"""A zone whose CA key is inside a PKCS#11 token (B-27, F-34; docs/deployment.md)."""

import contextlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates import tasks
from certificates.authority import gates, key_operations, key_store, vault_keys
from certificates.authority import key_store as authority_key_store
from certificates.models import Authority, Bridge, FutureCertificate
from certificates.operations import preparation
from certificates.operations.states import FutureState
from devices.identity import zone_keys
from faults import Refused
from pki.chains import chains
from pki.protection import pkcs11
from tests.pki.softhsm import PIN, SoftHSM, library
from tests.support import factories, walkthrough
from tests.support import zone as small_zone
from wire import messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def hsm(tmp_path, settings):
    made = SoftHSM(tmp_path)
    settings.PKCS11_MODULE, settings.PKCS11_TOKEN = library(), "zcc"
    settings.PKCS11_PIN_FILE = str(made.pin_file)
    made.token().forget()
    yield made
    made.token().forget()
    pkcs11._refused.clear()


@pytest.fixture
def zone(hsm, db, tmp_path, settings, monkeypatch):
    settings.SERVER_HOME = tmp_path / "ps-01"
    monkeypatch.setattr(tasks, "wake_all", lambda: None)
    zone_keys.forget()
    yield small_zone.found(tmp_path / "ps-01")
    zone_keys.forget()


def waiting(zone):
    """Let a satellite wait for its certificate."""
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    return FutureCertificate.objects.get(device=satellite.id)


def page():
    client = Client()
    client.force_login(factories.admin(f"admin-{timezone.now().timestamp()}"))
    return client.get("/configuration/certificates/").content.decode()


def test_the_key_is_made_inside_and_its_name_alone_is_kept(zone):
    ca = Authority.objects.current()
    assert ca.is_internal
    assert ca.sealed_key.startswith("pkcs11:zcc-")
    with pytest.raises(pkcs11.NotReadable, match="inside a PKCS#11 token"):
        key_store.open_key(ca)
    future = waiting(zone)
    tasks.sign(str(ca.pk))
    future.refresh_from_db()
    assert future.state == FutureState.CREATED
    assert chains.is_signed_by(chains.split(future.chain_pem)[0], ca.root_pem)


def test_move_and_backup_are_shut_with_the_reason_on_the_page_and_on_the_server(zone):
    ca = Authority.objects.current()
    shut = {gate.button: gate.reason for gate in gates.ca_gates(ca, None, may=True)}
    for button in ("move-ca-role", "backup-ca"):
        assert "inside a PKCS#11 token" in shut[button]
    for button in ("change-ca", "remint-ca", "view-certificate"):
        assert shut[button] == ""
    assert "inside a PKCS#11 token" in page()
    other = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    with pytest.raises(Refused, match="cannot be backed up here"):
        key_operations.back_up("a-long-enough-pass-phrase", by=None)
    with pytest.raises(Refused, match="cannot be moved here"):
        key_operations.move_role(other.guid, by=None, now=timezone.now())


def test_a_remint_makes_its_ca_inside_too_and_both_bridges(zone):
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.state == "replicating"
    assert operation.future_authority.sealed_key.startswith("pkcs11:zcc-")
    assert operation.future_authority.sealed_key != operation.authority.sealed_key
    assert Bridge.objects.count() == 2


@contextlib.contextmanager
def wrong_pin(hsm):
    hsm.pin_file.write_text("00000000")
    yield "refuses its PIN"
    hsm.pin_file.write_text(PIN)


@contextlib.contextmanager
def taken_out(hsm):
    hsm.take_out()
    yield "The token zcc is not there"
    hsm.put_back()


@contextlib.contextmanager
def no_pin_file(hsm):
    hsm.pin_file.rename(hsm.folder / "elsewhere")
    yield "PIN cannot be read"
    (hsm.folder / "elsewhere").rename(hsm.pin_file)


@contextlib.contextmanager
def not_set_up(_hsm):
    from django.conf import settings

    before, settings.PKCS11_MODULE = settings.PKCS11_MODULE, ""
    yield "is not set up for"
    settings.PKCS11_MODULE = before


@pytest.mark.parametrize("trouble", [wrong_pin, taken_out, no_pin_file, not_set_up])
def test_with_a_token_in_trouble_the_reason_is_shown_and_work_goes_on_afterwards(
    zone, hsm, trouble
):
    ca, future = Authority.objects.current(), waiting(zone)
    with trouble(hsm) as why:
        tasks.sign(str(ca.pk))
        future.refresh_from_db()
        assert future.state == FutureState.AWAITED
        assert why in Authority.objects.current().fault
        assert why in page()
        operation = walkthrough.remint_ca()
        tasks.prepare(str(operation.pk))
        operation = walkthrough.fresh(operation)
        assert operation.state == "preparing"
        assert operation.future_authority is None or why in operation.reason
        assert authority_key_store.keys_to_check(
            timezone.now() + authority_key_store.AGAIN * 2
        ).exists()
    tasks.sign(str(ca.pk))
    future.refresh_from_db()
    assert future.state == FutureState.CREATED
    assert Authority.objects.current().fault == ""
    walkthrough.prepare(zone, operation)
    assert walkthrough.fresh(operation).state == "replicating"
    assert walkthrough.fresh(operation).reason == ""
    assert preparation.next_step(walkthrough.fresh(operation), timezone.now()) is None


def test_vault_keys_are_rotated_without_touching_the_token(zone):
    before = Authority.objects.current().sealed_key
    assert vault_keys.rotate(now=timezone.now()) == 2
    assert Authority.objects.current().sealed_key == before


def in_token(hsm, name):
    try:
        hsm.token().key(name)
    except pkcs11.TokenFault:
        return False
    return True


def ended(ca, state):
    Authority.objects.filter(pk=ca.pk).update(state=state, sealed_key=ca.left_of_key)
    return Authority.objects.get(pk=ca.pk)


@pytest.mark.parametrize("state", ["retired", "discarded"])
def test_the_key_of_a_ca_that_has_ended_is_destroyed_in_the_token(zone, hsm, state):
    ca = Authority.objects.current()
    name = ca.sealed_key.removeprefix("pkcs11:")
    authority_key_store.destroy_ended_key(ca, now=timezone.now())
    assert in_token(hsm, name), "that of the current CA never is"
    ca = ended(ca, state)
    assert [
        one.pk for one in authority_key_store.keys_to_destroy(timezone.now() + timedelta(hours=1))
    ] == [ca.pk]
    tasks.destroy_key(str(ca.pk))
    assert not in_token(hsm, name)
    ca.refresh_from_db()
    assert ca.sealed_key == ""
    assert Entry.objects.filter(action="destroy-ca-key").count() == 1
    assert authority_key_store.keys_to_destroy(timezone.now() + timedelta(hours=1)) == []


def test_a_token_that_is_away_is_asked_again_later(zone, hsm):
    ca = ended(Authority.objects.current(), "retired")
    pin = hsm.pin_file.read_text()
    hsm.pin_file.write_text("000000")
    now = timezone.now()
    authority_key_store.destroy_ended_key(ca, now=now)
    ca.refresh_from_db()
    assert ca.has_token_key
    assert authority_key_store.keys_to_destroy(now + timedelta(minutes=9)) == []
    hsm.pin_file.write_text(pin)
    assert authority_key_store.keys_to_destroy(now + timedelta(minutes=10))
    authority_key_store.destroy_ended_key(ca, now=now + timedelta(minutes=10))
    ca.refresh_from_db()
    assert ca.sealed_key == ""


def test_a_cancelled_change_leaves_no_key_in_the_token(zone, hsm):
    from certificates.operations import cancellation

    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    future = walkthrough.fresh(operation).future_authority
    name = future.sealed_key.removeprefix("pkcs11:")
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    assert walkthrough.step(operation).state == "cancelled"
    for one in authority_key_store.keys_to_destroy(timezone.now()):
        authority_key_store.destroy_ended_key(one, now=timezone.now())
    assert not in_token(hsm, name)
    assert in_token(hsm, Authority.objects.current().sealed_key.removeprefix("pkcs11:"))
