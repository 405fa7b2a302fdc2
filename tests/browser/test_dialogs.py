"""Dialogs as an administrator uses them: focus, keyboard, values kept, one operation per intent."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from certificates.models import Operation
from certificates.operations.states import OperationState
from tests.browser import scenes
from tests.support import factories

CERTIFICATES = "/configuration/certificates/"


@pytest.fixture
def page_at_rest(live_server: Any, log_in: Any) -> Page:
    scenes.rest()
    page: Page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    return page


def test_logging_in_by_hand_and_out(live_server, faultless):
    factories.zone("ACME-ZONE")
    factories.admin()
    page = faultless
    page.goto(live_server.url + "/devices/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "wrong")
    page.click("button:text('Log in')")
    expect(page.locator("[role=alert]")).to_be_visible()
    page.fill("#id_username", "admin")
    page.fill("#id_password", factories.PASSWORD)
    page.click("button:text('Log in')")
    expect(page).to_have_url(live_server.url + "/devices/")
    expect(page.locator(".tz")).to_contain_text("Europe/Berlin")
    page.click("text=Log out")
    expect(page).to_have_url(live_server.url + "/login/")


def test_a_dialog_closes_by_escape_and_gives_the_focus_back(page_at_rest):
    page = page_at_rest
    page.focus("#b-view-certificate")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open] h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#b-view-certificate")).to_be_focused()
    expect(page.locator("#dialog > *")).to_have_count(0)


@pytest.mark.manual("R032", "R131")
def test_fields_are_disabled_until_the_checkbox_is_selected(page_at_rest):
    page = page_at_rest
    page.click("#b-remint-ca")
    expect(page.locator("#id_confirm")).to_be_focused()
    expect(page.locator("#id_common_name")).to_be_disabled()
    page.click("dialog >> text='OK'", force=True)
    expect(page.locator("#live")).to_have_text("Select the checkbox to continue.")
    # Also for those who see the page.
    expect(page.locator("#tick-first")).not_to_have_class(re.compile(r"\bvh\b"))
    assert page.locator("#tick-first").bounding_box()["height"] > 10
    assert not Operation.objects.exists()
    page.check("#id_confirm")
    expect(page.locator("#tick-first")).to_have_class(re.compile(r"\bvh\b"))
    expect(page.locator("#id_common_name")).to_be_enabled()
    page.uncheck("#id_confirm")
    expect(page.locator("#id_common_name")).to_be_disabled()


def test_an_error_keeps_what_was_typed_and_has_the_focus(page_at_rest):
    page = page_at_rest
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.fill("#id_common_name", "My own name")
    page.fill("#id_activates_at", "2020-01-01T10:00")
    page.click("dialog >> text='OK'")
    expect(page.locator("#id_activates_at")).to_be_focused()
    expect(page.locator("#id_activates_at_error")).to_contain_text("must be later than")
    expect(page.locator("#id_common_name")).to_have_value("My own name")
    expect(page.locator("#id_common_name")).to_be_enabled()
    # Only the error is shown, also after a click, which updates the warning about early times.
    page.click("#dialog-title")
    expect(page.locator("#early-activation")).to_be_hidden()
    # A corrected value is not shown as wrong any more, also if a button has set it.
    page.click("text='in 1 week'")
    expect(page.locator("#id_activates_at")).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#id_activates_at_error")).to_be_hidden()
    expect(page.locator("dialog .err")).to_have_count(0)


def test_the_chosen_time_is_repeated_in_words(page_at_rest):
    page = page_at_rest
    zone = ZoneInfo("Europe/Berlin")
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    words = page.locator("#activation-words")
    expect(words).to_contain_text("Europe/Berlin, in ")
    chosen = (datetime.now(zone) + timedelta(hours=3, minutes=30)).replace(second=0)
    page.fill("#id_activates_at", f"{chosen:%Y-%m-%dT%H:%M}")
    expect(words).to_contain_text(re.compile(rf"{chosen:%a},? {chosen.day} {chosen:%b %Y}, "))
    expect(words).to_contain_text(f"{chosen:%H:%M}, Europe/Berlin, in 3 hr ")
    page.fill("#id_activates_at", "2020-07-04T10:00")
    expect(words).to_contain_text("4 Jul 2020, 10:00, Europe/Berlin, in the past")
    page.click("text='in 1 week'")
    expect(words).to_contain_text("Europe/Berlin, in ")
    page.fill("#id_activates_at", "")
    expect(words).to_be_hidden()


def test_a_time_before_the_suggested_one_is_warned_about_as_it_is_typed(page_at_rest):
    page = page_at_rest
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    note = page.locator("#early-activation")
    expect(note).to_be_hidden()
    page.fill("#id_activates_at", "2020-01-01T10:00")
    expect(note).to_contain_text("earlier than suggested")
    expect(note).to_be_visible()
    page.click("text='in 1 week'")
    expect(note).to_be_hidden()


def test_a_double_click_starts_one_operation_and_the_pane_shows_it(page_at_rest):
    page = page_at_rest
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.click("text='in 1 week'")
    page.dblclick("dialog >> text='OK'")
    message = page.locator("#zone-ca .callout")
    expect(message).to_contain_text("The Remint CA operation has been initiated.")
    expect(page.locator("dialog[open]")).to_have_count(0)
    result = page.locator("#messages .success")
    expect(result).to_contain_text("initiated")
    expect(result).to_be_in_viewport()
    assert Operation.objects.count() == 1
    expect(page.locator("#b-remint-ca")).to_have_attribute("aria-disabled", "true")
    # It stays until it is dismissed, or until the next action.
    page.get_by_role("button", name="Cancel", exact=True).first.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    expect(result).to_have_count(0)


def test_a_disabled_button_shows_its_reason_to_keyboard_users(live_server, log_in):
    scenes.remint()
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.focus("#b-move-ca-role")
    said = "Remint CA is in progress. Wait for it to complete, or cancel it."
    expect(page.locator("#why-move-ca-role")).to_be_visible()
    expect(page.locator("#why-move-ca-role")).to_have_text(said)
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text(said)
    expect(page.locator("dialog[open]")).to_have_count(0)


@pytest.mark.manual("R091")
def test_cancel_asks_with_the_focus_on_keep_going(live_server, log_in):
    operation = scenes.remint()
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.click(f"#b-cancel-{operation.pk}")
    expect(page.locator("dialog >> text='Keep Operation'")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Operation.objects.get().state == OperationState.REPLICATING
    page.click(f"#b-cancel-{operation.pk}")
    page.click("dialog >> text='Cancel Operation'")
    expect(page.locator("#zone-ca .callout")).to_contain_text("is being canceled")


def test_a_refusal_is_shown_inside_the_dialog(live_server, log_in):
    operation = scenes.remint()
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.click(f"#b-assign-{operation.pk}")
    expect(page.locator("dialog[open]")).to_be_visible()
    Operation.objects.update(state=OperationState.ASSIGNED)
    page.click("dialog button:text('Assign Now')")
    expect(page.locator("dialog [role=alert]")).to_contain_text("Nothing was changed.")


def test_copy_buttons_copy_the_whole_fingerprint(page_at_rest, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = page_at_rest
    page.click("#b-view-certificate")
    button = page.get_by_label("Copy SHA-256 fingerprint", exact=True)
    button.click()
    expect(page.locator("#live")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", copied)


def test_everything_can_be_done_without_javascript(live_server, log_in, browser: Browser):
    scenes.rest()
    scripted = log_in(factories.admin())
    scripted.goto(f"{live_server.url}{CERTIFICATES}")
    expect(scripted.locator("#zone-ca [data-copy]")).to_be_visible()
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(scripted.context.cookies())
    page = context.new_page()
    page.goto(f"{live_server.url}{CERTIFICATES}?q=zen&sort=-issued_to&per_page=5")
    expect(page.locator("#zone-ca [data-copy]")).to_be_hidden()
    page.click("text='Next'")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.click("#b-remint-ca")
    page.click("button:text('OK')")
    expect(page.locator("#id_confirm")).to_be_focused()
    page.check("#id_confirm")
    page.fill("#id_common_name", "No script")
    page.click("button:text('OK')")
    expect(page.locator("#zone-ca")).to_contain_text("has been initiated")
    page.click("text='Cancel'")
    page.click("button:text('Cancel Operation')")
    expect(page.locator("#zone-ca")).to_contain_text("is being canceled")
    context.close()


SIZES = {"laptop": (1366, 768), "phone": (390, 700), "zoom of 200 %": (683, 384)}
# The buttons of the footer that are not completely visible, or that something else covers.
HIDDEN_BUTTONS = """
[...document.querySelectorAll("dialog[open] footer .btn")].filter(button => {
  const box = button.getBoundingClientRect()
  const edge = button.closest("dialog").getBoundingClientRect()
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
  return box.top < Math.max(edge.top, 0) || box.bottom > Math.min(edge.bottom, innerHeight)
    || box.left < Math.max(edge.left, 0) || box.right > Math.min(edge.right, innerWidth)
    || !button.contains(top)
}).map(button => button.textContent.trim())
"""


def check_footer(page: Page) -> None:
    """Check that all buttons of the footer are visible, at the top and at the end of a dialog."""
    expect(page.locator("dialog[open] h2")).to_be_visible()
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.locator("dialog[open] footer .btn").count() >= 1
        for part in ("0", "dialog.scrollHeight"):
            page.evaluate(f"dialog.scrollTo(0, {part})")
            assert page.evaluate(HIDDEN_BUTTONS) == [], name


@pytest.mark.parametrize(
    "opener",
    [
        *("#b-view-certificate", "#b-remint-ca", "#b-change-ca", "#b-move-ca-role"),
        *("#b-backup-ca", "#b-restore-ca", "tbody th a >> nth=0", "[data-search]"),
    ],
)
def test_the_footer_of_a_dialog_stays_visible(page_at_rest, opener):
    page = page_at_rest
    page.locator(opener).first.click()
    check_footer(page)


def test_the_footer_of_remint_certificate_stays_visible(page_at_rest):
    page = page_at_rest
    page.locator("#servers-pane tbody input[type=checkbox]").first.check()
    button = page.locator("#b-remint-certificate")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    check_footer(page)


def test_the_footer_of_force_activation_stays_visible(live_server, log_in):
    operation = scenes.remint(OperationState.BLOCKED)
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}{CERTIFICATES}operations/{operation.pk}/")
    page.locator("#operation-pane >> text='Force Activation'").first.click()
    check_footer(page)


@pytest.mark.parametrize(
    "opener",
    [
        *("current replication status", "Assign Now", "Cancel", "Failure Details"),
        *("View new certificate", "Change Activation Time"),
    ],
)
def test_the_footer_of_a_dialog_of_an_operation_stays_visible(live_server, log_in, opener):
    scenes.remint()
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.locator(f"#main >> text='{opener}'").first.click()
    check_footer(page)
