"""Operations are activated in maintenance windows, or outside them for a reason (D-274)."""

from datetime import timedelta

import pytest

from audit.models import Entry
from certificates.approvals import approvals
from certificates.models import Operation
from certificates.operations import intervention, preparation
from certificates.operations.activation_time import OutsideWindow, get_limits
from certificates.operations.states import OperationState
from certificates.windows import settings, waiting
from faults import Invalid
from tests.certificates.windows.conftest import add_freeze, add_window
from tests.support import walkthrough
from tests.support.walkthrough import fresh, step

REMINT_CA = Operation.Kind.REMINT_CA
WHY = "The old CA is compromised."


def assigned(zone, **changes) -> Operation:
    """Return a Remint CA that is assigned, and has a certificate for each server."""
    operation = walkthrough.remint_ca(**changes)
    while preparation.prepare(operation, now=operation.created_at):
        pass
    walkthrough.replicate(zone, operation)
    assert step(operation).state == OperationState.ASSIGNED
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, fresh(operation).future_authority)
    return fresh(operation)


def test_without_windows_the_limits_are_as_before(zone, now):
    limits = get_limits(REMINT_CA, now=now)
    assert limits.suggestion == limits.early_before
    limits.check(now + timedelta(days=3))


def test_the_first_allowed_time_is_suggested(zone, now, tomorrow):
    limits = get_limits(REMINT_CA, now=now)
    assert limits.suggestion == tomorrow > limits.early_before
    assert "Night" in limits.suggestion_text
    assert not limits.is_early(limits.early_before)


def test_after_a_freeze_its_end_is_suggested(zone, now):
    add_freeze(now, now + timedelta(days=2))
    limits = get_limits(REMINT_CA, now=now)
    assert limits.suggestion == now + timedelta(days=2)
    assert "end of a change freeze" in limits.suggestion_text


def test_a_suggestion_is_a_whole_minute_because_the_field_has_no_seconds(zone, now):
    add_freeze(now, now + timedelta(days=2, seconds=1))
    limits = get_limits(REMINT_CA, now=now)
    assert limits.suggestion == now + timedelta(days=2, minutes=1)
    limits.check_window(limits.suggestion)


def test_a_time_outside_the_windows_is_rejected_and_the_next_window_is_named(zone, now, tomorrow):
    with pytest.raises(OutsideWindow, match=r"No maintenance window is open .* Nothing") as caught:
        walkthrough.remint_ca(activates_at=now + timedelta(hours=3))
    assert "“Night”, which opens at" in str(caught.value.action)
    assert caught.value.field == "activates_at"
    assert not Operation.objects.exists()
    assert walkthrough.remint_ca(activates_at=tomorrow + timedelta(hours=3, minutes=59))


def test_a_time_in_a_freeze_is_rejected_and_the_freeze_is_named(zone, now):
    add_freeze(now, now + timedelta(days=2))
    with pytest.raises(OutsideWindow, match="The change freeze “Holidays” is in force"):
        walkthrough.remint_ca(activates_at=now + timedelta(hours=3))


def test_a_rejection_says_that_there_is_no_later_time(zone, now):
    settings.save_window(
        "Once", f"DTSTART:{now:%Y%m%dT%H%M%S}\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=1"
    )
    with pytest.raises(OutsideWindow) as caught:
        walkthrough.remint_ca(activates_at=now + timedelta(hours=3))
    assert str(caught.value.action).startswith("No later time is open.")


def test_with_a_reason_the_time_can_be_outside_the_windows(zone, now, tomorrow):
    operation = walkthrough.remint_ca(activates_at=walkthrough.soon(), window_override=WHY)
    assert waiting.get_override(operation) == WHY
    assert Entry.objects.get(action="override-window").note == WHY
    assert not waiting.wait_for_window(operation, now=now)
    assert fresh(operation).activates_at == operation.activates_at


def test_a_reason_for_a_time_in_a_window_is_not_stored(zone, now, tomorrow):
    operation = walkthrough.remint_ca(activates_at=tomorrow, window_override=WHY)
    assert waiting.get_override(operation) == ""
    assert not Entry.objects.filter(action="override-window").exists()


