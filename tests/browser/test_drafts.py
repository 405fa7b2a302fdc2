"""Entries that could not be submitted because the session had ended are restored after login."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from certificates.models import Operation
from tests.browser import scenes
from tests.browser.test_live import opened
from tests.support import factories


def end_session(page):
    """End the session so that the next submission is the first request that notices it."""
    page.route("**/running/**", lambda route: route.fulfill(status=204))
    Session.objects.all().delete()


def log_in_again(page, message="Your entries were not submitted."):
    page.wait_for_url("**/login/**")
    expect(page.locator("#session-ended")).to_contain_text(message)
    page.fill("#id_username", "admin")
    page.fill("#id_password", factories.PASSWORD)
    page.click("button:text('Log in')")


def test_entries_of_a_dialog_are_kept_when_the_session_ends(live_server, log_in):
    scenes.rest()
    page = opened(live_server, log_in)
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.fill("#id_common_name", "Kept")
    page.click("text='in 1 week'")
    chosen = page.locator("#id_activates_at").input_value()
    end_session(page)
    page.click("dialog >> text='OK'")
    log_in_again(page)
    expect(page.locator("dialog .restored")).to_contain_text("Your entries have been restored.")
    expect(page.locator("#id_common_name")).to_have_value("Kept")
    expect(page.locator("#id_activates_at")).to_have_value(chosen)
    # The confirmation is given again.
    expect(page.locator("#id_confirm")).not_to_be_checked()
    assert not Operation.objects.exists()
    page.check("#id_confirm")
    page.click("dialog >> text='OK'")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Operation.objects.get().parameters["common_name"] == "Kept"


def test_entries_of_a_page_are_kept_when_the_session_ends(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/configuration/zone-settings/")
    page.fill("#id_lead_time_seconds", "17 minutes")
    end_session(page)
    page.click("main form button.primary")
    log_in_again(page)
    expect(page.locator(".restored")).to_be_visible()
    expect(page.locator("#id_lead_time_seconds")).to_have_value("17 minutes")
    page.reload()
    expect(page.locator(".restored")).to_have_count(0)


def test_kept_entries_contain_no_password_and_are_only_for_the_same_user(live_server, log_in):
    scenes.rest()
    factories.admin("other")
    page = opened(live_server, log_in)
    page.click("#b-backup-ca")
    page.fill("#id_passphrase", "correct horse battery")
    page.fill("#id_confirm", "correct horse battery")
    end_session(page)
    page.click("dialog >> text='OK'")
    page.wait_for_url("**/login/**")
    assert "horse" not in page.evaluate("JSON.stringify({...sessionStorage})")
    page.goto(live_server.url + "/login/?next=/preferences/")
    page.evaluate(
        "sessionStorage.setItem('zcc-draft', JSON.stringify({user: 'admin', page: '/preferences/',"
        " url: '/preferences/', hasEnded: true, entries: [{name: 'time_zone', value: 'UTC'}]}))"
    )
    page.fill("#id_username", "other")
    page.fill("#id_password", factories.PASSWORD)
    page.click("button:text('Log in')")
    expect(page.locator("h1")).to_have_text("Preferences")
    expect(page.locator(".restored")).to_have_count(0)
    assert page.evaluate("sessionStorage.getItem('zcc-draft')") is None


def test_entries_are_kept_when_a_poll_notices_the_end_of_the_session(live_server, log_in):
    scenes.rest()
    page = opened(live_server, log_in)
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.fill("#id_common_name", "Kept")
    Session.objects.all().delete()
    log_in_again(page, "Your session has ended.")
    expect(page.locator("dialog .restored")).to_be_visible()
    expect(page.locator("#id_common_name")).to_have_value("Kept")
