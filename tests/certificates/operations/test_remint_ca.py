"""Remint CA from start to completion, using the agent API (manual, 1.2.9)."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from certificates.issuance import signing
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import cancellation, creation, preparation, scheduler
from certificates.operations.activation_time import TooEarly, TooLate
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.identity import zone_keys
from faults import Conflict, Invalid
from pki.certificates import details
from pki.chains import chains as chains_chain
from systemupdates.assignments import rollout
from systemupdates.models import TrustNotice
from tests.support import walkthrough
from wire import messages, metadata
from wire.envelope import Envelope
from wire.json_codec import build
from wire.metadata import verify_document

S = OperationState


def step(operation, **later):
    operation = Operation.objects.get(pk=operation.pk)
    scheduler.advance(operation, now=timezone.now() + timedelta(**later))
    return Operation.objects.get(pk=operation.pk)


def prepared():
    operation = walkthrough.remint_ca()
    while preparation.prepare(operation, now=timezone.now()):
        pass
    return Operation.objects.get(pk=operation.pk)


def hold_content(zone, *hosts):
    digests = [file["sha256"] for file in Operation.objects.get().update.files]
    for host in hosts:
        host.refresh(stored_content=digests)


@pytest.mark.manual("R014", "R041", "R047", "R050", "R054", "R140", "R141")
def test_remint_ca_from_start_to_completion(zone, monkeypatch):
    monkeypatch.setattr(rollout, "MIN_SAMPLE_INTERVAL", timedelta(days=1))
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    device = zone.join("pc-01")
    old = Authority.objects.current()
    operation = prepared()
    assert operation.state == S.REPLICATING

    assert second.refresh()["replicate"]
    operation = step(operation)
    assert operation.state == S.REPLICATING, "the second server has no content yet"
    hold_content(zone, second)
    operation = step(operation)
    assert operation.state == S.ASSIGNED

    update = str(operation.update_id)
    first = zone.first
    assert first.refresh()["updates"], "the certificate server is offered the update first"
    assert not second.refresh()["updates"]
    first.request_certificate(update)
    first.report(update, messages.APPLIED)
    step(operation)
    assert second.refresh()["updates"]
    assert not device.refresh().get("updates")
    second.request_certificate(update)
    second.report(update, messages.APPLIED)
    step(operation)
    assert device.refresh()["updates"]
    device.report(update, messages.APPLIED)

    signing.sign_batch(operation.future_authority, now=timezone.now())
    operation = step(operation)
    assert operation.state == S.ASSIGNED, "the freeze period has not begun"
    operation = step(operation, minutes=9, seconds=45)
    assert operation.state == S.ACTIVATING
    operation = step(operation, minutes=11)
    assert operation.state == S.ACTIVATED
    new = Authority.objects.current()
    assert new == operation.future_authority
    assert Authority.objects.get(pk=old.pk).state == AuthorityState.GRACE

    for host in (first, second, device):
        host.report(update, messages.ACTIVATED)
    operation = step(operation, minutes=11)
    assert operation.state == S.COMPLETED
    assert operation.update.samples.latest("at", "pk").counts["activated"] == 3, "the final counts"
    for certificate in ServerCertificate.objects.current():
        assert certificate.authority == new
        chain = chains_chain.split(certificate.chain_pem)
        assert len(chain) == 2, "the certificate is served with the cross-certificate"
        for roots in ([new.root_pem], [old.root_pem], [old.root_pem, new.root_pem]):
            chains_chain.verify_chain(
                certificate.chain_pem, roots=roots, host=certificate.subject, now=timezone.now()
            )


def test_the_manifest_is_signed_with_the_zone_key_and_lists_its_files(zone):
    operation = prepared()
    signed = verify_document(
        metadata.Manifest,
        metadata.MANIFEST,
        operation.update.get_envelope(),
        zone_keys.get_public_keys(zone.zone),
    )
    signed.validate(str(zone.zone.guid))
    assert {file.name for file in signed.files} == {
        metadata.ROOT_FILE,
        metadata.NEW_WITH_OLD,
        metadata.OLD_WITH_NEW,
    }
    assert signed.root_sha256 == operation.future_authority.sha256
    assert signed.epoch == operation.future_authority.epoch >= 1


def test_the_same_idempotency_key_returns_the_same_operation(zone):
    key = uuid4()
    one = creation.remint_ca(walkthrough.remint_ca_request(), by=None, key=key, now=timezone.now())
    two = creation.remint_ca(walkthrough.remint_ca_request(), by=None, key=key, now=timezone.now())
    assert one == two


def test_a_second_operation_is_rejected(zone):
    walkthrough.remint_ca()
    with pytest.raises(Conflict, match="already in progress"):
        walkthrough.remint_ca()
    assert Operation.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"years": 0},
        {"years": 11},
        {"key_length": 1024},
        {"common_name": ""},
        {"common_name": "x" * 65},
        {"common_name": "bad\x00name"},
    ],
)
def test_invalid_values_are_rejected_with_the_field(zone, change):
    with pytest.raises(Invalid) as caught:
        walkthrough.remint_ca(**change)
    assert caught.value.field == next(iter(change))
    assert not Operation.objects.exists()


@pytest.mark.manual("R042")
def test_an_activation_before_the_minimum_lead_time_is_rejected(zone):
    with pytest.raises(TooEarly, match="later than"):
        walkthrough.remint_ca(activates_at=timezone.now() + timedelta(seconds=50))


@pytest.mark.manual("R042", "R136", "R143")
def test_an_activation_after_the_expiration_of_the_ca_is_rejected(zone):
    with pytest.raises(TooLate, match="the zone CA CN=TEST-ZONE expires"):
        walkthrough.remint_ca(activates_at=timezone.now() + timedelta(days=3660))


def test_an_immediate_activation_is_rejected_if_the_ca_is_valid(zone):
    with pytest.raises(TooEarly):
        walkthrough.remint_ca(activates_at=None)


def test_an_operation_is_blocked_if_a_server_has_no_new_certificate(zone):
    operation = step(prepared())
    assert operation.state == S.ASSIGNED
    operation = step(operation, minutes=9, seconds=45)
    assert operation.state == S.BLOCKED
    assert "ps-01" in operation.reason
    assert not TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).exists()


@pytest.mark.manual("R093")
def test_cancellation_discards_everything_and_allows_a_new_operation(zone):
    operation = step(prepared())
    update = str(operation.update_id)
    zone.first.refresh()
    zone.first.request_certificate(update)
    signing.sign_batch(operation.future_authority, now=timezone.now())
    cancellation.cancel(operation, now=timezone.now())
    operation = step(operation)
    assert operation.state == S.CANCELED
    assert FutureCertificate.objects.get(operation=operation).state == FutureState.DISCARDED
    assert operation.future_authority.state == AuthorityState.DISCARDED
    assert not operation.future_authority.sealed_key
    notices = zone.first.refresh()["notices"]
    cancel = verify_document(
        metadata.Cancellation,
        metadata.CANCELLATION,
        build(Envelope, notices[0], "n"),
        zone_keys.get_public_keys(zone.zone),
    )
    assert cancel.id == update
    zone.first.report(update, messages.CANCELED)
    assert not zone.first.refresh()["notices"]
    walkthrough.remint_ca()


def test_a_device_without_the_update_receives_the_cancellation(zone):
    """The device trusts the new root since its last refresh and must stop trusting it."""
    waiting = zone.join("pc-01")
    operation = step(prepared())
    answer = waiting.refresh()
    assert not answer["updates"], "the certificate server comes first"
    assert answer["trust"]["pending"]
    cancellation.cancel(operation, now=timezone.now())
    joined = zone.join("pc-02")
    assert step(operation).state == S.CANCELED
    for device in (waiting, joined):
        kinds = [notice["payload_type"] for notice in device.refresh()["notices"]]
        assert kinds == [metadata.CANCELLATION]
        device.report(str(operation.update_id), messages.CANCELED)
        assert not device.refresh()["notices"]


@pytest.mark.manual("R095")
def test_cancel_is_rejected_in_the_freeze_period(zone):
    operation = step(prepared())
    freezes_at = operation.freezes_at(zone.zone.freeze_period)
    with pytest.raises(cancellation.TooLateToCancel, match="could be canceled until"):
        cancellation.cancel(operation, now=freezes_at)
    cancellation.cancel(operation, now=freezes_at - timedelta(seconds=1))


def test_certificate_names_come_from_the_database_not_from_the_csr(zone):
    operation = step(prepared())
    zone.first.refresh()
    zone.first.request_certificate(str(operation.update_id))
    signing.sign_batch(operation.future_authority, now=timezone.now())
    future = FutureCertificate.objects.get(operation=operation)
    facts = details.get_details(chains_chain.split(future.chain_pem)[0])
    assert facts.dns_names == ("ps-01.test.example",)
    assert facts.addresses == ("127.9.0.1",)


def test_a_replayed_refresh_is_rejected(zone):
    device = zone.join("pc-01")
    device.refresh()
    device.counter -= 1
    response = device.send("POST", "/zac/v1/refresh", messages.RefreshRequest(time=0.0, agent="1"))
    assert response.status_code == 401
    assert json.loads(response.content)["type"] == "urn:zcc:ReplayedRequest"


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "00" * 32},
        {"path": "/zac/v1/unregister"},
        {"body": b"{}"},
        {"method": "GET"},
        {"device": str(uuid4())},
    ],
)
def test_a_forged_request_is_rejected(zone, forged):
    device = zone.join("pc-01")
    response = device.send(
        "POST", "/zac/v1/refresh", messages.RefreshRequest(time=0.0, agent="1"), forged
    )
    assert response.status_code == 401


def test_a_device_registered_during_the_operation_gets_the_new_root_and_the_update(zone):
    operation = step(prepared())
    zone.first.report(str(operation.update_id), messages.APPLIED)
    late = zone.join("pc-late")
    assert late.answer["trust"]["pending"] == [operation.future_authority.root_pem]
    step(operation)
    assert late.refresh()["updates"]
