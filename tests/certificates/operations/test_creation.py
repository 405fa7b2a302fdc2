"""Change CA in all four directions with two Primary Servers (manual, 1.2.4; D-26, D-28, D-29)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from audit.chain.states import InvalidTransition
from certificates.agents import responses
from certificates.issuance import imports
from certificates.models import (
    Authority,
    CrossCertificate,
    FutureCertificate,
    Operation,
    ServerCertificate,
)
from certificates.operations import (
    activation,
    cancellation,
    creation,
    distribution,
    intervention,
    preparation,
    requests,
    scheduler,
)
from certificates.operations.activation_time import TooEarly, TooLate
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.identity import zone_keys
from devices.models import Device, Zone
from devices.registration import registration
from faults import Conflict, Fault, Refused
from pki.chains import chains as chains_chain
from systemupdates.assignments import assignment
from systemupdates.models import Assignment, TrustNotice
from tests.support import walkthrough
from tests.support import zone as small_zone
from tests.support.public_ca import DAY, YEAR, PublicCA
from tests.support.zone import Host, TestZone
from wire import messages, metadata, update_messages
from wire.metadata import verify_document

S = OperationState


@pytest.fixture
def second(zone: TestZone) -> Host:
    """A second Primary Server with its initial certificate. Both servers are online."""
    host = walkthrough.join_server(zone, "ps-02", messages.PRIMARY, "127.9.0.2")
    zone.first.refresh()
    return host


@pytest.fixture
def device(zone: TestZone, second: Host) -> Host:
    return zone.join("pc-01")


def assigned(zone: TestZone, operation: Operation) -> Operation:
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    assert operation.state == S.ASSIGNED
    walkthrough.apply(zone, operation)
    return walkthrough.fresh(operation)


def stores(old: Authority, new: Authority) -> list[list[str]]:
    return [[old.root_pem], [old.root_pem, new.root_pem], [new.root_pem]]


def both(operation: Operation) -> tuple[Authority, Authority]:
    assert operation.authority is not None
    assert operation.future_authority is not None
    return (
        Authority.objects.get(pk=operation.authority.pk),
        Authority.objects.get(pk=operation.future_authority.pk),
    )


@pytest.mark.manual("R033", "R034", "R055", "R218")
def test_change_to_internal_ca_on_another_server(
    zone: TestZone, second: Host, device: Host
) -> None:
    operation = walkthrough.to_internal(second)
    assert walkthrough.prepare(zone, operation) == [
        "ps-02 create_future_ca",
        "ps-01 sign_new_with_old",
        "ps-02 sign_old_with_new",
        "ps-02 publish",
    ]
    operation = assigned(zone, operation)
    walkthrough.sign(zone, both(operation)[1])
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    old, new = both(operation)
    assert (old.state, new.state) == (AuthorityState.GRACE, AuthorityState.CURRENT)
    assert str(new.certificate_server_id) == second.id
    assert walkthrough.verified_by(*stores(old, new)) == [True, True, True]


@pytest.mark.manual("R008", "R033", "R207", "R218")
def test_change_from_internal_to_external_ca(zone: TestZone, second: Host, device: Host) -> None:
    ca = PublicCA()
    operation = walkthrough.to_external(ca)
    assert walkthrough.prepare(zone, operation) == [
        "ps-01 create_future_ca",
        "ps-01 sign_new_with_old",
        "ps-01 publish",
    ]
    operation = assigned(zone, operation)
    assert set(operation.futures.values_list("state", flat=True)) == {FutureState.CSR_GENERATED}
    walkthrough.import_all(operation, ca)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    old, new = both(operation)
    assert not new.is_internal
    assert new.certificate_server is None
    assert new.root_pem == ca.root.pem
    assert walkthrough.verified_by(*stores(old, new)) == [True, True, True]
    chain = chains_chain.split(ServerCertificate.objects.current()[0].chain_pem)
    assert len(chain) == 3, "leaf, intermediate, cross-certificate"
    assert ca.root.pem not in chain, "a root is never sent"


@pytest.mark.manual("R033", "R218")
def test_change_from_external_to_internal_ca(outside: tuple[TestZone, PublicCA]) -> None:
    zone, _ = outside
    operation = walkthrough.to_internal(zone.first)
    assert walkthrough.prepare(zone, operation) == [
        "ps-01 create_future_ca",
        "ps-01 sign_old_with_new",
        "ps-01 publish",
    ], "the zone does not have the key of the external CA"
    operation = assigned(zone, operation)
    walkthrough.sign(zone, both(operation)[1])
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    old, new = both(operation)
    assert new.is_internal
    assert walkthrough.verified_by(*stores(old, new)) == [False, True, True]


@pytest.mark.manual("R008", "R033")
def test_change_from_external_to_external_ca(outside: tuple[TestZone, PublicCA]) -> None:
    zone, _ = outside
    other = PublicCA("Other", depth=2)
    operation = walkthrough.to_external(other)
    assert walkthrough.prepare(zone, operation) == ["ps-01 create_future_ca", "ps-01 publish"]
    assert not CrossCertificate.objects.exists()
    operation = assigned(zone, operation)
    walkthrough.import_all(operation, other)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    assert walkthrough.verified_by(*stores(*both(operation))) == [False, True, True]


def test_operations_of_one_minute_have_different_names(zone: TestZone) -> None:
    now = timezone.now().replace(second=5, microsecond=0)

    def start(moment: datetime) -> str:
        request = walkthrough.remint_ca_request(activates_at=now + timedelta(days=9))
        return creation.remint_ca(request, by=None, key=uuid4(), now=moment).name

    first = start(now)
    FutureCertificate.objects.update(state=FutureState.DISCARDED)
    Operation.objects.update(state=S.CANCELED)
    assert start(now + timedelta(seconds=30)) != first
    assert first == f"Remint CA {now:%Y-%m-%d %H:%M:%S} UTC"


def test_the_current_external_root_is_rejected(outside: tuple[TestZone, PublicCA]) -> None:
    _, ca = outside
    with pytest.raises(Refused, match="already trusts this root"):
        walkthrough.to_external(ca)


def test_an_external_root_can_be_used_again_after_cancellation(zone: TestZone) -> None:
    ca = PublicCA()
    for _ in range(2):
        operation = walkthrough.to_external(ca)
        walkthrough.prepare(zone, operation)
        cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
        assert walkthrough.step(operation).state == S.CANCELED
    assert Authority.objects.filter(state=AuthorityState.DISCARDED).count() == 2


@pytest.mark.parametrize("kind", ["expired", "ends-early", "later"])
def test_a_root_that_is_not_valid_at_activation_is_rejected(zone: TestZone, kind: str) -> None:
    now = timezone.now()
    dates: dict[str, Any] = {
        "expired": {"begins": now - YEAR, "ends": now - DAY},
        "ends-early": {"begins": now - YEAR, "ends": now + timedelta(minutes=5)},
        "later": {"begins": now + DAY, "ends": now + YEAR},
    }
    with pytest.raises(Fault, match="only"):
        walkthrough.to_external(PublicCA(**dates[kind], depth=0))
    assert not Operation.objects.exists()


@pytest.mark.manual("R061")
def test_a_chain_without_a_self_signed_root_is_rejected(zone: TestZone) -> None:
    ca = PublicCA()
    with pytest.raises(Fault, match="not self-signed"):
        walkthrough.to_external(ca, root_pem=ca.chain[0], intermediates_pem=ca.root.pem)
    with pytest.raises(Fault, match="not complete"):
        walkthrough.to_external(ca, root_pem=ca.chain[0], intermediates_pem="")


def test_an_offline_server_cannot_become_the_certificate_server(
    zone: TestZone, second: Host
) -> None:
    Device.objects.filter(pk=second.guid).update(last_contact=timezone.now() - DAY)
    with pytest.raises(Fault, match="worker does not respond"):
        walkthrough.to_internal(second)


@pytest.mark.manual("R014")
def test_a_satellite_cannot_become_the_certificate_server(zone: TestZone) -> None:
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    satellite.refresh()
    with pytest.raises(Fault, match="Select a Primary Server"):
        walkthrough.to_internal(satellite)


def test_preparation_continues_without_the_cross_certificate_of_a_lost_server(
    zone: TestZone, second: Host
) -> None:
    operation = walkthrough.to_internal(second)
    with zone.on(second):
        assert preparation.prepare(operation, now=timezone.now())
        assert not preparation.prepare(walkthrough.fresh(operation), now=timezone.now())
    intervention.continue_without_cross_certificate(walkthrough.fresh(operation))
    assert walkthrough.prepare(zone, operation) == ["ps-02 sign_old_with_new", "ps-02 publish"]
    assert walkthrough.fresh(operation).state == S.REPLICATING


def test_concurrent_preparation_creates_one_ca(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    stale = walkthrough.fresh(operation)
    preparation.create_future_ca(operation, timezone.now())
    with pytest.raises(InvalidTransition):
        preparation.create_future_ca(stale, timezone.now())
    assert Authority.objects.filter(state=AuthorityState.FUTURE).count() == 1


def test_a_new_ca_is_not_stored_after_cancellation(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    stale = walkthrough.fresh(operation)
    cancellation.cancel(operation, now=timezone.now())
    walkthrough.step(operation)
    with pytest.raises(InvalidTransition):
        preparation.create_future_ca(stale, timezone.now())
    assert not Authority.objects.filter(state=AuthorityState.FUTURE).exists()


# Servers that register or unregister during the operation


def test_a_server_registered_during_the_change_gets_a_new_certificate(
    zone: TestZone, second: Host
) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    late = zone.join("ps-03", messages.PRIMARY, "127.9.0.4")
    walkthrough.step(operation)
    late.request_certificate(str(operation.update_id))
    late.report(str(operation.update_id), messages.APPLIED)
    walkthrough.sign(zone, both(operation)[1])
    operation = walkthrough.cut_over(zone, operation)
    shown = ServerCertificate.objects.current().get(device=late.guid)
    assert shown.authority == operation.future_authority


def test_a_server_registered_during_an_external_change_gets_the_csr_subject(
    zone: TestZone,
) -> None:
    subject = requests.SubjectFields(organization="Acme")
    operation = walkthrough.to_external(PublicCA(), subject=subject)
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    future = operation.futures.get(device__name="ps-02")
    assert future.csr_parameters is not None
    assert future.csr_parameters["organization"] == "Acme"


def test_a_pending_initial_certificate_is_signed_by_the_new_ca_after_activation(
    zone: TestZone,
) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    walkthrough.sign(zone, both(operation)[0])
    operation = walkthrough.step(operation, minutes=9, seconds=45)
    late = zone.join("ps-09", messages.PRIMARY, "127.9.0.9")
    walkthrough.step(operation, minutes=11)
    first = FutureCertificate.objects.get(device=late.guid, operation=None)
    assert first.authority == Authority.objects.current()
    walkthrough.sign(zone, Authority.objects.current())
    first.refresh_from_db()
    assert first.state == FutureState.CREATED


def test_a_server_that_registers_again_creates_a_new_key(zone: TestZone, second: Host) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    before = operation.futures.get(device=second.guid)
    assert before.state == FutureState.CREATED
    # A server in contact would have to be released first.
    Device.objects.filter(pk=second.guid).update(last_contact=timezone.now() - DAY)
    again = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    after = operation.futures.get(device=again.guid)
    assert again.id == second.id
    assert (after.state, after.generation) == (FutureState.AWAITED, before.generation + 1)
    assert walkthrough.step(operation, minutes=9, seconds=45).state == S.BLOCKED
    again.request_certificate(str(operation.update_id))
    walkthrough.sign(zone, both(operation)[1])
    assert walkthrough.step(operation, minutes=9, seconds=50).state == S.ACTIVATING


def test_an_unregistered_server_does_not_block_the_activation(zone: TestZone, second: Host) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    registration.unregister(Device.objects.get(pk=second.guid))
    walkthrough.sign(zone, both(operation)[1])
    walkthrough.step(operation, minutes=9, seconds=45)
    assert walkthrough.step(operation, minutes=11).state == S.ACTIVATED
    walkthrough.activated(zone, operation, [zone.first])
    assert walkthrough.step(operation, minutes=11).state == S.COMPLETED


# Immediate activation


@pytest.fixture
def expired(db: None, tmp_path: Any, settings: Any) -> Iterator[TestZone]:
    """A zone whose CA has expired."""
    settings.SERVER_HOME = tmp_path / "ps-01"
    zone_keys.clear_cache()
    responses.clear_cache()
    made = small_zone.found(tmp_path / "ps-01", now=timezone.now() - 11 * YEAR)
    made.first.refresh()
    yield made
    zone_keys.clear_cache()
    responses.clear_cache()


@pytest.mark.manual("R044", "R137")
def test_an_expired_ca_is_replaced_immediately(expired: TestZone) -> None:
    device = expired.join("pc-01")
    operation = walkthrough.remint_ca(activates_at=None)
    assert operation.immediate
    assert walkthrough.prepare(expired, operation) == ["ps-01 create_future_ca", "ps-01 publish"], (
        "an expired CA does not sign cross-certificates"
    )
    operation = walkthrough.step(operation)
    assert operation.state == S.ASSIGNED, (
        "replication is skipped, because content servers cannot report"
    )
    operation = walkthrough.step(operation)
    assert operation.state == S.ACTIVATING
    assert walkthrough.step(operation).state == S.ACTIVATED
    assert Authority.objects.current().has_expired(timezone.now()) is False
    update = str(operation.update_id)
    expired.first.request_certificate(update)
    walkthrough.sign(expired, Authority.objects.current())
    go = expired.first.send("GET", f"/zac/v1/updates/{update}/go")
    assert go.status_code == 200, go.content
    walkthrough.activated(expired, walkthrough.fresh(operation), [expired.first, device])
    assert walkthrough.step(operation).state == S.COMPLETED
    new = Authority.objects.current()
    assert walkthrough.verified_by([new.root_pem]) == [True]


def test_an_activation_time_is_rejected_if_the_ca_has_expired(expired: TestZone) -> None:
    with pytest.raises(TooLate, match="expires"):
        walkthrough.remint_ca()


def test_a_server_remint_is_rejected_if_the_ca_has_expired(expired: TestZone) -> None:
    with pytest.raises(Refused, match="Remint the CA first"):
        walkthrough.remint_servers(expired.first, activates_at=None)


def test_an_immediate_operation_can_be_canceled_until_assignment(expired: TestZone) -> None:
    operation = walkthrough.remint_ca(activates_at=None)
    walkthrough.prepare(expired, operation)
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    assert walkthrough.step(operation).state == S.CANCELED
    operation = walkthrough.remint_ca(activates_at=None)
    walkthrough.prepare(expired, operation)
    operation = walkthrough.step(operation)
    with pytest.raises(cancellation.TooLateToCancel):
        cancellation.cancel(operation, now=timezone.now())


# Blocked operations


@pytest.fixture
def blocked(zone: TestZone, second: Host) -> Operation:
    """An operation that is blocked because the second server has no new certificate."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    zone.first.refresh()
    zone.first.request_certificate(str(operation.update_id))
    zone.first.report(str(operation.update_id), messages.APPLIED)
    walkthrough.sign(zone, both(operation)[1])
    operation = walkthrough.step(operation, minutes=9, seconds=45)
    assert operation.state == S.BLOCKED
    assert "1 server does not have a new certificate: ps-02" in operation.reason
    return operation


