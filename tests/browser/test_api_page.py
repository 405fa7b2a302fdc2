"""The page of the REST API works from this server alone, under the console's policy (S-85)."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import scenes
from tests.support import factories


def test_an_operation_is_tried_on_the_page(live_server, log_in):
    scenes.remint()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/api/v1/docs")
    expect(page.get_by_role("heading", name="Zone Control Center")).to_be_visible()
    page.locator("#operations-zone-devices_zone_api_show_zone, [id$=show_zone]").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".responses-table.live-responses-table").first).to_contain_text("200")
