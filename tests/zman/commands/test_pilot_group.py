"""The pilot group with zman."""

from __future__ import annotations

from typing import Any

from certificates.models import Operation
from certificates.pilot.settings import PilotGroup, get_group
from tests.support import factories, walkthrough
from tests.support.walkthrough import fresh, step
from zman.cli import exit_codes


def test_the_group_is_set_shown_and_turned_off(shell: Any, zone: Any) -> None:
    factories.device("pc-1")
    assert shell.json("show", "pilot-group")["on"] is False
    shell.good("pilot-group", "set", "--device", "pc-1", "--percent", "50", "--timeout", "4h")
    assert get_group() == PilotGroup(True, ("pc-1",), (), 0, 50, 4 * 3600)
    shell.good("pilot-group", "off")
    assert get_group() == PilotGroup(False, ("pc-1",), (), 0, 50, 4 * 3600)
    shell.good("pilot-group", "set", "--count", "5", "--role", "managed")
    assert get_group() == PilotGroup(True, (), ("managed",), 5)


def test_invalid_settings_are_rejected(shell: Any, zone: Any) -> None:
    assert shell("pilot-group", "set").code == exit_codes.USAGE
    answer = shell("pilot-group", "set", "--device", "pc-9")
    assert answer.code != 0
    assert "No registered device is named pc-9." in answer.err
    assert not get_group().is_on


def test_an_operation_is_continued(shell: Any, zone: Any) -> None:
    zone.join("pc-1")
    shell.good("pilot-group", "set", "--device", "pc-1")
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    assert step(operation).is_held_by_pilot
    shell.good("continue-after-pilot", str(operation.pk), "--yes")
    assert not fresh(operation).is_held_by_pilot
    assert Operation.objects.get().state == "assigned"
    assert shell("continue-after-pilot", str(operation.pk), "--yes").code != 0
