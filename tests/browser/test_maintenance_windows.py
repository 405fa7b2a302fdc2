"""Maintenance Windows as an administrator uses it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from certificates.models import MaintenanceWindow
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

PAGE = "/configuration/maintenance-windows/"


def test_a_window_and_a_freeze_are_added_in_dialogs(live_server: Any, log_in: Any) -> None:
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(live_server.url + PAGE)
    check(page)
    page.click("#b-window")
    page.fill("#id_name", "Night")
    check(page)
    page.click("dialog button:text('OK')")
    expect(page.locator("dialog[open]")).to_contain_text("This field is required without a rule.")
    check(page)
    for day in ("Saturday", "Sunday"):
        page.get_by_label(day).check()
    page.fill("#id_opens", "22:00")
    page.fill("#id_closes", "04:00")
    page.click("dialog button:text('OK')")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#windows-pane")).to_contain_text("Saturday, Sunday")
    assert MaintenanceWindow.objects.get().name == "Night"
    page.click("#b-freeze")
    page.fill("#id_reason", "Holidays")
    page.fill("#id_begins_at", "2020-01-01T00:00")
    page.fill("#id_ends_at", "2020-01-02T00:00")
    page.click("dialog button:text('OK')")
    expect(page.locator("dialog[open]")).to_contain_text("The end is not later than")
    check(page)
