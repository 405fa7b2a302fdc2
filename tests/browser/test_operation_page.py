"""The page of an operation as an administrator uses it: live, by keyboard, without a script."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from certificates.models import Authority, Operation, ServerCertificate
from certificates.operations.states import AuthorityState, OperationState
from devices.models import Device
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

S = OperationState
CERTIFICATES = "/configuration/certificates/"


def remint(state: str = S.ASSIGNED, **values: Any) -> Operation:
    """A Remint CA in some state, with the CA that it leads to."""
    operation = scenes.remint(S.ASSIGNED)
    new = factories.authority(operation.signing_server, name="NEW-CA", state=AuthorityState.FUTURE)
    Operation.objects.update(state=state, future_authority=new, **values)
    if state in (S.ACTIVATED, S.COMPLETED):
        until = factories.now() + timedelta(days=30)
        Authority.objects.exclude(pk=new.pk).update(state=AuthorityState.GRACE, grace_until=until)
        Authority.objects.filter(pk=new.pk).update(state=AuthorityState.CURRENT)
        Operation.objects.update(activated_at=factories.now() - timedelta(hours=1))
        ServerCertificate.objects.update(not_after=factories.now() + timedelta(days=100))
    return Operation.objects.get()


def there(operation: Operation) -> str:
    return f"{CERTIFICATES}operations/{operation.pk}/"


def opened(live_server: Any, log_in: Any, operation: Operation, query: str = "") -> Page:
    page: Page = log_in(factories.admin())
    page.goto(live_server.url + there(operation) + query)
    return page


@pytest.fixture(autouse=True)
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone of these tests has no key: what is signed elsewhere is not signed here."""
    monkeypatch.setattr(
        "certificates.operations.intervention.publish_new_revision", lambda *_, **__: None
    )


EVERY = [
    *(S.PREPARING, S.REPLICATING, S.ASSIGNED, S.BLOCKED, S.ACTIVATING, S.ACTIVATED),
    *(S.COMPLETED, S.CANCELING, S.CANCELED, S.CANCEL_FAILED, S.FAILED),
    *(S.ROLLING_BACK, S.ROLLED_BACK),
]


@pytest.mark.parametrize("state", EVERY)
def test_the_page_in_every_state_has_no_fault_for_axe(live_server, log_in, state):
    operation = remint(
        state, reason=("The key of this CA is not stored on this server."), postponed=1
    )
    page = opened(live_server, log_in, operation)
    expect(page.locator("#operation-pane")).to_be_visible()
    if state in (S.CANCELED, S.ROLLED_BACK):
        # No device applied it, so there is nothing to draw.
        expect(page.locator(".chart")).to_have_count(0)
    else:
        page.locator(".chart summary").click()
    check(page)


def test_the_list_of_operations_and_the_report_have_no_fault_for_axe(
    live_server, log_in, monkeypatch
):
    from wire.envelope import Envelope

    monkeypatch.setattr(
        "certificates.progress.report.sign_report", lambda _: Envelope("t", "e30=", "c2lnbmVk")
    )
    operation = remint(S.COMPLETED)
    page = opened(live_server, log_in, operation)
    page.click("text='Printable Page'")
    expect(page.locator("h1")).to_contain_text("Report")
    check(page)
    page.goto(f"{live_server.url}{CERTIFICATES}operations/")
    expect(page.locator("tbody tr")).to_have_count(1)
    check(page)


@pytest.mark.parametrize(
    ("state", "opener"),
    [
        (S.BLOCKED, "Force Activation"),
        (S.BLOCKED, "Change Activation Time"),
        (S.ASSIGNED, "Change Activation Time"),
        (S.ASSIGNED, "Change Policy"),
        (S.ACTIVATED, "Roll Back"),
        (S.ASSIGNED, "Cancel"),
    ],
)
def test_its_dialogs_have_no_fault_for_axe_and_ask_for_the_password(
    live_server, log_in, state, opener
):
    operation = remint(state)
    page = log_in(factories.admin(), reauthenticated=False)
    page.goto(live_server.url + there(operation))
    page.locator(f"#operation-pane >> text='{opener}'").first.click()
    expect(page.locator("dialog[open] h2")).to_be_visible()
    if opener != "Cancel":
        expect(page.locator("dialog #id_password")).to_be_visible()
    check(page)


def test_who_would_be_cut_off_is_named_with_reason_and_remedy(live_server, log_in):
    operation = remint()
    page = opened(live_server, log_in, operation)
    page.click("text='Show Devices'")
    failed = page.locator("#devices-pane tbody tr", has_text="The update failed").first
    expect(failed.get_by_role("link", name="Redeploy")).to_be_visible()
    expect(page.locator("#devices-pane tbody tr", has_text="Ready")).to_have_count(0)
    page.fill("#id_q", "pc-")
    expect(page.locator("#id_q")).to_be_focused()
    expect(page.locator("#devices-pane tbody")).not_to_contain_text("zen-ps")
    with page.expect_download() as given:
        page.click("text='Export as CSV'")
    assert "Recommended action" in given.value.path().read_text()


