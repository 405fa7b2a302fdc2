"""A zone whose CA key is stored in a PKCS #11 token."""

import contextlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates import tasks
from certificates.authority import gates, key_operations, key_store, vault_keys
from certificates.models import Authority, CrossCertificate, FutureCertificate
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
    made.token().close_sessions()
    yield made
    made.token().close_sessions()
    pkcs11._rejected_pins.clear()


@pytest.fixture
def zone(hsm, db, tmp_path, settings, monkeypatch):
    settings.SERVER_HOME = tmp_path / "ps-01"
    monkeypatch.setattr("certificates.tasks.agents.notify_agents", lambda: None)
    zone_keys.clear_cache()
    yield small_zone.found(tmp_path / "ps-01")
    zone_keys.clear_cache()


def waiting(zone):
    """Return the pending certificate of a new satellite."""
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    return FutureCertificate.objects.get(device=satellite.id)


def page():
    client = Client()
    client.force_login(factories.admin(f"admin-{timezone.now().timestamp()}"))
    return client.get("/configuration/certificates/").content.decode()


def test_the_key_is_generated_in_the_token_and_only_its_name_is_stored(zone):
    ca = Authority.objects.current()
    assert ca.is_internal
    assert ca.sealed_key.startswith("pkcs11:zcc-")
    with pytest.raises(pkcs11.KeyNotExportable, match="in a PKCS #11 token"):
        key_store.open_key(ca)
    future = waiting(zone)
    tasks.sign_pending_csrs(str(ca.pk))
    future.refresh_from_db()
    assert future.state == FutureState.CREATED
    assert chains.is_signed_by(chains.split(future.chain_pem)[0], ca.root_pem)


def test_move_and_backup_are_unavailable_with_the_reason(zone):
    ca = Authority.objects.current()
    shut = {gate.button: gate.reason for gate in gates.build_ca_gates(ca, None, may=True)}
    for button in ("move-ca-role", "backup-ca"):
        assert "in a PKCS #11 token" in shut[button]
    for button in ("change-ca", "remint-ca", "view-certificate"):
        assert shut[button] == ""
    assert "in a PKCS #11 token" in page()
    other = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    with pytest.raises(Refused, match="cannot be backed up from this console"):
        key_operations.back_up("a-long-enough-pass-phrase", by=None)
    with pytest.raises(Refused, match="cannot be moved from this console"):
        key_operations.move_role(other.guid, by=None, now=timezone.now())


def test_a_remint_generates_the_new_key_in_the_token(zone):
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.state == "replicating"
    assert operation.future_authority.sealed_key.startswith("pkcs11:zcc-")
    assert operation.future_authority.sealed_key != operation.authority.sealed_key
    assert CrossCertificate.objects.count() == 2


@contextlib.contextmanager
def wrong_pin(hsm):
    hsm.pin_file.write_text("00000000")
    yield "rejected the PIN"
    hsm.pin_file.write_text(PIN)


@contextlib.contextmanager
def taken_out(hsm):
    hsm.take_out()
    yield "The token zcc is not connected"
    hsm.put_back()


@contextlib.contextmanager
def no_pin_file(hsm):
    hsm.pin_file.rename(hsm.folder / "elsewhere")
    yield "PIN file cannot be read"
    (hsm.folder / "elsewhere").rename(hsm.pin_file)


@contextlib.contextmanager
def not_configured(_hsm):
    from django.conf import settings

    before, settings.PKCS11_MODULE = settings.PKCS11_MODULE, ""
    yield "is not configured on this server"
    settings.PKCS11_MODULE = before


@pytest.mark.parametrize("trouble", [wrong_pin, taken_out, no_pin_file, not_configured])
def test_token_problems_are_shown_and_signing_resumes_afterwards(zone, hsm, trouble):
    ca, future = Authority.objects.current(), waiting(zone)
    with trouble(hsm) as why:
        tasks.sign_pending_csrs(str(ca.pk))
        future.refresh_from_db()
        assert future.state == FutureState.AWAITED
        assert why in Authority.objects.current().fault
        assert why in page()
        operation = walkthrough.remint_ca()
        tasks.prepare_operation(str(operation.pk))
        operation = walkthrough.fresh(operation)
        assert operation.state == "preparing"
        assert operation.future_authority is None or why in operation.reason
        assert key_store.list_keys_to_check(timezone.now() + key_store.RETRY_INTERVAL * 2).exists()
    tasks.sign_pending_csrs(str(ca.pk))
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
    Authority.objects.filter(pk=ca.pk).update(state=state, sealed_key=ca.remaining_key)
    return Authority.objects.get(pk=ca.pk)


@pytest.mark.parametrize("state", ["retired", "discarded"])
def test_the_key_of_a_retired_or_discarded_ca_is_destroyed(zone, hsm, state):
    ca = Authority.objects.current()
    name = ca.sealed_key.removeprefix("pkcs11:")
    key_store.destroy_ended_key(ca, now=timezone.now())
    assert in_token(hsm, name), "the key of the current CA is not destroyed"
    ca = ended(ca, state)
    assert [
        one.pk for one in key_store.list_keys_to_destroy(timezone.now() + timedelta(hours=1))
    ] == [ca.pk]
    tasks.destroy_ca_key(str(ca.pk))
    assert not in_token(hsm, name)
    ca.refresh_from_db()
    assert ca.sealed_key == ""
    assert Entry.objects.filter(action="destroy-ca-key").count() == 1
    assert key_store.list_keys_to_destroy(timezone.now() + timedelta(hours=1)) == []


def test_the_destruction_is_retried_if_the_token_is_unavailable(zone, hsm):
    ca = ended(Authority.objects.current(), "retired")
    pin = hsm.pin_file.read_text()
    hsm.pin_file.write_text("000000")
    now = timezone.now()
    key_store.destroy_ended_key(ca, now=now)
    ca.refresh_from_db()
    assert ca.has_token_key
    assert key_store.list_keys_to_destroy(now + timedelta(minutes=9)) == []
    hsm.pin_file.write_text(pin)
    assert key_store.list_keys_to_destroy(now + timedelta(minutes=10))
    key_store.destroy_ended_key(ca, now=now + timedelta(minutes=10))
    ca.refresh_from_db()
    assert ca.sealed_key == ""


def test_the_key_of_a_canceled_change_is_destroyed(zone, hsm):
    from certificates.operations import cancellation

    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    future = walkthrough.fresh(operation).future_authority
    name = future.sealed_key.removeprefix("pkcs11:")
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    assert walkthrough.step(operation).state == "canceled"
    for one in key_store.list_keys_to_destroy(timezone.now()):
        key_store.destroy_ended_key(one, now=timezone.now())
    assert not in_token(hsm, name)
    assert in_token(hsm, Authority.objects.current().sealed_key.removeprefix("pkcs11:"))
