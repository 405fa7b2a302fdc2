"""The simple case: how many clicks the acts of the manual need if no further feature is used.

Name constraints, maintenance windows, the pilot group, a subordinate CA, ACME, and EST are off by
default, and must not make these longer.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from certificates.models import Operation
from tests.browser import scenes
from tests.support import factories

CERTIFICATES = "/configuration/certificates/"
COUNT = """
() => {
  window.clicks = 0;
  document.addEventListener("pointerdown", () => { window.clicks += 1; }, true);
}
"""


@pytest.fixture
def page_at_rest(live_server: Any, log_in: Any) -> Page:
    scenes.rest()
    page: Page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.evaluate(COUNT)
    return page


def get_started(page: Page) -> Operation:
    """Return the operation that the last click has started, after checking that one has started."""
    expect(page.locator("dialog[open]")).to_have_count(0)
    return Operation.objects.get()


def test_remint_ca_needs_three_clicks(page_at_rest: Page) -> None:
    page = page_at_rest
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.click("dialog footer .primary")
    assert get_started(page).kind == Operation.Kind.REMINT_CA
    assert page.evaluate("clicks") == 3


def test_remint_certificate_needs_four_clicks(page_at_rest: Page) -> None:
    page = page_at_rest
    page.locator("#servers-pane tbody input[type=checkbox]").first.click()
    button = page.locator("#b-remint-certificate")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    page.check("#id_confirm")
    page.click("dialog footer .primary")
    assert get_started(page).kind == Operation.Kind.REMINT_SERVER
    assert page.evaluate("clicks") == 4


def test_change_ca_to_an_internal_ca_needs_four_clicks(page_at_rest: Page) -> None:
    """The dialog of the manual has two pages for an internal CA. Their fields are filled in."""
    page = page_at_rest
    page.click("#b-change-ca")
    page.check("#id_confirm")
    page.select_option("#id_change_to", "internal")
    page.click("dialog footer .primary")
    expect(page.locator("#id_activates_at")).to_be_visible()
    page.click("dialog footer .primary")
    assert get_started(page).kind == Operation.Kind.CHANGE_CA
    assert page.evaluate("clicks") == 4


def test_dialogs_ask_nothing_about_features_that_are_off(page_at_rest: Page) -> None:
    page = page_at_rest
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    for text in ("maintenance window", "pilot group", "CSR"):
        expect(page.locator("dialog").get_by_text(text)).to_have_count(0)
