"""The search: keys that open it, results while typing, and selection with the arrow keys."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories


def opened(live_server, log_in, path="/devices/"):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(live_server.url + path)
    return page


def test_slash_and_ctrl_k_open_the_search(live_server, log_in):
    page = opened(live_server, log_in)
    for key in ("/", "Control+k"):
        page.locator("h1").click()
        page.keyboard.press(key)
        expect(page.locator("#search-text")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)


def test_the_keys_change_no_entries(live_server, log_in):
    page = opened(live_server, log_in)
    page.focus("#id_q")
    page.keyboard.type("a/b")
    expect(page.locator("#id_q")).to_have_value("a/b")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.goto(live_server.url + "/configuration/certificates/")
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.fill("#id_common_name", "Kept")
    page.keyboard.press("Control+k")
    expect(page.locator("#id_common_name")).to_have_value("Kept")


def test_results_appear_while_typing_and_are_opened_by_keyboard(live_server, log_in):
    page = opened(live_server, log_in)
    page.keyboard.press("/")
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.type("zen-ps-0")
    results = page.locator("#search-results a")
    expect(results).to_have_count(3)
    expect(page.locator("#search-count")).to_have_text("Devices and Servers: 3")
    page.keyboard.press("ArrowDown")
    expect(results.nth(0)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(results.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("zen-ps-02")


def test_enter_in_the_field_opens_the_page_with_the_results(live_server, log_in):
    page = opened(live_server, log_in)
    page.keyboard.press("/")
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.type("pc-00")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/search/?q=pc-00")
    page.click("text='Show all: Devices and Servers'")
    expect(page).to_have_url(f"{live_server.url}/devices/?q=pc-00")


def test_the_slash_key_can_be_turned_off(live_server, log_in):
    page = opened(live_server, log_in, "/preferences/")
    page.uncheck("#slash")
    page.reload()
    expect(page.locator("#slash")).not_to_be_checked()
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.press("Control+k")
    expect(page.locator("#search-text")).to_have_value("")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    page.check("#slash")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(page.locator("#search-text")).to_be_focused()


def test_the_search_works_without_javascript(live_server, log_in, browser: Browser):
    scenes.rest()
    cookies = log_in(factories.admin()).context.cookies()
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(live_server.url + "/devices/")
    page.click("[data-search]")
    page.fill("#search-text", "zen-ps-01")
    page.click("#search-form button")
    page.click("#search-results a")
    expect(page.locator("h1")).to_contain_text("zen-ps-01")
    context.close()


def test_the_dialog_and_the_page_are_accessible(live_server, log_in):
    page = opened(live_server, log_in)
    page.keyboard.press("/")
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.type("zen")
    expect(page.locator("#search-results a").first).to_be_visible()
    check(page)
    page.goto(live_server.url + "/search/?q=zen")
    check(page)