def test_updates_of_the_pane_keep_focus_scroll_position_and_text(live_server, log_in):
    operation = remint()
    page = opened(live_server, log_in, operation)
    page.fill("#id_q", "pc-0")
    page.locator("#id_q").focus()
    page.evaluate("window.scrollTo(0, 400)")
    Assignment.objects.filter(device__name="pc-001").update(state=AssignmentState.APPLIED)
    expect(page.locator("#operation-pane")).to_contain_text("10 of 27 devices trust both CAs")
    expect(page.locator("#devices-pane tbody tr", has_text="pc-001")).to_contain_text("Ready")
    expect(page.locator("#id_q")).to_be_focused()
    expect(page.locator("#id_q")).to_have_value("pc-0")
    assert page.evaluate("window.scrollY") == 400


def test_the_activation_is_announced_and_the_table_turns_to_first_contacts(live_server, log_in):
    operation = remint(S.ACTIVATING)
    page = opened(live_server, log_in, operation)
    expect(page.locator("#devices-pane")).to_contain_text("Devices at risk")
    Operation.objects.update(state=S.ACTIVATED, activated_at=factories.now())
    expect(page.locator("#live")).to_contain_text("outstanding")
    expect(page.locator("#devices-pane")).to_contain_text("First contact after activation")


def test_blocked_has_its_three_ways_out(live_server, log_in):
    operation = remint(S.BLOCKED)
    page = opened(live_server, log_in, operation)
    pane = page.locator("#operation-pane")
    expect(pane.get_by_role("button", name="Change Activation Time")).to_be_visible()
    expect(pane.get_by_role("button", name="Force Activation")).to_be_visible()
    pane.get_by_role("link", name="zen-ps-02").click()
    expect(page.get_by_role("button", name="Ignore device zen-ps-02")).to_be_visible()


def test_a_new_activation_time_keeps_what_was_typed_when_it_is_refused(live_server, log_in):
    operation = remint()
    page = opened(live_server, log_in, operation)
    page.click(f"#b-time-{operation.pk}")
    page.fill("#id_activates_at", "2020-01-01T10:00")
    page.click("dialog >> text='OK'")
    expect(page.locator("#id_activates_at_error")).to_contain_text("must be later than")
    expect(page.locator("#id_activates_at")).to_be_focused()
    # The clocks skip this hour in Berlin.
    page.fill("#id_activates_at", "2027-03-28T02:30")
    page.click("dialog >> text='OK'")
    expect(page.locator("#id_activates_at_error")).to_be_visible()
    assert Operation.objects.get().activates_at == operation.activates_at


def test_a_time_that_devices_would_miss_is_asked_about(live_server, log_in):
    operation = remint()
    from devices.models import Zone

    Zone.objects.update(refresh_seconds=43_200)
    page = opened(live_server, log_in, operation)
    page.click(f"#b-time-{operation.pk}")
    soon = timezone.localtime(factories.now() + timedelta(hours=2), ZoneInfo("Europe/Berlin"))
    page.fill("#id_activates_at", f"{soon:%Y-%m-%dT%H:%M}")
    page.click("dialog >> text='OK'")
    expect(page.locator("#id_activates_at_error")).to_contain_text("27 devices would miss")
    assert Operation.objects.get().activates_at == operation.activates_at
    page.check("#id_soon")
    page.click("dialog >> text='OK'")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Operation.objects.get().activates_at < operation.activates_at


def test_two_administrators_who_roll_back_do_it_once(live_server, log_in, monkeypatch):
    done: list[Any] = []
    monkeypatch.setattr(
        "certificates.operations.rollback._withdraw_update", lambda *_args: done.append(1)
    )
    operation = remint(S.ACTIVATED)
    first = opened(live_server, log_in, operation)
    second = first.context.new_page()
    second.goto(live_server.url + there(operation))
    for page in (first, second):
        page.click(f"#b-back-{operation.pk}")
        page.check("#id_confirm")
    first.click("dialog .danger")
    expect(first.locator("dialog[open]")).to_have_count(0)
    second.click("dialog .danger")
    expect(second.locator("dialog [role=alert]").first).to_contain_text("Nothing was changed.")
    second.close()
    assert done == [1]
    assert Operation.objects.get().state == S.ROLLING_BACK


def test_a_disabled_roll_back_button_shows_its_reason(live_server, log_in):
    operation = remint(S.ACTIVATED)
    server = Device.objects.get(name="zen-ps-oslo")
    ServerCertificate.objects.filter(device=server).update(not_after=factories.now())
    page = opened(live_server, log_in, operation)
    page.focus(f"#b-back-{operation.pk}")
    said = "The previous certificate has expired on these servers: zen-ps-oslo."
    expect(page.locator(f"#why-back-{operation.pk}")).to_have_text(said)


def test_everything_is_there_without_javascript(live_server, log_in, browser: Browser, monkeypatch):
    from wire.envelope import Envelope

    monkeypatch.setattr(
        "certificates.progress.report.sign_report", lambda _: Envelope("t", "e30=", "c2lnbmVk")
    )
    operation = remint(S.BLOCKED)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(log_in(factories.admin()).context.cookies())
    page = context.new_page()
    page.goto(f"{live_server.url}{there(operation)}?state=at-risk&sort=-device&per_page=5")
    expect(page.locator("#devices-pane tbody tr").first).to_contain_text("zen-ps")
    with page.expect_download() as given:
        page.click("text='Download as JSON'")
    assert json.loads(given.value.path().read_text())["payload_type"] == "t"
    page.click("text='Change Activation Time'")
    page.fill("#id_activates_at", "2027-06-01T10:00")
    page.click("text='OK'")
    expect(page).to_have_url(live_server.url + there(operation))
    assert Operation.objects.get().activates_at.isoformat().startswith("2027-06-01")
    context.close()
