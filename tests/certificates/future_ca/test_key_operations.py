"""Move CA Role of a subordinate CA, and the key of a new one in a PKCS #11 token (D-295)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from certificates import tasks
from certificates.authority import key_jobs, key_operations, key_store
from certificates.issuance import signing
from certificates.models import Authority, FutureCertificate, Operation, VaultJob
from certificates.operations import preparation
from certificates.operations.states import FutureState, JobState
from devices.identity import zone_keys
from devices.models import Device
from pki import keys
from pki.chains import chains
from pki.protection import pkcs11
from tests.pki.softhsm import SoftHSM, library
from tests.support import walkthrough
from tests.support import zone as small_zone
from tests.support.public_ca import PublicCA
from tests.support.zone import Host, TestZone
from wire import messages

CORPORATE = PublicCA("Corporate")


@pytest.fixture
def second(zone: TestZone) -> Host:
    """A second Primary Server that is online."""
    host = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    host.refresh()
    zone.first.refresh()
    return host


def change(zone: TestZone, **changes: Any) -> Operation:
    """Bring Change CA to a subordinate CA on the first server to the import of its chain."""
    zone.first.refresh()
    operation = walkthrough.to_subordinate(zone.first, **changes)
    walkthrough.prepare(zone, operation)
    return walkthrough.fresh(operation)


def finish(zone: TestZone, operation: Operation, **given: Any) -> Authority:
    """Import the chain, complete the operation on all hosts, and return the zone CA."""
    walkthrough.import_ca(operation, CORPORATE, **given)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    assert new is not None
    walkthrough.sign(zone, new)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == "completed", operation.reason
    return Authority.objects.current()


def test_the_role_of_a_subordinate_ca_moves_with_its_chain(zone: TestZone, second: Host) -> None:
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    first = FutureCertificate.objects.get(device=second.guid)
    second.refresh(server_certificate_sha256=first.digest)
    before = finish(zone, change(zone))
    job = key_operations.move_role(second.guid, by=None, now=timezone.now())
    key_jobs.run(job, now=timezone.now())
    assert VaultJob.objects.get(pk=job.pk).state == JobState.DONE
    after = Authority.objects.current()
    assert after.certificate_server == Device.objects.get(pk=second.guid)
    assert (after.pk, after.kind) == (before.pk, "subordinate")
    assert after.intermediates_pem == before.intermediates_pem
    assert after.root_pem == before.root_pem
    with zone.on(second):
        assert keys.is_same_key(key_store.open_key(after), after.root_pem)


@pytest.fixture
def token(tmp_path: Path, settings: Any) -> Iterator[SoftHSM]:
    """A PKCS #11 token, in which the server creates CA keys from now on."""
    made = SoftHSM(tmp_path)
    settings.PKCS11_MODULE, settings.PKCS11_TOKEN = library(), "zcc"
    settings.PKCS11_PIN_FILE = str(made.pin_file)
    made.token().close_sessions()
    yield made
    made.token().close_sessions()
    pkcs11._rejected_pins.clear()


@pytest.fixture
def token_zone(
    token: SoftHSM, db: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestZone]:
    """A zone whose CA keys are in the token."""
    settings.SERVER_HOME = tmp_path / "ps-01"
    monkeypatch.setattr("certificates.tasks.agents.notify_agents", lambda: None)
    zone_keys.clear_cache()
    yield small_zone.found(tmp_path / "ps-01")
    zone_keys.clear_cache()


def test_the_key_of_a_subordinate_ca_is_created_in_the_token(token_zone: TestZone) -> None:
    operation = change(token_zone)
    assert operation.awaits_ca_certificate
    new = finish(token_zone, operation)
    assert new.is_subordinate
    assert new.sealed_key.startswith("pkcs11:zcc-")
    assert not new.needs_backup
    issued = chains.split(new.intermediates_pem)[0]
    assert chains.get_public_key(issued) == chains.get_public_key(new.root_pem)
    satellite = token_zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    tasks.sign_pending_csrs(str(new.pk))
    future = FutureCertificate.objects.get(device_id=satellite.id)
    assert future.state == FutureState.CREATED
    leaf = chains.split(future.chain_pem)[0]
    assert chains.is_signed_by(leaf, new.root_pem)
    assert chains.is_signed_by(leaf, issued), "clients of the corporate root accept it, too"


def test_without_the_token_the_trusted_root_is_signed_later(
    token_zone: TestZone, token: SoftHSM
) -> None:
    operation = change(token_zone)
    walkthrough.import_ca(operation, CORPORATE)
    token.take_out()
    tasks.prepare_operation(str(operation.pk))
    operation = walkthrough.fresh(operation)
    assert operation.state == "preparing"
    assert "The token zcc is not connected" in operation.reason
    token.put_back()
    walkthrough.prepare(token_zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.state == "replicating"
    assert preparation.next_step(operation, timezone.now()) is None
