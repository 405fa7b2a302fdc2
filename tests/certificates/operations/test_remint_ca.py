"""Remint CA from the order to the end, spoken through the agent API (manual, 1.2.9)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from certificates.issuance import signing
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import cancellation, creation, preparation, requests, scheduler
from certificates.operations.activation_time import TooEarly, TooLate
from certificates.operations.states import AuthorityState, FutureState, OperationState
from faults import Conflict, Invalid
from pki.certificates import details
from pki.chains import chains as chains_chain
from systemupdates.assignments import rollout
from systemupdates.models import Notice
from wire import messages, metadata
from wire.envelope import Envelope
from wire.json_codec import build
from wire.metadata import open_as

S = OperationState


def order(**changes):
    values = {
        "common_name": "TEST-ZONE",
        "key_length": 256,
        "years": 10,
        "include_dns": False,
        "activates_at": timezone.now() + timedelta(minutes=10),
    }
    return requests.RemintCA(**{**values, **changes})


def start(**changes):
    return creation.remint_ca(order(**changes), by=None, key=uuid4(), now=timezone.now())


def step(operation, **later):
    operation = Operation.objects.get(pk=operation.pk)
    scheduler.advance(operation, now=timezone.now() + timedelta(**later))
    return Operation.objects.get(pk=operation.pk)


def prepared():
    operation = start()
    while preparation.prepare(operation, now=timezone.now()):
        pass
    return Operation.objects.get(pk=operation.pk)


def hold_content(zone, *hosts):
    digests = [file["sha256"] for file in Operation.objects.get().update.files]
    for host in hosts:
        host.refresh(holds=digests)


def test_it_goes_from_the_order_to_completed(zone, monkeypatch):
    monkeypatch.setattr(rollout, "LEAST_PAUSE", timedelta(days=1))
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    signing.sign_waiting(Authority.objects.current(), now=timezone.now())
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

    signing.sign_waiting(operation.future_authority, now=timezone.now())
    operation = step(operation)
    assert operation.state == S.ASSIGNED, "the lock-out has not begun"
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
    assert operation.update.samples.latest("at", "pk").counts["activated"] == 3, "the last word"
    for certificate in ServerCertificate.objects.current():
        assert certificate.authority == new
        chain = chains_chain.split(certificate.chain_pem)
        assert len(chain) == 2, "the bridge is served behind the certificate"
        for roots in ([new.root_pem], [old.root_pem], [old.root_pem, new.root_pem]):
            chains_chain.verify_chain(
                certificate.chain_pem, roots=roots, host=certificate.subject, now=timezone.now()
            )


def test_the_manifest_is_signed_by_the_zone_key_and_names_its_files(zone):
    operation = prepared()
    signed = open_as(
        metadata.Manifest, metadata.MANIFEST, operation.update.signed(), zone.zone.public_key
    )
    signed.check(str(zone.zone.guid))
    assert {file.name for file in signed.files} == {
        metadata.ROOT_FILE,
        metadata.NEW_WITH_OLD,
        metadata.OLD_WITH_NEW,
    }
    assert signed.root_sha256 == operation.future_authority.sha256
    assert signed.epoch == 1


def test_the_same_key_twice_is_one_operation(zone):
    key = uuid4()
    one = creation.remint_ca(order(), by=None, key=key, now=timezone.now())
    two = creation.remint_ca(order(), by=None, key=key, now=timezone.now())
    assert one == two


def test_a_second_operation_is_refused_and_changes_nothing(zone):
    start()
    with pytest.raises(Conflict, match="already in progress"):
        start()
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
def test_values_outside_the_ranges_are_refused_by_field(zone, change):
    with pytest.raises(Invalid) as caught:
        start(**change)
    assert caught.value.field == next(iter(change))
    assert not Operation.objects.exists()


def test_an_activation_before_the_lead_time_is_refused(zone):
    with pytest.raises(TooEarly, match="later than"):
        start(activates_at=timezone.now() + timedelta(seconds=50))


def test_an_activation_after_the_expiry_is_refused_and_names_the_certificate(zone):
    with pytest.raises(TooLate, match="the zone CA CN=TEST-ZONE expires"):
        start(activates_at=timezone.now() + timedelta(days=3660))


def test_immediate_is_refused_while_the_ca_is_valid(zone):
    with pytest.raises(TooEarly):
        start(activates_at=None)


def test_it_blocks_when_a_server_has_no_new_certificate_at_the_lockout(zone):
    operation = step(prepared())
    assert operation.state == S.ASSIGNED
    operation = step(operation, minutes=9, seconds=45)
    assert operation.state == S.BLOCKED
    assert "ps-01" in operation.reason
    assert not Notice.objects.filter(kind=Notice.Kind.GO).exists()


def test_cancel_discards_everything_and_frees_the_zone(zone):
    operation = step(prepared())
    update = str(operation.update_id)
    zone.first.refresh()
    zone.first.request_certificate(update)
    signing.sign_waiting(operation.future_authority, now=timezone.now())
    cancellation.cancel(operation, now=timezone.now())
    operation = step(operation)
    assert operation.state == S.CANCELLED
    assert FutureCertificate.objects.get(operation=operation).state == FutureState.DISCARDED
    assert operation.future_authority.state == AuthorityState.DISCARDED
    assert not operation.future_authority.sealed_key
    notices = zone.first.refresh()["notices"]
    cancel = open_as(
        metadata.Cancel, metadata.CANCEL, build(Envelope, notices[0], "n"), zone.zone.public_key
    )
    assert cancel.id == update
    zone.first.report(update, messages.CANCELED)
    assert not zone.first.refresh()["notices"]
    start()


def test_a_device_that_was_not_offered_the_update_hears_of_its_end_too(zone):
    """It trusts the announced root since its last refresh, and must not keep it for ever."""
    waiting = zone.join("pc-01")
    operation = step(prepared())
    answer = waiting.refresh()
    assert not answer["updates"], "the certificate server comes first"
    assert answer["trust"]["pending"]
    cancellation.cancel(operation, now=timezone.now())
    joined = zone.join("pc-02")
    assert step(operation).state == S.CANCELLED
    for device in (waiting, joined):
        kinds = [notice["payload_type"] for notice in device.refresh()["notices"]]
        assert kinds == [metadata.CANCEL]
        device.report(str(operation.update_id), messages.CANCELED)
        assert not device.refresh()["notices"]


def test_cancel_is_refused_from_the_lockout_on(zone):
    operation = step(prepared())
    locks_at = operation.locks_at(zone.zone.lockout)
    with pytest.raises(cancellation.TooLateToCancel, match="possible until"):
        cancellation.cancel(operation, now=locks_at)
    cancellation.cancel(operation, now=locks_at - timedelta(seconds=1))


def test_names_of_a_certificate_come_from_the_record_not_from_the_request(zone):
    operation = step(prepared())
    zone.first.refresh()
    zone.first.request_certificate(str(operation.update_id))
    signing.sign_waiting(operation.future_authority, now=timezone.now())
    future = FutureCertificate.objects.get(operation=operation)
    facts = details.describe(chains_chain.split(future.chain_pem)[0])
    assert facts.dns_names == ("ps-01.test.example",)
    assert facts.addresses == ("127.9.0.1",)


def test_a_replayed_refresh_is_refused(zone):
    device = zone.join("pc-01")
    device.refresh()
    device.counter -= 1
    response = device.send("POST", "/zac/v1/refresh", messages.Refresh(t=0.0, agent="1"))
    assert response.status_code == 401
    assert b"counter" in response.content


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
def test_a_forged_request_is_refused(zone, forged):
    device = zone.join("pc-01")
    response = device.send("POST", "/zac/v1/refresh", messages.Refresh(t=0.0, agent="1"), forged)
    assert response.status_code == 401


def test_a_device_that_joins_during_the_operation_gets_pending_trust_and_the_update(zone):
    operation = step(prepared())
    zone.first.report(str(operation.update_id), messages.APPLIED)
    late = zone.join("pc-late")
    assert late.answer["trust"]["pending"] == [operation.future_authority.root_pem]
    step(operation)
    assert late.refresh()["updates"]
