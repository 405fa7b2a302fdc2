"""Which button works when (docs/decisions.md D-19, D-20, D-24, D-32): state x button."""

from datetime import timedelta

import pytest
from django.urls import reverse

from certificates.authority import gates
from certificates.authority.gates import Button
from certificates.models import Authority, Operation
from certificates.operations.states import BLOCKING, OperationState
from devices.models import Zone
from tests.support import factories

S = OperationState
PENDING_SHUTS = {Button.CHANGE, Button.MOVE, Button.REMINT, Button.RESTORE}
EXTERNAL_SHUTS = {Button.MOVE, Button.REMINT, Button.BACKUP, Button.RESTORE}
INTERNAL = Authority(kind=Authority.Kind.INTERNAL)
EXTERNAL = Authority(kind=Authority.Kind.EXTERNAL)
NOW = factories.now()
ZONE = Zone(lockout_seconds=600)


def shut(authority, pending):
    return {Button(g.button) for g in gates.ca_gates(authority, pending, may=True) if not g.is_open}


@pytest.mark.parametrize("state", [None, *BLOCKING])
@pytest.mark.parametrize(("authority", "always"), [(INTERNAL, set()), (EXTERNAL, EXTERNAL_SHUTS)])
def test_buttons_by_state_and_kind_of_authority(state, authority, always):
    pending = Operation(kind=Operation.Kind.REMINT_CA, state=state) if state else None
    assert shut(authority, pending) == always | (PENDING_SHUTS if pending else set())


def test_a_shut_button_names_the_operation_that_holds_it():
    pending = Operation(kind=Operation.Kind.REMINT_SERVER, state=S.REPLICATING)
    assert "Remint Certificate is in progress" in gates.reason(Button.REMINT, INTERNAL, pending)


def test_every_button_opens_an_address_of_its_name():
    for gate in gates.ca_gates(INTERNAL, None, may=True):
        assert reverse(gate.view).endswith(f"/{gate.button}/")


def test_readers_are_offered_only_what_they_may_do():
    offered = gates.ca_gates(INTERNAL, None, may=False)
    assert [gate.button for gate in offered] == [Button.VIEW]


def test_buttons_stand_in_the_order_of_the_manual():
    labels = [str(gate.label) for gate in gates.ca_gates(INTERNAL, None, may=True)]
    assert labels == [
        *("Change CA", "Move CA Role", "Remint CA"),
        *("Backup CA", "Restore CA", "View Certificate"),
    ]


def operation(state, *, left=timedelta(hours=1), immediate=False):
    activates_at = None if immediate else NOW + left
    return Operation(state=state, activates_at=activates_at, immediate=immediate)


@pytest.mark.parametrize(
    ("state", "left", "immediate", "expected"),
    [
        (S.PREPARING, timedelta(hours=1), False, "open"),
        (S.REPLICATING, timedelta(hours=1), False, "open"),
        (S.ASSIGNED, timedelta(seconds=601), False, "open"),
        (S.ASSIGNED, timedelta(seconds=600), False, "shut"),
        (S.ACTIVATING, timedelta(seconds=100), False, "shut"),
        (S.REPLICATING, None, True, "open"),
        (S.ASSIGNED, None, True, "shut"),
        (S.BLOCKED, timedelta(seconds=-1), False, "open"),
        (S.CANCEL_FAILED, timedelta(seconds=-1), False, "open"),
        (S.FAILED, timedelta(hours=1), False, "open"),
        (S.ACTIVATED, timedelta(0), False, "none"),
        (S.CANCELLING, timedelta(hours=1), False, "none"),
        (S.COMPLETED, timedelta(0), False, "none"),
    ],
)
def test_cancel_by_state_and_time(state, left, immediate, expected):
    asked = operation(state, left=left, immediate=immediate)
    gate = gates.cancel_gate(asked, ZONE, NOW)
    found = "none" if gate is None else "open" if gate.is_open else "shut"
    assert found == expected


def test_cancel_tells_until_when_as_a_clock_time():
    asked = operation(S.REPLICATING)
    text = gates.cancel_until(asked, ZONE, NOW)
    locks_at = asked.activates_at - timedelta(minutes=10)
    assert f"{locks_at:%H:%M} UTC" in text
    late = operation(S.ASSIGNED, left=timedelta(minutes=5))
    assert "was possible until" in gates.cancel_gate(late, ZONE, NOW).reason
    assert "Ignore Device" in gates.cancel_gate(late, ZONE, NOW).reason


@pytest.mark.parametrize("state", list(S))
def test_assign_now_waits_for_the_update_and_ends_with_assignment(state):
    gate = gates.assign_gate(operation(state))
    found = "none" if gate is None else "open" if gate.is_open else "shut"
    assert found == {S.PREPARING: "shut", S.REPLICATING: "open"}.get(state, "none")
