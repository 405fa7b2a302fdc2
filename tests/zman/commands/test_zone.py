"""Maintenance windows and change freezes with zman."""

from __future__ import annotations

from typing import Any

import pytest

from certificates.models import ChangeFreeze, MaintenanceWindow, Operation
from zman.cli import exit_codes

WEEKEND = ("--opens", "22:00", "--length", "4h", "--days", "sa,su")


def test_a_window_is_added_and_removed(shell: Any, zone: Any) -> None:
    shell.good("maintenance-window", "add", "Night", *WEEKEND)
    rule = MaintenanceWindow.objects.get().rule
    assert rule.endswith("T220000\nDURATION:PT240M\nRRULE:FREQ=WEEKLY;BYDAY=SA,SU")
    assert [row["name"] for row in shell.json("list", "maintenance-windows")] == ["Night"]
    assert shell("maintenance-window", "remove", "Day").code == exit_codes.NOT_FOUND
    shell.good("maintenance-window", "remove", "Night")
    assert not MaintenanceWindow.objects.exists()


def test_a_window_can_have_any_recurrence(shell: Any, zone: Any) -> None:
    monthly = ("--opens", "01:30", "--length", "90m", "--rule", "FREQ=MONTHLY;BYDAY=1SA")
    shell.good("maintenance-window", "add", "Monthly", *monthly)
    assert MaintenanceWindow.objects.get().rule.endswith("RRULE:FREQ=MONTHLY;BYDAY=1SA")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--opens", "25:00", "--length", "4h", "--days", "SA"), exit_codes.USAGE),
        (("--opens", "22:00", "--length", "4h"), exit_codes.USAGE),
        (("--opens", "22:00", "--length", "1m", "--days", "SA"), exit_codes.USAGE),
        (("--opens", "22:00", "--length", "4h", "--days", "XX"), exit_codes.USAGE),
    ],
)
def test_invalid_windows_are_rejected(shell: Any, zone: Any, options: Any, code: int) -> None:
    assert shell("maintenance-window", "add", "Night", *options).code == code
    assert not MaintenanceWindow.objects.exists()


def test_a_freeze_delays_an_activation_unless_there_is_a_reason(shell: Any, zone: Any) -> None:
    shell.good("change-freeze", "add", "Holidays", "--until", "+7d")
    freeze = ChangeFreeze.objects.get()
    assert [row["reason"] for row in shell.json("list", "change-freezes")] == ["Holidays"]
    start = ("remint", "ca", "--at", "+2h")
    assert "The change freeze “Holidays” is in force" in shell(*start).err
    assert not Operation.objects.exists()
    shell.good(*start, "--outside-windows", "The CA is compromised.")
    operation = Operation.objects.get()
    assert operation.parameters["window_override"] == "The CA is compromised."
    later = ("postpone", str(operation.pk), "--at", "+3h")
    assert shell(*later).code != 0
    shell.good(*later, "--outside-windows", "Still compromised.")
    shell.good("change-freeze", "remove", str(freeze.pk))
    assert not ChangeFreeze.objects.exists()
