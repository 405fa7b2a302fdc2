"""The pilot group as an administrator uses it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from certificates.models import Operation
from certificates.operations.states import OperationState
from certificates.pilot.settings import PilotGroup, get_group
from systemupdates.updates.states import AssignmentState
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

PAGE = "/configuration/maintenance-windows/"


@pytest.fixture(autouse=True)
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone of these tests has no key, so nothing is signed."""
    monkeypatch.setattr("certificates.pilot.waiting.publish_new_revision", lambda *_, **__: None)


def test_the_group_is_turned_on_in_a_dialog(live_server: Any, log_in: Any) -> None:
    scenes.rest()
    factories.device("pc-pilot")
    page = log_in(factories.admin())
    page.goto(live_server.url + PAGE)
    page.click("#b-pilot")
    check(page)
    page.get_by_label("Send the update of a new CA to a pilot group first").check()
    page.click("dialog button:text('OK')")
    expect(page.locator("dialog[open]")).to_contain_text("Enter names, roles, or a number")
    check(page)
    page.fill("#id_devices", "pc-pilot")
    page.click("dialog button:text('OK')")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#pilot-pane")).to_contain_text("pc-pilot")
    check(page)
    assert get_group() == PilotGroup(True, ("pc-pilot",))


def test_a_paused_operation_is_continued(live_server: Any, log_in: Any) -> None:
    operation = scenes.remint(OperationState.BLOCKED)
    until = (factories.now() + timedelta(hours=1)).isoformat()
    operation.parameters = {"pilot": {"percent": 100, "until": until, "released": ""}}
    operation.activates_at = factories.now() + timedelta(days=1)
    operation.reason = "1 device of the pilot group failed: pc-pilot."
    operation.save()
    device = factories.device("pc-pilot")
    factories.assignment(operation.update, device, AssignmentState.FAILED, is_pilot=True)
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/configuration/certificates/operations/{operation.pk}/")
    pane = page.locator("#operation-pane")
    expect(pane).to_contain_text("Paused: the pilot group did not pass the preflight check.")
    expect(pane).to_contain_text("Failed: pc-pilot")
    check(page)
    page.click(f"#b-pilot-{operation.pk}")
    expect(page.locator("dialog[open]")).to_contain_text("All other devices receive the update")
    check(page)
    page.get_by_label("Yes, I want all devices to receive the update").check()
    page.click("dialog button:text('Continue')")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(pane).not_to_contain_text("Paused")
    assert not Operation.objects.get().is_held_by_pilot
