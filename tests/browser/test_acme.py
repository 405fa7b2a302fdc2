"""ACME Accounts as an administrator uses it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from certificates.models import AcmeAccountKey
from tests.browser.test_accessibility import check
from tests.support import factories

PAGE = "/configuration/acme-accounts/"


def test_an_account_key_is_created_shown_once_and_disabled(
    live_server: Any, log_in: Any, zone: Any
) -> None:
    page = log_in(factories.admin())
    page.goto(live_server.url + PAGE)
    check(page)
    page.fill("#id_label", "web-servers")
    page.fill("#id_names", "*.hosts.example\nweb.research-and-development.acme.example")
    page.click("button:text('Create Key')")
    expect(page.locator("#created-key")).to_contain_text("You cannot view it again.")
    check(page)
    expect(page.locator("#chip-all")).to_contain_text("1")
    secret = page.locator("#acme-hmac-key").inner_text()
    page.goto(live_server.url + PAGE)
    assert secret not in page.content()
    check(page)
    page.get_by_role("button", name="Disable web-servers").click()
    expect(page.locator("dialog[open] h2")).to_contain_text("web-servers")
    check(page)
    page.click("dialog button:text('Disable')")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#keys-pane")).to_contain_text("Disabled")
    assert AcmeAccountKey.objects.get().disabled_at is not None
