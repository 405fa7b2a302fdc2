"""Administrators, a user's own security, notifications and the audit log in Chromium (B-28)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from administrators.accounts import accounts, policies
from administrators.login import second_factor
from administrators.models import SecondFactor
from administrators.protection import account_macs
from audit.models import Entry
from notifications.delivery import delivery, events
from notifications.delivery.events import Event
from notifications.models import Attempt, Delivery, Target
from tests.administrators.conftest import Authenticator
from tests.browser.test_accessibility import check
from tests.support import factories, walkthrough

PEOPLE = "/configuration/administrators/"
NOTICES = "/configuration/notifications/"
CA = "certificates.certificate_authority"
PASSWORD = "a sentence of several words"


def let_in(name: str, *roles: str, login_method: str = "password") -> int:
    order = accounts.NewAdministrator(name, f"{name}@acme.example", list(roles), login_method)
    return accounts.create_administrator(order, by="admin", now=timezone.now())[0].pk


@pytest.fixture
def crowd(zone):
    """Administrators of every kind; the first one is who looks."""
    chief = factories.admin("chief")
    let_in("anna", "certificate-administrator")
    let_in("dimitri", "deployer", "auditor")
    accounts.deactivate(let_in("gone", "viewer"), by=chief)
    let_in("olga", "auditor", login_method="oidc")
    return chief


@pytest.fixture
def told(zone):
    """Targets and a history with each end."""
    now = timezone.now()
    pager = Target.objects.create(
        name="pager", kind="webhook", host="hooks.acme.example", events=list(events.EVENTS)
    )
    team = Target.objects.create(
        name="team", kind="mail", recipients="team@acme.example", events=[events.EXPIRING]
    )
    for number, title in enumerate(("Remint CA is blocked", "The Zone CA will expire in 30 days.")):
        event = Event(events.BLOCKED, str(number), title, f"{title}\n\nReason: ps-02 is silent.")
        delivery.enqueue(event, now=now - timedelta(hours=number), to=[pager, team])
    for state, row in zip(("sent", "failed", "waiting"), Delivery.objects.all(), strict=False):
        Delivery.objects.filter(pk=row.pk).update(state=state, attempts=2)
        Attempt.objects.create(delivery=row, at=now, ok=state == "sent", answer="HTTP 503")


def test_pages_of_administrators(live_server, log_in, crowd):
    page = log_in(crowd)
    person = factories.User.objects.get(username="anna").pk
    for path in (PEOPLE, f"{PEOPLE}{person}/", "/preferences/security/", "/preferences/password/"):
        page.goto(live_server.url + path)
        check(page)


@pytest.mark.parametrize("opener", ["#b-create", "#b-rules"])
def test_dialogs_of_administrators(live_server, log_in, crowd, opener):
    page = log_in(crowd, reauthenticated=False)
    page.goto(live_server.url + PEOPLE)
    page.click(opener)
    expect(page.locator("dialog[open] h2")).to_be_visible()
    check(page)


def test_an_administrator_is_created_set_up_and_changed(live_server, log_in, crowd, browser):
    page = log_in(crowd)
    page.goto(live_server.url + PEOPLE)
    page.click("#b-create")
    page.fill("#id_name", "eve")
    page.get_by_label("Deployer").check()
    page.click("dialog .primary")
    link = page.locator("#setup-link").inner_text()
    check(page)
    page.click("text='Done'")
    expect(page.locator("h1")).to_have_text("eve")
    theirs = browser.new_context().new_page()
    theirs.goto(link)
    check(theirs)
    theirs.fill("#id_new_password", PASSWORD)
    theirs.fill("#id_again", PASSWORD)
    theirs.set_viewport_size({"width": 1366, "height": 768})
    theirs.click("button.primary")
    expect(theirs.get_by_role("link", name="eve", exact=True)).to_be_visible()
    page.click("#b-roles")
    page.locator("dialog").get_by_label("Auditor").check()
    page.click("dialog .primary")
    expect(page.locator(".lead")).to_contain_text("Deployer, Auditor")
    page.click("#b-deactivate")
    page.click("dialog .primary")
    expect(page.locator("#person-pane header")).to_contain_text("Deactivated")
    theirs.reload()
    expect(theirs).to_have_url(re.compile("/login/"))
    theirs.context.close()


def test_a_second_factor_is_set_up_and_asked_for(live_server, log_in, zone, browser):
    user = factories.admin("chief")
    page = log_in(user)
    page.goto(f"{live_server.url}/preferences/second-factor/")
    check(page)
    page.click("text='Set Up'")
    expect(page.locator("img.qrbox")).to_be_visible()
    assert (
        second_factor.secret_text(SecondFactor.objects.get())
        in page.locator("#secret").inner_text()
    )
    check(page)
    app = Authenticator(user)
    app.ahead = -30
    page.fill("#id_code", app.code())
    page.click("text='Turn On'")
    expect(page.locator(".codes li")).to_have_count(10)
    check(page)
    theirs = browser.new_context().new_page()
    theirs.goto(f"{live_server.url}/login/?next=/devices/")
    theirs.fill("#id_username", "chief")
    theirs.fill("#id_password", factories.PASSWORD)
    theirs.click("button.primary")
    expect(theirs.locator("#id_code")).to_be_focused()
    check(theirs)
    app.ahead = 0
    theirs.fill("#id_code", app.code())
    theirs.keyboard.press("Enter")
    expect(theirs).to_have_url(re.compile("/devices/$"))
    theirs.context.close()


def test_the_dialog_of_a_ca_operation_asks_for_password_and_code(live_server, log_in, zone):
    user = factories.admin("chief")
    second_factor.start_setup(user)
    SecondFactor.objects.update(confirmed_at=timezone.now())
    account_macs.stamp(user.pk)
    page = log_in(user, reauthenticated=False)
    page.goto(f"{live_server.url}/configuration/certificates/remint-ca/")
    expect(page.get_by_label("Authenticator code", exact=True)).to_be_visible()
    check(page)


def test_two_administrators(live_server, log_in, zone):
    first, second = factories.user("first", CA), factories.admin("second")
    policies.update_policies(
        requires_second_factor=False, two_administrators=True, by=first, now=timezone.now()
    )
    operation = walkthrough.remint_ca()
    type(operation).objects.update(requested_by=first)
    page = log_in(second)
    page.goto(f"{live_server.url}/configuration/certificates/")
    expect(page.locator(".callout.op")).to_contain_text(
        "is waiting for approval by a second administrator"
    )
    check(page)
    page.click(f"#b-confirm-{operation.pk}")
    expect(page.locator("dialog[open] h2")).to_be_visible()
    check(page)
    page.click("dialog .primary")
    expect(page.locator(".callout.op")).to_contain_text("has been initiated")


def test_notifications(live_server, log_in, told):
    page = log_in(factories.admin("chief"))
    page.goto(live_server.url + NOTICES)
    check(page)
    page.click("#b-services")
    check(page)
    page.click("#services >> text='PagerDuty'")
    expect(page.locator("dialog[open] #id_token")).to_be_visible()
    expect(page.locator("#services")).to_be_hidden()
    page.keyboard.press("Escape")
    openers = ("#b-mail", "#b-webhook", "#b-mail-server", "#targets-pane tbody th a >> nth=0")
    for opener in openers:
        page.click(opener)
        expect(page.locator("dialog[open] h2")).to_be_visible()
        check(page)
        page.keyboard.press("Escape")
    page.click("#chip-failed")
    expect(page.locator("#chip-failed")).to_have_attribute("aria-current", "true")
    page.click("#sent-pane tbody th a >> nth=0")
    expect(page.locator("dialog[open] h2")).to_be_visible()
    check(page)
    page.click("text='Send Again'")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_an_empty_page_of_notifications(live_server, log_in, zone):
    page = log_in(factories.admin("chief"))
    page.goto(live_server.url + NOTICES)
    expect(page.locator("#targets-pane .empty")).to_be_visible()
    check(page)


def test_the_audit_log(live_server, log_in, crowd):
    page = log_in(crowd)
    page.goto(f"{live_server.url}/audit/")
    check(page)
    entry = Entry.objects.filter(action="deactivate-administrator").get()
    page.goto(f"{live_server.url}/audit/{entry.seq}/")
    expect(page.locator("#e-changes")).to_be_visible()
    check(page)
    page.goto(f"{live_server.url}/audit/")
    for button, suffix in (("#export", ".csv"), ("#export-json", ".json")):
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename.endswith(suffix)


def test_the_login(live_server, faultless: Page, zone, settings):
    settings.OIDC_NAME = "Acme ID"
    faultless.goto(f"{live_server.url}/login/?next=/devices/")
    expect(faultless.get_by_role("link", name="Log in with Acme ID")).to_be_visible()
    check(faultless)
