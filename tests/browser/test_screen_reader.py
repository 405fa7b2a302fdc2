"""A whole Remint CA by keyboard, following only what the accessibility tree says.

A screen reader reads this tree: the role, the name, and the state of what has the focus, dialogs,
and live regions.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from certificates.models import Authority, Operation
from certificates.operations.states import OperationState
from tests.support import factories, walkthrough
from tests.support.zone import TestZone

CERTIFICATES = "/configuration/certificates/"
MOST_STOPS = 60


@pytest.fixture
def page(live_server: Any, log_in: Any, zone: TestZone, monkeypatch: pytest.MonkeyPatch) -> Page:
    """Return the Certificates page of a real zone, whose work the test does."""
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)
    found: Page = log_in(factories.admin(), reauthenticated=False)
    found.goto(live_server.url + CERTIFICATES)
    return found


def heard(page: Page) -> str:
    """Return role, name, and state of what has the focus, as a screen reader says them.

    It is "" while the focus is on the controls of the browser.
    """
    focused = page.locator(":focus")
    if not focused.count():
        return ""
    snapshot = focused.aria_snapshot()
    return snapshot.splitlines()[0].removeprefix("- ").rstrip(":")


def move_to(page: Page, wanted: str, *, back: bool = False) -> None:
    """Press Tab until the screen reader says something that begins with a text."""
    said = []
    for _stop in range(MOST_STOPS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        said.append(heard(page))
        if said[-1].startswith(wanted):
            return
    raise AssertionError(f"{wanted} is not reached: {said}")


def announced(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text).first).to_be_attached()


def pane(page: Page) -> Locator:
    return page.get_by_role("region", name="Zone Certificate Authority")


def test_a_whole_remint_ca_by_keyboard_and_accessibility_tree(page: Page, zone: TestZone) -> None:
    press, old = page.keyboard.press, Authority.objects.current()
    # The first stop leads past the menu.
    press("Tab")
    assert heard(page) == 'link "Skip to content"'
    press("Enter")
    move_to(page, 'button "Remint CA"')
    press("Enter")
    dialog = page.get_by_role("dialog", name="Remint CA")
    expect(dialog).to_be_visible()
    expect(page.locator("#id_confirm")).to_be_focused()
    assert heard(page).startswith('checkbox "Yes, I want to')
    assert dialog.get_by_role("button", name="OK").get_attribute("aria-disabled") == "true"
    press("Space")
    assert heard(page).endswith("[checked]")
    move_to(page, 'textbox "Common name"')
    press("Control+A")
    page.keyboard.type("NEXT-ZONE")
    move_to(page, 'combobox "Key length"')
    press("ArrowDown")
    move_to(page, 'button "in 1 week"')
    press("Enter")
    move_to(page, 'textbox "Your password"')
    page.keyboard.type("not the password")
    press("Enter")
    # A rejected entry is read with its reason, and the rest is kept.
    expect(page.locator("#id_password")).to_be_focused()
    expect(page.locator("#id_password")).to_have_accessible_description(
        re.compile("The password is incorrect")
    )
    expect(dialog.get_by_role("textbox", name="Common name")).to_have_value("NEXT-ZONE")
    page.keyboard.type(factories.PASSWORD)
    move_to(page, 'button "OK"')
    press("Enter")
    announced(page, "The Remint CA operation has been initiated.")
    expect(dialog).to_have_count(0)

    operation = Operation.objects.get()
    assert operation.parameters["common_name"] == "NEXT-ZONE"
    assert operation.parameters["key_length"] == 384
    _follow(page, zone, operation, old)


def _follow(page: Page, zone: TestZone, operation: Operation, old: Authority) -> None:
    """Assign the update by keyboard, and hear each stage up to the new CA."""
    press = page.keyboard.press
    expect(page.locator("#b-remint-ca")).to_be_focused()
    expect(page.locator("#b-remint-ca")).to_have_attribute("aria-disabled", "true")
    assert "[disabled]" in heard(page)
    expect(page.locator("#b-remint-ca")).to_have_accessible_description(
        "Remint CA is in progress. Wait for it to complete, or cancel it."
    )
    # The content of the test zone is replicated and applied within seconds.
    Operation.objects.update(activates_at=walkthrough.soon())
    walkthrough.prepare(zone, operation)
    expect(pane(page).get_by_role("button", name="Assign Now")).to_be_enabled()
    expect(page.locator("#b-remint-ca")).to_be_focused()
    move_to(page, 'button "Assign Now"')
    assert heard(page) == 'button "Assign Now"', "it is not disabled"
    press("Enter")
    expect(page.get_by_role("dialog", name="Assign Now")).to_be_visible()
    assert heard(page) == 'button "Cancel"', "the harmless button has the focus"
    move_to(page, 'button "Assign Now"')
    press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    until_state(OperationState.ASSIGNED)
    steps = pane(page).get_by_role("listitem")
    expect(steps.filter(has_text="Assign to devices")).to_contain_text("done")
    expect(page.locator(":focus")).to_have_count(1)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    walkthrough.cut_over(zone, operation)
    assert walkthrough.fresh(operation).state == OperationState.COMPLETED
    announced(page, "is complete")
    assert Authority.objects.current() != old
    expect(page.locator("#b-remint-ca")).not_to_have_attribute("aria-disabled", "true")
    tree = pane(page).aria_snapshot()
    assert "NEXT-ZONE" in tree
    assert 'button "Remint CA"' in tree
    assert 'button "Remint CA" [disabled]' not in tree


def until_state(state: OperationState) -> None:
    assert Operation.objects.get().state == state
