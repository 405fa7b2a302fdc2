"""The menu on a phone: it is opened by a button, reaches every page, and is accessible."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

PHONE: ViewportSize = {"width": 390, "height": 800}


@pytest.fixture
def phone(live_server, log_in) -> Page:
    scenes.rest()
    page: Page = log_in(factories.admin())
    page.set_viewport_size(PHONE)
    page.goto(live_server.url + "/devices/")
    return page


def test_the_menu_opens_shows_the_current_page_and_closes(phone):
    page = phone
    menu = page.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    expect(menu.get_by_role("link", name="Devices", exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.get_by_role("button", name="Menu", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Close Menu").click()
    expect(menu).to_be_hidden()


def test_every_page_of_the_menu_is_reached_in_two_steps(phone):
    page = phone
    links = page.locator("#side a").evaluate_all("all => all.map(one => one.pathname)")
    assert len(set(links)) == 23
    for path in ("/configuration/certificates/operations/", "/help/", "/preferences/security/"):
        page.get_by_role("button", name="Menu", exact=True).click()
        link = page.locator(f"#side a[href='{path}']")
        link.scroll_into_view_if_needed()
        link.click()
        expect(page.locator(f"#side a[href='{path}']")).to_have_attribute("aria-current", "page")


def test_the_menu_works_without_javascript(phone, browser: Browser, live_server):
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    context.add_cookies(phone.context.cookies())
    page = context.new_page()
    page.goto(live_server.url + "/devices/")
    page.click("header .menu-button")
    page.click("#side a[href='/configuration/certificates/operations/']")
    expect(page.locator("h1")).to_have_text("Operations")
    page.click("header .menu-button")
    page.click("#side .for-phones button")
    expect(page).to_have_url(live_server.url + "/login/")
    context.close()


def test_the_menu_is_always_open_on_a_wide_screen(phone):
    phone.set_viewport_size({"width": 1366, "height": 768})
    expect(phone.get_by_role("navigation", name="Main")).to_be_visible()
    expect(phone.locator(".menu-button").first).to_be_hidden()
    last = phone.get_by_role("link", name="Help", exact=True)
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()


def test_the_open_menu_is_accessible(phone):
    phone.get_by_role("button", name="Menu", exact=True).click()
    expect(phone.locator("#side")).to_be_visible()
    check(phone)