def test_a_reason_can_not_be_too_long(zone, now, tomorrow):
    with pytest.raises(Invalid, match="Enter a reason"):
        walkthrough.remint_ca(activates_at=walkthrough.soon(), window_override="x" * 201)


def test_an_operation_in_a_window_is_activated(zone, now):
    add_window(now)
    operation = assigned(zone)
    assert walkthrough.cut_over(zone, operation).state == OperationState.COMPLETED


def test_an_activation_moves_to_the_end_of_a_freeze_that_was_added_later(zone, now):
    operation = assigned(zone)
    revision = operation.update.revision
    ends = now + timedelta(days=2)
    add_freeze(now, ends)
    operation = step(operation)
    assert (operation.state, operation.activates_at) == (OperationState.ASSIGNED, ends)
    assert "The change freeze “Holidays” is in force" in operation.reason
    assert "The activation was moved to" in operation.reason
    assert operation.update.revision > revision, "devices receive the new time"
    assert operation.update.activates_at == ends
    assert Entry.objects.get(action="wait-for-window").detail["after"] == str(ends)
    assert step(operation, minutes=11).state == OperationState.ASSIGNED
    assert step(operation, days=2, minutes=1).state == OperationState.ACTIVATING


def test_an_activation_does_not_move_after_the_activation_order(zone, now):
    operation = assigned(zone)
    assert step(operation, minutes=9, seconds=45).state == OperationState.ACTIVATING
    add_freeze(now, now + timedelta(days=2))
    assert step(operation, minutes=11).state == OperationState.ACTIVATED


def test_an_activation_that_was_allowed_with_a_reason_does_not_move(zone, now):
    operation = assigned(zone)
    add_freeze(now, now + timedelta(days=2))
    at = operation.activates_at + timedelta(minutes=20)
    intervention.change_activation_time(operation, at, now=now, override=WHY)
    operation = step(operation)
    assert (operation.activates_at, operation.reason) == (at, "")
    assert Entry.objects.get(action="override-window").note == WHY
    intervention.change_activation_time(operation, now + timedelta(days=3), now=now)
    assert waiting.get_override(fresh(operation)) == ""


def test_a_new_activation_time_outside_the_windows_is_rejected(zone, now):
    operation = assigned(zone)
    add_freeze(now, now + timedelta(days=2))
    with pytest.raises(OutsideWindow):
        intervention.change_activation_time(operation, now + timedelta(days=1), now=now)
    assert fresh(operation).activates_at == operation.activates_at


def test_without_a_later_time_the_operation_is_blocked_and_resumes(zone, now):
    operation = assigned(zone)
    settings.save_window(
        "Past",
        f"DTSTART:{now - timedelta(days=9):%Y%m%dT%H%M%S}\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=1",
    )
    operation = step(operation)
    assert operation.state == OperationState.BLOCKED
    assert "No later time is open before the certificates expire." in operation.reason
    assert step(operation).state == OperationState.BLOCKED
    opens = now + timedelta(days=1)
    add_window(opens)
    operation = step(operation)
    assert (operation.state, operation.activates_at) == (OperationState.ASSIGNED, opens)


def test_a_request_is_approved_although_a_freeze_was_added_and_the_activation_moves(two, now):
    first, second = two
    operation = walkthrough.remint_ca()
    Operation.objects.filter(pk=operation.pk).update(requested_by=first)
    assert operation.state == OperationState.PROPOSED
    add_freeze(now, now + timedelta(days=2))
    approvals.approve_operation(operation, by=second, now=now)
    assert fresh(operation).state == OperationState.PREPARING
    assert waiting.is_outside_windows(operation, now=now)


def test_a_blocked_operation_does_not_resume_outside_the_windows(zone, now):
    operation = assigned(zone)
    Operation.objects.transition(operation, OperationState.BLOCKED)
    add_freeze(now, now + timedelta(days=2))
    operation = step(operation)
    assert operation.activates_at == now + timedelta(days=2)
    assert operation.state == OperationState.ASSIGNED


def test_an_immediate_operation_does_not_wait(zone, now):
    add_freeze(now, now + timedelta(days=2))
    operation = Operation(immediate=True, activates_at=now, parameters={})
    assert not waiting.is_outside_windows(operation, now=now)
