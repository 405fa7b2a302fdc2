"""The rest of the zone waits for the pilot group, or until an administrator continues (D-279)."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from audit.models import AlteredRow, Entry, list_rows
from certificates.models import Operation
from certificates.operations import cancellation, intervention
from certificates.operations.activation import sign_activation_order
from certificates.operations.states import OperationState
from certificates.pilot import waiting
from certificates.pilot.status import get_status
from certificates.tasks import advance_operation
from certificates.windows import settings as window_settings
from devices.models import Device
from devices.registration.states import DeviceState
from faults import Conflict
from systemupdates.assignments import assignment
from systemupdates.models import Assignment
from tests.certificates.pilot.conftest import apply, assigned, check, gets_update, set_pilot
from tests.support import walkthrough
from tests.support.walkthrough import fresh, step
from wire import messages
from wire.update_messages import PASSED, REJECTED, UNREACHABLE

State = OperationState


def row_of(operation, name):
    return Assignment.objects.get(update=operation.update_id, device__name=name)


@pytest.fixture
def held(zone, devices):
    """A Remint CA whose pilot group are pc-1 and pc-2."""
    set_pilot("pc-1", "pc-2")
    return assigned(zone)


def test_the_rest_follows_when_the_pilot_has_passed(zone, devices, held):
    revision = zone.zone.revision
    apply(held, devices[0])
    assert step(held).is_held_by_pilot
    assert not gets_update(devices[2])
    apply(held, devices[1])
    operation = step(held)
    assert not operation.is_held_by_pilot
    assert (operation.state, operation.reason) == (State.ASSIGNED, "")
    assert operation.activates_at == held.activates_at
    assert zone.zone.revision > revision, "the new root is announced"
    detail = Entry.objects.get(action="pilot-passed").detail
    assert (detail["devices"], detail["passed"], detail["failed"]) == (2, 2, 0)
    assert gets_update(devices[2])
    for host in devices[2:]:
        apply(held, host)
    assert walkthrough.cut_over(zone, operation).state == State.COMPLETED


def test_applied_without_a_result_of_the_preflight_check_is_not_enough(zone, devices, held):
    for host in devices[:2]:
        apply(held, host, UNREACHABLE)
    assert step(held).is_held_by_pilot
    assert get_status(held).waiting_devices == ("pc-1", "pc-2")


def test_the_required_share_is_enough_if_none_failed(zone, devices):
    set_pilot("pc-1", "pc-2", percent=50)
    operation = assigned(zone)
    apply(operation, devices[0])
    assert not step(operation).is_held_by_pilot


def test_a_failed_preflight_check_pauses_whatever_share_has_passed(zone, devices):
    set_pilot("pc-1", "pc-2", percent=50)
    operation = assigned(zone)
    apply(operation, devices[1], REJECTED)
    apply(operation, devices[0])
    operation = step(operation)
    assert operation.state == State.BLOCKED
    assert operation.reason.startswith("1 device of the pilot group failed: pc-2.")
    assert "continue without them" in operation.action
    moves = Entry.objects.filter(action="move", there=State.BLOCKED)
    assert "pc-2" in moves.get().note, "the notification says why"
    assert step(operation).state == State.BLOCKED
    assert moves.count() == 1
    assert not gets_update(devices[2])


def test_a_failed_update_pauses_too(zone, devices, held):
    devices[0].report(str(held.update_id), messages.FAILED)
    operation = step(held)
    assert (operation.state, get_status(operation).failed_devices) == (State.BLOCKED, ("pc-1",))


def test_it_continues_by_itself_when_the_cause_is_corrected(zone, devices, held):
    apply(held, devices[0])
    apply(held, devices[1], REJECTED)
    assert step(held).state == State.BLOCKED
    check(held, devices[1], PASSED)
    operation = step(held)
    assert (operation.state, operation.reason) == (State.ASSIGNED, "")
    assert not operation.is_held_by_pilot


def test_it_continues_when_the_failed_device_is_ignored(zone, devices, held):
    apply(held, devices[0])
    apply(held, devices[1], REJECTED)
    step(held)
    assignment.ignore_device(row_of(held, "pc-2"), now=timezone.now())
    assert not step(held).is_held_by_pilot


def test_too_few_results_within_the_time_limit_pause(zone, devices):
    set_pilot("pc-1", "pc-2", timeout_seconds=60)
    operation = assigned(zone)
    apply(operation, devices[0])
    assert step(operation, seconds=50).state == State.ASSIGNED
    operation = step(operation, seconds=70)
    assert operation.state == State.BLOCKED
    assert "1 of 2 devices of the pilot group passed" in operation.reason
    assert "No result: pc-2" in operation.reason


def test_a_pilot_without_devices_pauses_immediately(zone, devices):
    set_pilot("pc-1")
    Device.objects.filter(name="pc-1").update(state=DeviceState.RETIRED)
    operation = assigned(zone)
    assert operation.state == State.BLOCKED
    assert "has no registered device" in operation.reason


def test_an_administrator_can_continue_and_devices_get_the_minimum_lead_time(zone, devices, held):
    apply(held, devices[0], REJECTED)
    operation = step(held)
    late = operation.activates_at - timedelta(seconds=40)
    waiting.continue_after_pilot(operation, now=late)
    operation = fresh(held)
    assert operation.state == State.ASSIGNED
    assert operation.activates_at >= late + zone.zone.lead_time
    assert "was moved to" in operation.reason
    assert Entry.objects.get(action="continue-after-pilot").detail["failed devices"] == ["pc-1"]
    assert step(operation).state == State.ASSIGNED
    assert gets_update(devices[3])
    with pytest.raises(Conflict, match="does not wait for the pilot group"):
        waiting.continue_after_pilot(operation, now=late)


def test_it_can_be_continued_before_the_pilot_has_reported(zone, devices, held):
    waiting.continue_after_pilot(held, now=timezone.now())
    operation = step(held)
    assert operation.state == State.ASSIGNED
    step(held)
    assert gets_update(devices[3]), "devices of the pilot do not delay the others any more"


def test_the_activation_moves_while_the_rest_waits(zone, devices, held):
    revision, before = held.update.revision, held.activates_at
    moment = before - zone.zone.lead_time + timedelta(seconds=5)
    ahead = moment - timezone.now()
    operation = step(held, seconds=ahead.total_seconds())
    assert operation.state == State.ASSIGNED
    assert operation.activates_at >= moment + zone.zone.lead_time
    assert operation.update.revision > revision
    detail = Entry.objects.get(action="wait-for-pilot").detail
    assert detail["before"] == str(before)
    assert datetime.fromisoformat(detail["after"]) == operation.activates_at
    assert "was moved to" in operation.reason


def test_the_activation_moves_into_a_maintenance_window(zone, devices, held):
    opens = (timezone.now() + timedelta(days=1)).replace(second=0, microsecond=0)
    rule = f"DTSTART:{opens:%Y%m%dT%H%M%S}\nDURATION:PT1H\nRRULE:FREQ=WEEKLY"
    window_settings.save_window("Night", rule)
    ahead = held.activates_at - zone.zone.lead_time + timedelta(seconds=5) - timezone.now()
    assert step(held, seconds=ahead.total_seconds()).activates_at == opens


def test_without_a_later_time_an_administrator_must_decide(zone, devices, held, monkeypatch):
    monkeypatch.setattr(waiting, "find_later_time", lambda *_args, **_options: None)
    ahead = held.activates_at - zone.zone.lead_time + timedelta(seconds=5) - timezone.now()
    operation = step(held, seconds=ahead.total_seconds())
    assert operation.state == State.BLOCKED
    assert "the activation cannot be later" in operation.reason
    waiting.continue_after_pilot(operation, now=timezone.now() + ahead)
    operation = fresh(held)
    assert (operation.state, operation.activates_at) == (State.ASSIGNED, held.activates_at)
    assert "The activation cannot be later" in operation.reason


def test_no_activation_order_is_signed_while_the_rest_waits(zone, devices, held):
    sign_activation_order(held, now=held.activates_at)
    assert fresh(held).state == State.ASSIGNED
    apply(held, devices[0], REJECTED)
    operation = step(held)
    assert not operation.can_be_forced
    with pytest.raises(Conflict):
        intervention.force_activation(operation, now=timezone.now())
    assert step(operation, days=1).state == State.BLOCKED


def test_another_activation_time_does_not_continue_it(zone, devices, held):
    apply(held, devices[0], REJECTED)
    operation = step(held)
    at = timezone.now() + timedelta(hours=5)
    intervention.change_activation_time(operation, at, now=timezone.now())
    operation = fresh(held)
    assert (operation.state, operation.activates_at) == (State.BLOCKED, at)
    assert "pc-1" in operation.reason


def test_a_cancellation_reaches_only_those_that_know_of_the_update(zone, devices, held):
    apply(held, devices[0], REJECTED)
    cancellation.cancel(step(held), now=timezone.now())
    assert step(held).state == State.CANCELED
    assert devices[0].refresh()["notices"]
    assert devices[2].refresh().get("notices", []) == []
    assert row_of(held, "pc-3").cancellation_acknowledged


def test_servers_that_have_activated_end_the_wait(zone, devices, held):
    """The database was restored from a backup that is older than the end of the wait."""
    for host in walkthrough.primaries(zone):
        host.report(str(held.update_id), messages.ACTIVATED)
    assert not step(held).is_held_by_pilot
    assert Entry.objects.get(action="continue-after-pilot").actor != ""


def test_a_wait_that_was_ended_with_sql_releases_nothing(zone, devices, held):
    pilot = held.parameters["pilot"] | {"released": "passed"}
    plain = held.parameters | {"pilot": pilot}
    list_rows(Operation).filter(pk=held.pk).update(parameters=plain)
    advance_operation(str(held.pk))
    assert AlteredRow.objects.get().key == str(held.pk)
    assert not any(gets_update(host) for host in devices[2:])
