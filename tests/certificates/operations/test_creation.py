"""Change CA in all four directions with two Primary Servers (manual, 1.2.4; D-26, D-28, D-29)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.chain.states import WrongMove
from certificates.agents import responses
from certificates.authority import bootstrap
from certificates.issuance import imports
from certificates.models import Authority, Bridge, FutureCertificate, Operation, ServerCertificate
from certificates.operations import (
    activation,
    cancellation,
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
from systemupdates.models import Assignment, Notice
from tests.support import walkthrough
from tests.support import zone as small_zone
from tests.support.public_ca import DAY, YEAR, PublicCA
from tests.support.zone import Host, TestZone
from wire import messages, metadata
from wire.metadata import open_as

S = OperationState


@pytest.fixture
def second(zone: TestZone) -> Host:
    """A second Primary Server with its first certificate; both were heard just now."""
    host = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    walkthrough.sign(zone, Authority.objects.current())
    first = FutureCertificate.objects.get(device=host.guid)
    host.refresh(server_certificate_sha256=first.digest)
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


def test_internal_to_internal_on_another_server(zone: TestZone, second: Host, device: Host) -> None:
    operation = walkthrough.to_internal(second)
    assert walkthrough.prepare(zone, operation) == [
        "ps-02 make_future",
        "ps-01 bridge_by_old",
        "ps-02 bridge_by_new",
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


def test_internal_to_external(zone: TestZone, second: Host, device: Host) -> None:
    ca = PublicCA()
    operation = walkthrough.to_external(ca)
    assert walkthrough.prepare(zone, operation) == [
        "ps-01 make_future",
        "ps-01 bridge_by_old",
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
    assert len(chain) == 3, "leaf, intermediate, bridge"
    assert ca.root.pem not in chain, "a root is never sent"


@pytest.fixture
def outside(db: None, tmp_path: Any, settings: Any, monkeypatch: Any) -> Iterator[tuple[Any, ...]]:
    """A zone whose CA is external from its first day on (R006)."""
    settings.SERVER_HOME = tmp_path / "ps-01"
    zone_keys.forget()
    responses.forget()
    ca = PublicCA("First")
    real = bootstrap.found_zone

    def sign_its_csr(order: Any, server: Any, **more: Any) -> Any:
        leaf = ca.sign(server.csr, addresses=server.addresses)
        given = bootstrap.External(ca.root.pem, ca.chain, [leaf])
        return real(bootstrap.ZoneOrder(order.name, external=given), server, **more)

    monkeypatch.setattr(bootstrap, "found_zone", sign_its_csr)
    made = small_zone.found(tmp_path / "ps-01")
    made.first.refresh()
    yield made, ca
    zone_keys.forget()
    responses.forget()


def test_external_to_internal(outside: tuple[TestZone, PublicCA]) -> None:
    zone, _ = outside
    operation = walkthrough.to_internal(zone.first)
    assert walkthrough.prepare(zone, operation) == [
        "ps-01 make_future",
        "ps-01 bridge_by_new",
        "ps-01 publish",
    ], "nothing here can sign for the external CA"
    operation = assigned(zone, operation)
    walkthrough.sign(zone, both(operation)[1])
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    old, new = both(operation)
    assert new.is_internal
    assert walkthrough.verified_by(*stores(old, new)) == [False, True, True]


def test_external_to_external(outside: tuple[TestZone, PublicCA]) -> None:
    zone, _ = outside
    other = PublicCA("Other", depth=2)
    operation = walkthrough.to_external(other)
    assert walkthrough.prepare(zone, operation) == ["ps-01 make_future", "ps-01 publish"]
    assert not Bridge.objects.exists()
    operation = assigned(zone, operation)
    walkthrough.import_all(operation, other)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    assert walkthrough.verified_by(*stores(*both(operation))) == [False, True, True]


def test_the_same_external_root_again_is_refused(outside: tuple[TestZone, PublicCA]) -> None:
    _, ca = outside
    with pytest.raises(Refused, match="already trusted"):
        walkthrough.to_external(ca)


def test_an_external_root_tried_before_can_be_tried_again(zone: TestZone) -> None:
    ca = PublicCA()
    for _ in range(2):
        operation = walkthrough.to_external(ca)
        walkthrough.prepare(zone, operation)
        cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
        assert walkthrough.step(operation).state == S.CANCELLED
    assert Authority.objects.filter(state=AuthorityState.DISCARDED).count() == 2


@pytest.mark.parametrize("kind", ["expired", "ends-early", "later"])
def test_a_root_that_is_not_valid_at_the_activation_is_refused(zone: TestZone, kind: str) -> None:
    now = timezone.now()
    dates: dict[str, Any] = {
        "expired": {"begins": now - YEAR, "ends": now - DAY},
        "ends-early": {"begins": now - YEAR, "ends": now + timedelta(minutes=5)},
        "later": {"begins": now + DAY, "ends": now + YEAR},
    }
    with pytest.raises(Fault, match="only"):
        walkthrough.to_external(PublicCA(**dates[kind], depth=0))
    assert not Operation.objects.exists()


def test_a_root_that_is_none_is_refused(zone: TestZone) -> None:
    ca = PublicCA()
    with pytest.raises(Fault, match="not self-signed"):
        walkthrough.to_external(ca, root_pem=ca.chain[0], intermediates_pem=ca.root.pem)
    with pytest.raises(Fault, match="not complete"):
        walkthrough.to_external(ca, root_pem=ca.chain[0], intermediates_pem="")


def test_a_silent_server_cannot_become_the_certificate_server(zone: TestZone, second: Host) -> None:
    Device.objects.filter(pk=second.guid).update(last_contact=timezone.now() - DAY)
    with pytest.raises(Fault, match="not been heard of"):
        walkthrough.to_internal(second)


def test_a_satellite_cannot_become_the_certificate_server(zone: TestZone) -> None:
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    satellite.refresh()
    with pytest.raises(Fault, match="Choose a Primary Server"):
        walkthrough.to_internal(satellite)


def test_a_dead_certificate_server_holds_the_bridge_back_until_it_is_given_up(
    zone: TestZone, second: Host
) -> None:
    operation = walkthrough.to_internal(second)
    with zone.on(second):
        assert preparation.prepare(operation, now=timezone.now())
        assert not preparation.prepare(walkthrough.fresh(operation), now=timezone.now())
    intervention.go_on_without_bridge(walkthrough.fresh(operation))
    assert walkthrough.prepare(zone, operation) == ["ps-02 bridge_by_new", "ps-02 publish"]
    assert walkthrough.fresh(operation).state == S.REPLICATING


def test_two_workers_that_prepare_at_once_make_one_ca(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    stale = walkthrough.fresh(operation)
    preparation.make_future(operation, timezone.now())
    with pytest.raises(WrongMove):
        preparation.make_future(stale, timezone.now())
    assert Authority.objects.filter(state=AuthorityState.FUTURE).count() == 1


def test_a_ca_made_after_its_operation_was_cancelled_is_not_stored(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    stale = walkthrough.fresh(operation)
    cancellation.cancel(operation, now=timezone.now())
    walkthrough.step(operation)
    with pytest.raises(WrongMove):
        preparation.make_future(stale, timezone.now())
    assert not Authority.objects.filter(state=AuthorityState.FUTURE).exists()


# Servers that come and go meanwhile


def test_a_server_that_joins_during_the_change_gets_its_future_certificate(
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


def test_a_server_that_joins_an_external_change_is_asked_for_a_csr_with_the_subject(
    zone: TestZone,
) -> None:
    subject = requests.SubjectFields(organization="Acme")
    operation = walkthrough.to_external(PublicCA(), subject=subject)
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    future = operation.futures.get(device__name="ps-02")
    assert future.order is not None
    assert future.order["organization"] == "Acme"


def test_a_first_certificate_still_waiting_at_the_activation_comes_from_the_new_ca(
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


def test_a_server_that_registers_anew_makes_a_fresh_key(zone: TestZone, second: Host) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    before = operation.futures.get(device=second.guid)
    assert before.state == FutureState.CREATED
    again = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    after = operation.futures.get(device=again.guid)
    assert again.id == second.id
    assert (after.state, after.generation) == (FutureState.AWAITED, before.generation + 1)
    assert walkthrough.step(operation, minutes=9, seconds=45).state == S.BLOCKED
    again.request_certificate(str(operation.update_id))
    walkthrough.sign(zone, both(operation)[1])
    assert walkthrough.step(operation, minutes=9, seconds=50).state == S.ACTIVATING


def test_an_unregistered_server_holds_nothing_back(zone: TestZone, second: Host) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    registration.unregister(Device.objects.get(pk=second.guid))
    walkthrough.sign(zone, both(operation)[1])
    walkthrough.step(operation, minutes=9, seconds=45)
    assert walkthrough.step(operation, minutes=11).state == S.ACTIVATED
    walkthrough.activated(zone, operation, [zone.first])
    assert walkthrough.step(operation, minutes=11).state == S.COMPLETED


# Immediate


@pytest.fixture
def expired(db: None, tmp_path: Any, settings: Any) -> Iterator[TestZone]:
    """A zone founded eleven years ago, whose CA was made for ten."""
    settings.SERVER_HOME = tmp_path / "ps-01"
    zone_keys.forget()
    responses.forget()
    made = small_zone.found(tmp_path / "ps-01", now=timezone.now() - 11 * YEAR)
    made.first.refresh()
    yield made
    zone_keys.forget()
    responses.forget()


def test_under_an_expired_ca_everything_happens_at_once(expired: TestZone) -> None:
    device = expired.join("pc-01")
    operation = walkthrough.remint_ca(activates_at=None)
    assert operation.immediate
    assert walkthrough.prepare(expired, operation) == ["ps-01 make_future", "ps-01 publish"], (
        "an expired CA bridges nothing"
    )
    operation = walkthrough.step(operation)
    assert operation.state == S.ASSIGNED, "no content server can report under an expired CA"
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


def test_under_an_expired_ca_a_time_cannot_be_chosen(expired: TestZone) -> None:
    with pytest.raises(TooLate, match="expires"):
        walkthrough.remint_ca()


def test_under_an_expired_ca_servers_cannot_be_reminted_alone(expired: TestZone) -> None:
    with pytest.raises(Refused, match="Remint the CA first"):
        walkthrough.remint_servers(expired.first, activates_at=None)


def test_an_immediate_operation_can_be_cancelled_until_it_is_assigned(expired: TestZone) -> None:
    operation = walkthrough.remint_ca(activates_at=None)
    walkthrough.prepare(expired, operation)
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    assert walkthrough.step(operation).state == S.CANCELLED
    operation = walkthrough.remint_ca(activates_at=None)
    walkthrough.prepare(expired, operation)
    operation = walkthrough.step(operation)
    with pytest.raises(cancellation.TooLateToCancel):
        cancellation.cancel(operation, now=timezone.now())


# Blocked, and its ways out


@pytest.fixture
def blocked(zone: TestZone, second: Host) -> Operation:
    """The first server has its certificate at the lock-out, the second one has none."""
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
    assert "1 server has no new certificate: ps-02" in operation.reason
    return operation


def test_a_blocked_operation_stays_so_when_its_time_passes(blocked: Operation) -> None:
    assert walkthrough.step(blocked, minutes=30).state == S.BLOCKED
    assert not Notice.objects.filter(kind=Notice.Kind.GO).exists()


def test_it_goes_on_by_itself_when_the_certificate_comes_in_time(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    second.refresh()
    second.request_certificate(str(blocked.update_id))
    walkthrough.sign(zone, both(blocked)[1])
    assert walkthrough.step(blocked, minutes=9, seconds=50).state == S.ACTIVATING


def test_it_does_not_go_on_by_itself_when_the_time_has_passed(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    second.refresh()
    second.request_certificate(str(blocked.update_id))
    walkthrough.sign(zone, both(blocked)[1])
    operation = walkthrough.step(blocked, minutes=11)
    assert operation.state == S.BLOCKED
    assert operation.reason == (
        "Every server has its new certificate now, but the activation time has passed."
    )
    assert operation.action == "Change the activation time, or force the activation."
    intervention.force(operation, now=timezone.now())
    assert walkthrough.fresh(operation).reason == ""


def test_a_changed_time_frees_a_blocked_operation(blocked: Operation) -> None:
    later = timezone.now() + timedelta(hours=2)
    intervention.change_activation(blocked, later, now=timezone.now())
    operation = walkthrough.fresh(blocked)
    assert (operation.state, operation.reason) == (S.ASSIGNED, "")
    assert walkthrough.step(operation, minutes=11).state == S.ASSIGNED


def test_an_ignored_server_holds_nothing_back(second: Host, blocked: Operation) -> None:
    row = Assignment.objects.get(device=second.guid, update=blocked.update_id)
    assignment.ignore_device(row, now=timezone.now())
    assert walkthrough.step(blocked, minutes=9, seconds=50).state == S.ACTIVATING
    refused = second.send("GET", f"/zac/v1/updates/{blocked.update_id}/go")
    assert refused.status_code == 404, "what is left out gets no go"


def test_a_server_ignored_after_the_time_has_passed_frees_it_with_the_time_of_a_lockout(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    passed = timezone.now() + timedelta(minutes=30)
    row = Assignment.objects.get(device=second.guid, update=blocked.update_id)
    assignment.ignore_device(row, now=passed)
    operation = walkthrough.step(blocked, minutes=30)
    assert (operation.state, operation.forced) == (S.ASSIGNED, False)
    assert operation.activates_at is not None
    assert operation.activates_at >= passed + zone.zone.lockout
    assert operation.update is not None
    assert operation.update.revision == 2, "the new time is signed"
    assert walkthrough.step(operation, minutes=30, seconds=1).state == S.ACTIVATING


def test_an_ignored_server_stays_ignored_when_it_registers_anew(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    row = Assignment.objects.get(device=second.guid, update=blocked.update_id)
    assignment.ignore_device(row, now=timezone.now())
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    row.refresh_from_db()
    assert row.state == "ignored"


def test_a_forced_operation_goes_on_without_the_server(
    zone: TestZone, second: Host, blocked: Operation
) -> None:
    intervention.force(blocked, now=timezone.now())
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


def test_force_leaves_every_server_the_time_of_a_lockout(blocked: Operation) -> None:
    now = timezone.now() + timedelta(hours=1)
    intervention.force(blocked, now=now)
    assert walkthrough.fresh(blocked).activates_at == now + Zone.objects.the().lockout


def test_force_is_refused_where_no_server_has_a_certificate(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.step(operation)
    operation = walkthrough.step(operation, minutes=9, seconds=45)
    with pytest.raises(Refused, match="nothing to activate"):
        intervention.force(operation, now=timezone.now())


def test_a_blocked_operation_can_be_cancelled(blocked: Operation) -> None:
    cancellation.cancel(blocked, now=timezone.now() + timedelta(hours=1))
    assert walkthrough.step(blocked).state == S.CANCELLED


# Another activation time


def test_a_changed_time_is_signed_as_a_new_revision_and_travels(
    zone: TestZone, second: Host, device: Host
) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    later = (timezone.now() + timedelta(hours=3)).replace(microsecond=0)
    intervention.change_activation(operation, later, now=timezone.now())
    operation = walkthrough.fresh(operation)
    assert operation.update is not None
    signed = open_as(
        metadata.Manifest, metadata.MANIFEST, operation.update.signed(), zone.zone.public_key
    )
    assert (signed.revision, signed.activate_at) == (2, int(later.timestamp()))
    for host in (zone.first, second, device):
        assert any(
            '"revision":2' in walkthrough._payload(one).replace(" ", "")
            for one in host.refresh()["updates"]
        )
    walkthrough.sign(zone, both(operation)[1])
    assert walkthrough.step(operation, minutes=9, seconds=45).state == S.ASSIGNED
    operation = walkthrough.step(operation, hours=2, minutes=59, seconds=50)
    assert operation.state == S.ACTIVATING
    assert operation.update is not None
    notice = Notice.objects.get(kind=Notice.Kind.GO)
    go = open_as(metadata.Go, metadata.GO, notice.signed(), zone.zone.public_key)
    assert (go.revision, go.activate_at) == (2, int(later.timestamp()))


def test_a_go_is_never_given_for_a_time_that_was_changed_meanwhile(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    stale = walkthrough.fresh(operation)
    intervention.change_activation(
        operation, timezone.now() + timedelta(hours=3), now=timezone.now()
    )
    with pytest.raises(WrongMove):
        scheduler.advance(stale, now=timezone.now() + timedelta(minutes=9, seconds=45))
    assert not Notice.objects.filter(kind=Notice.Kind.GO).exists()
    assert walkthrough.fresh(operation).state == S.ASSIGNED


def test_the_time_cannot_be_changed_from_the_lockout_on(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    locks_at = operation.locks_at(zone.zone.lockout)
    assert locks_at is not None
    with pytest.raises(Conflict, match="could be changed until"):
        intervention.change_activation(operation, walkthrough.soon(hours=3), now=locks_at)


def test_the_changed_time_keeps_the_limits(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    with pytest.raises(TooEarly):
        intervention.change_activation(operation, walkthrough.soon(seconds=20), now=timezone.now())
    with pytest.raises(TooLate):
        intervention.change_activation(operation, walkthrough.soon(days=4000), now=timezone.now())
    assert walkthrough.fresh(operation).update.revision == 1


@pytest.mark.parametrize("state", [S.PREPARING, S.REPLICATING])
def test_an_operation_that_missed_its_time_can_get_another_or_be_cancelled(
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
    intervention.change_activation(operation, past + timedelta(hours=1), now=past)
    past += timedelta(hours=2)
    cancellation.cancel(walkthrough.fresh(operation), now=past)
    assert walkthrough.step(operation).state == S.CANCELLED


# Two workers at once


def test_two_advances_at_once_give_one_go(zone: TestZone) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    one, two = walkthrough.fresh(operation), walkthrough.fresh(operation)
    at = timezone.now() + timedelta(minutes=9, seconds=45)
    activation.give_go(one, now=at)
    with pytest.raises(WrongMove):
        activation.give_go(two, now=at)
    assert Notice.objects.filter(kind=Notice.Kind.GO).count() == 1


def test_two_advances_at_once_assign_and_activate_once(zone: TestZone) -> None:
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    one, two = walkthrough.fresh(operation), walkthrough.fresh(operation)
    distribution.assign(one, now=timezone.now())
    with pytest.raises(WrongMove):
        distribution.assign(two, now=timezone.now())
    assert Assignment.objects.count() == 1
    zone.first.refresh()
    zone.first.request_certificate(str(walkthrough.fresh(operation).update_id))
    walkthrough.sign(zone, both(walkthrough.fresh(operation))[1])
    walkthrough.step(operation, minutes=9, seconds=45)
    one, two = walkthrough.fresh(operation), walkthrough.fresh(operation)
    activation.activate(one, now=timezone.now())
    with pytest.raises(WrongMove):
        activation.activate(two, now=timezone.now())
    assert Notice.objects.filter(kind=Notice.Kind.ACTIVATED).count() == 1
    assert Authority.objects.filter(state=AuthorityState.CURRENT).count() == 1


def test_every_step_may_be_repeated(zone: TestZone, second: Host) -> None:
    operation = assigned(zone, walkthrough.remint_ca())
    walkthrough.sign(zone, both(operation)[1])
    for later in (0, 0, 585, 585, 660, 660, 660):
        operation = walkthrough.step(operation, seconds=later)
    assert operation.state == S.ACTIVATED


def test_a_by_hand_change_takes_key_and_certificate_from_the_repository(zone: TestZone) -> None:
    ca = PublicCA()
    operation = walkthrough.to_external(ca, by_hand=True)
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    future = operation.futures.get()
    assert future.by_hand
    with pytest.raises(Conflict, match="No CSR"):
        imports.import_one(future, b"x", now=timezone.now())
    pem = zone.first.registration().csr or ""
    chain = ca.answer(pem, "pem", dns=[zone.first.fqdn], addresses=["127.9.0.1"]).decode()
    said = messages.CsrRequest(csr="", chain=chain, generation=1)
    path = f"/zac/v1/updates/{operation.update_id}/csr"
    assert zone.first.send("POST", path, said).status_code == 202
    future.refresh_from_db()
    assert future.state == FutureState.UPLOADED