def test_a_blocked_operation_stays_blocked_after_its_activation_time(blocked: Operation) -> None:
    assert walkthrough.step(blocked, minutes=30).state == S.BLOCKED
    assert not TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).exists()


def test_a_blocked_operation_resumes_when_the_certificate_arrives_in_time(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    second.refresh()
    second.request_certificate(str(blocked.update_id))
    walkthrough.sign(zone, both(blocked)[1])
    assert walkthrough.step(blocked, minutes=9, seconds=50).state == S.ACTIVATING


def test_a_blocked_operation_does_not_resume_after_its_activation_time(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    second.refresh()
    second.request_certificate(str(blocked.update_id))
    walkthrough.sign(zone, both(blocked)[1])
    operation = walkthrough.step(blocked, minutes=11)
    assert operation.state == S.BLOCKED
    assert operation.reason == (
        "All servers now have their new certificates, but the activation time has passed."
    )
    assert operation.action == "Change the activation time, or force the activation."
    intervention.force_activation(operation, now=timezone.now())
    assert walkthrough.fresh(operation).reason == ""


def test_changing_the_activation_time_unblocks_an_operation(blocked: Operation) -> None:
    later = timezone.now() + timedelta(hours=2)
    intervention.change_activation_time(blocked, later, now=timezone.now())
    operation = walkthrough.fresh(blocked)
    assert (operation.state, operation.reason) == (S.ASSIGNED, "")
    assert walkthrough.step(operation, minutes=11).state == S.ASSIGNED


def test_an_ignored_server_does_not_block_the_activation(second: Host, blocked: Operation) -> None:
    row = Assignment.objects.get(device=second.guid, update=blocked.update_id)
    assignment.ignore_device(row, now=timezone.now())
    assert walkthrough.step(blocked, minutes=9, seconds=50).state == S.ACTIVATING
    refused = second.send("GET", f"/zac/v1/updates/{blocked.update_id}/go")
    assert refused.status_code == 404, "an ignored server gets no activation order"


def test_ignoring_a_server_after_the_activation_time_starts_a_new_freeze_period(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    passed = timezone.now() + timedelta(minutes=30)
    row = Assignment.objects.get(device=second.guid, update=blocked.update_id)
    assignment.ignore_device(row, now=passed)
    operation = walkthrough.step(blocked, minutes=30)
    assert (operation.state, operation.forced) == (S.ASSIGNED, False)
    assert operation.activates_at is not None
    assert operation.activates_at >= passed + zone.zone.freeze_period
    assert operation.update is not None
    assert operation.update.revision > 1, "the new activation time is published"
    assert walkthrough.step(operation, minutes=30, seconds=1).state == S.ACTIVATING


def test_an_ignored_server_stays_ignored_after_registering_again(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    row = Assignment.objects.get(device=second.guid, update=blocked.update_id)
    assignment.ignore_device(row, now=timezone.now())
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    row.refresh_from_db()
    assert row.state == "ignored"


def test_a_forced_activation_continues_without_the_blocking_server(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    intervention.force_activation(blocked, now=timezone.now())
    operation = walkthrough.step(blocked, minutes=9, seconds=50)
    assert operation.state == S.ACTIVATING
    operation = walkthrough.step(operation, minutes=11)
    assert operation.state == S.ACTIVATED
    old, new = both(operation)
    walkthrough.activated(zone, operation, [zone.first])
    operation = walkthrough.step(operation, minutes=11)
    assert operation.state == S.ACTIVATED, "one device is outstanding"
    assert ServerCertificate.objects.current().get(device=zone.first.guid).authority == new
    assert ServerCertificate.objects.current().get(device=second.guid).authority == old


def test_forcing_starts_a_new_freeze_period(blocked: Operation) -> None:
    now = timezone.now() + timedelta(hours=1)
    intervention.force_activation(blocked, now=now)
    assert walkthrough.fresh(blocked).activates_at == now + Zone.objects.get_zone().freeze_period


def test_force_is_rejected_if_no_server_has_a_new_certificate(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.step(operation)
    operation = walkthrough.step(operation, minutes=9, seconds=45)
    with pytest.raises(Refused, match="nothing to activate"):
        intervention.force_activation(operation, now=timezone.now())


def test_a_blocked_operation_can_be_canceled(blocked: Operation) -> None:
    cancellation.cancel(blocked, now=timezone.now() + timedelta(hours=1))
    assert walkthrough.step(blocked).state == S.CANCELED


# Changing the activation time


def test_a_changed_activation_time_is_published_as_a_new_revision(
    zone: TestZone, second: Host, device: Host
) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    later = (timezone.now() + timedelta(hours=3)).replace(microsecond=0)
    intervention.change_activation_time(operation, later, now=timezone.now())
    operation = walkthrough.fresh(operation)
    assert operation.update is not None
    signed = verify_document(
        metadata.Manifest,
        metadata.MANIFEST,
        operation.update.get_envelope(),
        zone_keys.get_public_keys(zone.zone),
    )
    assert signed.revision > 1
    assert signed.activate_at == int(later.timestamp())
    for host in (zone.first, second, device):
        assert any(
            f'"revision":{signed.revision},' in walkthrough._payload(one).replace(" ", "")
            for one in host.refresh()["updates"]
        )
    walkthrough.sign(zone, both(operation)[1])
    assert walkthrough.step(operation, minutes=9, seconds=45).state == S.ASSIGNED
    operation = walkthrough.step(operation, hours=2, minutes=59, seconds=50)
    assert operation.state == S.ACTIVATING
    assert operation.update is not None
    notice = TrustNotice.objects.get(kind=TrustNotice.Kind.ACTIVATION_ORDER)
    go = verify_document(
        metadata.ActivationOrder,
        metadata.ACTIVATION_ORDER,
        notice.get_envelope(),
        zone_keys.get_public_keys(zone.zone),
    )
    assert go.revision > signed.revision
    assert go.activate_at == int(later.timestamp())


def test_an_activation_order_is_not_signed_for_a_changed_activation_time(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    stale = walkthrough.fresh(operation)
    intervention.change_activation_time(
        operation, timezone.now() + timedelta(hours=3), now=timezone.now()
    )
    with pytest.raises(InvalidTransition):
        scheduler.advance(stale, now=timezone.now() + timedelta(minutes=9, seconds=45))
    assert not TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).exists()
    assert walkthrough.fresh(operation).state == S.ASSIGNED


def test_the_activation_time_cannot_be_changed_in_the_freeze_period(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    freezes_at = operation.freezes_at(zone.zone.freeze_period)
    assert freezes_at is not None
    with pytest.raises(Conflict, match="could be changed until"):
        intervention.change_activation_time(operation, walkthrough.soon(hours=3), now=freezes_at)


def test_a_changed_activation_time_must_be_within_the_limits(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    with pytest.raises(TooEarly):
        intervention.change_activation_time(
            operation, walkthrough.soon(seconds=20), now=timezone.now()
        )
    with pytest.raises(TooLate):
        intervention.change_activation_time(
            operation, walkthrough.soon(days=4000), now=timezone.now()
        )
    assert walkthrough.fresh(operation).update.revision == 1


@pytest.mark.parametrize("state", [S.PREPARING, S.REPLICATING])
def test_an_operation_that_missed_its_activation_time_can_be_rescheduled_or_canceled(
    zone: TestZone, second: Host, state: str
) -> None:
    operation = walkthrough.remint_ca()
    if state == S.REPLICATING:
        walkthrough.prepare(zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.state == state
    in_lockout = timezone.now() + timedelta(minutes=9, seconds=45)
    with pytest.raises(cancellation.TooLateToCancel):
        cancellation.cancel(operation, now=in_lockout)
    past = timezone.now() + timedelta(minutes=30)
    intervention.change_activation_time(operation, past + timedelta(hours=1), now=past)
    past += timedelta(hours=2)
    cancellation.cancel(walkthrough.fresh(operation), now=past)
    assert walkthrough.step(operation).state == S.CANCELED


# Concurrent workers


def test_concurrent_workers_sign_one_activation_order(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    one, two = walkthrough.fresh(operation), walkthrough.fresh(operation)
    at = timezone.now() + timedelta(minutes=9, seconds=45)
    activation.sign_activation_order(one, now=at)
    with pytest.raises(InvalidTransition):
        activation.sign_activation_order(two, now=at)
    assert TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).count() == 1


def test_concurrent_workers_assign_and_activate_once(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    one, two = walkthrough.fresh(operation), walkthrough.fresh(operation)
    distribution.assign(one, now=timezone.now())
    with pytest.raises(InvalidTransition):
        distribution.assign(two, now=timezone.now())
    assert Assignment.objects.count() == 1
    zone.first.refresh()
    zone.first.request_certificate(str(walkthrough.fresh(operation).update_id))
    walkthrough.sign(zone, both(walkthrough.fresh(operation))[1])
    walkthrough.step(operation, minutes=9, seconds=45)
    one, two = walkthrough.fresh(operation), walkthrough.fresh(operation)
    activation.activate(one, now=timezone.now())
    with pytest.raises(InvalidTransition):
        activation.activate(two, now=timezone.now())
    assert TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATED).count() == 1
    assert Authority.objects.filter(state=AuthorityState.CURRENT).count() == 1


def test_every_step_can_be_repeated(zone: TestZone, second: Host) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    for later in (0, 0, 585, 585, 660, 660, 660):
        operation = walkthrough.step(operation, seconds=later)
    assert operation.state == S.ACTIVATED


def test_a_manual_csr_change_takes_key_and_certificate_from_the_repository(zone: TestZone) -> None:
    ca = PublicCA()
    operation = walkthrough.to_external(ca, manual_csr=True)
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    future = operation.futures.get()
    assert future.manual_csr
    with pytest.raises(Conflict, match="No CSR"):
        imports.import_file(future, b"x", now=timezone.now())
    pem = zone.first.registration().csr or ""
    chain = ca.answer(pem, "pem", dns=[zone.first.fqdn], addresses=["127.9.0.1"]).decode()
    said = update_messages.CsrRequest(csr="", chain=chain, generation=1)
    path = f"/zac/v1/updates/{operation.update_id}/csr"
    assert zone.first.send("POST", path, said).status_code == 202
    future.refresh_from_db()
    assert future.state == FutureState.UPLOADED
