"""Which buttons are available in which state (docs/decisions.md D-19, D-20, D-24, D-32)."""

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
BLOCKED_BY_OPERATION = {Button.CHANGE, Button.MOVE, Button.REMINT, Button.RESTORE}
BLOCKED_BY_EXTERNAL_CA = {Button.MOVE, Button.REMINT, Button.BACKUP, Button.RESTORE}
INTERNAL = Authority(kind=Authority.Kind.INTERNAL)
EXTERNAL = Authority(kind=Authority.Kind.EXTERNAL)
NOW = factories.now()
ZONE = Zone(freeze_seconds=600)


def unavailable(authority, pending):
    return {
        Button(g.button)
        for g in gates.build_ca_gates(authority, pending, may=True)
        if not g.is_open
    }


@pytest.mark.manual("R012", "R013", "R093", "R110")
@pytest.mark.parametrize("state", [None, *BLOCKING])
@pytest.mark.parametrize(
    ("authority", "always"), [(INTERNAL, set()), (EXTERNAL, BLOCKED_BY_EXTERNAL_CA)]
)
def test_buttons_by_state_and_kind_of_authority(state, authority, always):
    pending = Operation(kind=Operation.Kind.REMINT_CA, state=state) if state else None
    assert unavailable(authority, pending) == always | (BLOCKED_BY_OPERATION if pending else set())


def test_an_unavailable_button_names_the_operation_in_progress():
    pending = Operation(kind=Operation.Kind.REMINT_SERVER, state=S.REPLICATING)
    assert "Remint Certificate is in progress" in gates.get_reason(Button.REMINT, INTERNAL, pending)


@pytest.mark.manual("R005", "R030")
def test_every_button_has_a_url_of_its_name():
    for gate in gates.build_ca_gates(INTERNAL, None, may=True):
        assert reverse(gate.view).endswith(f"/{gate.button}/")


def test_users_without_the_right_are_offered_only_view_certificate():
    offered = gates.build_ca_gates(INTERNAL, None, may=False)
    assert [gate.button for gate in offered] == [Button.VIEW]


@pytest.mark.manual("R004", "R005", "R100", "R130")
def test_buttons_are_in_the_order_of_the_manual():
    labels = [str(gate.label) for gate in gates.build_ca_gates(INTERNAL, None, may=True)]
    assert labels == [
        *("Change CA", "Move CA Role", "Remint CA"),
        *("Backup CA", "Restore CA", "View Certificate"),
    ]


def operation(state, *, left=timedelta(hours=1), immediate=False):
    activates_at = None if immediate else NOW + left
    return Operation(state=state, activates_at=activates_at, immediate=immediate)


@pytest.mark.manual("R095", "R096")
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
        (S.CANCELING, timedelta(hours=1), False, "none"),
        (S.COMPLETED, timedelta(0), False, "none"),
    ],
)
def test_cancel_by_state_and_time(state, left, immediate, expected):
    asked = operation(state, left=left, immediate=immediate)
    gate = gates.build_cancel_gate(asked, ZONE, NOW)
    found = "none" if gate is None else "open" if gate.is_open else "shut"
    assert found == expected


@pytest.mark.manual("R097")
def test_cancel_shows_the_deadline():
    asked = operation(S.REPLICATING)
    text = gates.format_cancel_deadline(asked, ZONE, NOW)
    freezes_at = asked.activates_at - timedelta(minutes=10)
    assert f"{freezes_at:%H:%M:%S} UTC" in text
    late = operation(S.ASSIGNED, left=timedelta(minutes=5))
    assert "could be canceled until" in gates.build_cancel_gate(late, ZONE, NOW).reason
    assert "Ignore Device" in gates.build_cancel_gate(late, ZONE, NOW).reason


@pytest.mark.manual("R051")
@pytest.mark.parametrize("state", list(S))
def test_assign_now_is_available_until_the_assignment(state):
    gate = gates.build_assign_gate(operation(state))
    found = "none" if gate is None else "open" if gate.is_open else "shut"
    assert found == {S.PREPARING: "shut", S.REPLICATING: "open"}.get(state, "none")
