"""Passkeys in Chromium, with its virtual authenticator."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from administrators.models import Passkey
from audit.models import Entry
from certificates.models import Operation
from tests.browser.test_accessibility import check
from tests.support import factories, passkeys

SECURITY = "/preferences/security/"


@pytest.fixture
def chief(zone: Any) -> Any:
    passkeys.enable()
    return factories.admin("chief")


def plug_in(page: Page, **options: Any) -> Any:
    """Give the page an authenticator that confirms each request, and return its session and ID."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    values = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    values |= {"hasUserVerification": True, "isUserVerified": True, **options}
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": values})
    return devtools, made["authenticatorId"]


def add(page: Page, url: str, name: str = "Laptop") -> None:
    page.goto(f"{url}{SECURITY}")
    page.get_by_role("link", name="Add Passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add Passkey").click()


def give_password(page: Page, url: str) -> None:
    page.goto(f"{url}/login/")
    page.fill("#id_username", "chief")
    page.fill("#id_password", factories.PASSWORD)
    page.click("button.primary")
    expect(page.get_by_role("button", name="Use Passkey")).to_be_visible()


def log_out(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.get_by_role("button", name="Log Out", exact=True).click()
    expect(page).to_have_url(re.compile("/login/"))


def test_a_passkey_is_added_used_and_removed(live_server, log_in, chief):
    page = log_in(chief)
    plug_in(page)
    page.goto(f"{live_server.url}{SECURITY}")
    check(page)
    page.get_by_role("link", name="Add Passkey").click()
    check(page)
    page.get_by_label("Name").fill("Laptop")
    page.keyboard.press("Enter")
    expect(page.locator(".codes li")).to_have_count(10)
    check(page)
    page.get_by_role("link", name="I Have Saved the Codes").click()
    expect(page.locator("#passkeys tbody th")).to_have_text("Laptop")
    check(page)

    log_out(page)
    give_password(page, live_server.url)
    check(page)
    page.get_by_role("button", name="Use Passkey").click()
    expect(page).to_have_url(f"{live_server.url}/")
    assert Passkey.objects.get().last_used_at is not None

    page = log_in(chief, reauthenticated=False)
    page.goto(f"{live_server.url}/configuration/certificates/")
    page.click("#main #b-remint-ca")
    expect(page.locator("dialog[open] h2")).to_be_visible()
    page.check("#id_confirm")
    page.get_by_label("Your password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("button", name="Use Passkey").click()
    expect(page.locator("[data-passkey-status]")).to_contain_text("has been verified")
    check(page)
    page.click("dialog >> text='OK'")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Operation.objects.count() == 1
    assert Entry.objects.filter(action="passkey-used").count() == 2

    page.goto(f"{live_server.url}{SECURITY}")
    page.get_by_role("link", name="Remove Laptop").click()
    expect(page.locator("dialog[open] h2")).to_have_text("Remove Passkey")
    check(page)
    page.click("dialog .primary")
    expect(page.locator("#passkeys tbody")).to_have_count(0)
    expect(page.locator("#login")).to_contain_text("Off")
    assert not Passkey.objects.exists()


def test_what_the_browser_does_not_confirm_is_explained(live_server, log_in, chief):
    page = log_in(chief)
    devtools, key = plug_in(page)
    add(page, live_server.url)
    expect(page.locator(".codes li")).to_have_count(10)
    add(page, live_server.url, "again")
    expect(page.locator("[data-passkey-status]")).to_contain_text("already has a passkey")
    check(page)
    log_out(page)
    give_password(page, live_server.url)
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.get_by_role("button", name="Use Passkey").click()
    expect(page.locator("[data-passkey-status]")).to_contain_text("did not confirm")
    check(page)
    expect(page).to_have_url(re.compile("/login/code/"))


def test_the_dialog_of_a_ca_operation_works_without_htmx(live_server, log_in, chief):
    page = log_in(chief)
    plug_in(page)
    add(page, live_server.url)
    expect(page.locator(".codes li")).to_have_count(10)
    page = log_in(chief, reauthenticated=False)
    page.goto(f"{live_server.url}/configuration/certificates/remint-ca/")
    page.check("#id_confirm")
    page.get_by_label("Your password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("button", name="Use Passkey").click()
    expect(page.locator("[data-passkey-status]")).to_contain_text("has been verified")
    check(page)
    page.click("text='OK'")
    expect(page).to_have_url(re.compile("/configuration/certificates/$"))
    assert Operation.objects.count() == 1
