"""Pages that live: news arrive, focus and typed text stay, polling ends, sessions end politely."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from certificates.models import Operation
from certificates.operations.states import OperationState
from systemupdates.models import Replica
from systemupdates.updates.states import ReplicaState
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

CERTIFICATES = "/configuration/certificates/"


def opened(live_server, log_in, query=""):
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES + query)
    return page


def test_counts_move_while_the_focus_stays_on_cancel(live_server, log_in):
    operation = scenes.remint()
    page = opened(live_server, log_in)
    expect(page.locator("#zone-ca")).to_contain_text("4 of 7 servers")
    page.focus(f"#b-cancel-{operation.pk}")
    Replica.objects.filter(state=ReplicaState.PENDING).first().delete()
    expect(page.locator("#zone-ca")).to_contain_text("4 of 6 servers")
    expect(page.locator(f"#b-cancel-{operation.pk}")).to_be_focused()


def load_changed_pane(page):
    """Change what the pane of the CA shows, and wait until the page has received it."""
    Operation.objects.update(reason="Another reason.")
    Replica.objects.filter(state=ReplicaState.PENDING).delete()
    with page.expect_response(lambda found: "zone-ca" in found.url and found.status == 200):
        page.evaluate("document.body.dispatchEvent(new Event('zcc:tick'))")


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_a_button_that_is_pressed_while_its_pane_changes_is_not_lost(live_server, log_in, way):
    operation = scenes.remint(OperationState.FAILED, reason="The disk is full.")
    page = opened(live_server, log_in)
    page.route("**/try-again/", lambda route: route.fulfill(status=204))
    button = page.locator(f"#b-again-{operation.pk}")
    button.focus()
    with page.expect_request("**/try-again/"):
        if way == "mouse":
            button.hover()
            page.mouse.down()
            load_changed_pane(page)
            page.mouse.up()
        else:
            page.keyboard.down("Space")
            load_changed_pane(page)
            page.keyboard.up("Space")
    expect(page.locator("#zone-ca")).to_contain_text("Another reason.")


def test_the_response_to_a_button_is_shown_although_its_pane_changes(live_server, log_in):
    operation = scenes.remint(OperationState.FAILED, reason="The disk is full.")
    page = opened(live_server, log_in)
    waiting = []

    def hold(route):
        waiting.append(route)

    page.route("**/try-again/", hold)
    with page.expect_request("**/try-again/"):
        page.click(f"#b-again-{operation.pk}")
    load_changed_pane(page)
    headers = {"HX-Trigger": '{"zcc:announce": {"text": "The step is being retried."}}'}
    waiting[0].fulfill(status=204, headers=headers)
    expect(page.locator("#live")).to_have_text("The step is being retried.")
    expect(page.locator("#zone-ca")).to_contain_text("Another reason.")


def test_the_focus_returns_to_a_button_whose_pane_changed_behind_the_dialog(live_server, log_in):
    operation = scenes.remint()
    page = opened(live_server, log_in)
    button = page.locator(f"#b-cancel-{operation.pk}")
    button.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    load_changed_pane(page)
    expect(page.locator("#zone-ca")).to_contain_text("4 of 4 servers")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def test_the_focus_stays_in_a_pane_whose_focused_button_is_gone(live_server, log_in):
    operation = scenes.remint()
    page = opened(live_server, log_in)
    page.focus(f"#b-cancel-{operation.pk}")
    Operation.objects.update(state=OperationState.CANCELED, ended_at=factories.now())
    expect(page.locator("#zone-ca .op")).to_have_count(0)
    expect(page.locator("#zone-ca")).to_be_focused()


def test_a_new_stage_is_announced_and_the_table_follows(live_server, log_in):
    operation = scenes.remint()
    page = opened(live_server, log_in)
    page.fill("#id_q", "zen-ps")
    expect(page.locator("tbody tr")).to_have_count(6)
    page.focus("#id_q")
    operation.futures.update(state="created")
    Operation.objects.update(state=OperationState.CANCELING)
    expect(page.locator("#live")).to_have_text("The Remint CA operation is being canceled.")
    expect(page.locator("tbody .badge.ok")).to_have_count(6)
    expect(page.locator("#id_q")).to_be_focused()
    expect(page.locator("#id_q")).to_have_value("zen-ps")


def test_an_ended_operation_is_not_asked_about_any_more(live_server, log_in):
    scenes.remint()
    page = log_in(factories.admin())
    # The request of each page would load the pane, too.
    page.route("**/running/**", lambda route: route.fulfill(status=204))
    page.goto(live_server.url + CERTIFICATES)
    Operation.objects.update(state=OperationState.CANCELED, ended_at=factories.now())
    expect(page.locator("#zone-ca .op")).to_have_count(0)
    expect(page.locator("#zone-ca")).to_contain_text("Last operation")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # The last answer has the table asked for once; at a beat nothing is.
    with page.expect_response("**/zone-ca/**"):
        page.evaluate("document.body.dispatchEvent(new Event('zcc:tick'))")
        page.evaluate("document.body.dispatchEvent(new Event('zcc:slow'))")
    assert sum("zone-ca" in url for url in asked) == 1, "the slow beat alone"


def test_the_heading_of_an_update_follows_its_operation(live_server, log_in):
    operation = scenes.remint()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/system-updates/{operation.update_id}/devices/")
    expect(page.locator("#lead")).to_contain_text("Replicating")
    Operation.objects.update(state=OperationState.CANCELING)
    expect(page.locator("#lead")).to_contain_text("Canceling")


def test_the_heading_of_an_operation_follows_it(live_server, log_in):
    operation = scenes.remint()
    new = factories.authority(operation.authority.certificate_server, name="NEXT", state="future")
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}{CERTIFICATES}operations/{operation.pk}/")
    expect(page.locator("#lead")).to_contain_text("→ …")
    Operation.objects.update(future_authority=new, reason="It goes on.")
    expect(page.locator("#lead")).to_contain_text(f"→ {new.subject}")


def test_an_idle_tab_unlocks_and_reports_the_end_within_one_poll(live_server, log_in):
    """The tab was opened before the operation, so it shows and polls nothing of it."""
    ca = scenes.rest()
    page = opened(live_server, log_in)
    factories.operation(ca)
    expect(page.locator("#b-remint-ca")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#zone-ca .op")).to_be_visible()
    Operation.objects.update(state=OperationState.CANCELED, ended_at=factories.now())
    expect(page.locator("#b-remint-ca")).not_to_have_attribute("aria-disabled", "true")
    expect(page.locator("#messages")).to_contain_text("operation is canceled successfully")


def test_a_running_operation_is_shown_on_every_page_and_its_end_is_reported(live_server, log_in):
    ca = scenes.rest()
    page = log_in(factories.admin())
    page.goto(live_server.url + "/devices/")
    expect(page.locator("#banner")).to_be_hidden()
    operation = factories.operation(ca)
    expect(page.locator("#banner")).to_contain_text("Replicating content · Activation in 6 day")
    check(page)
    page.focus(f"#banner-{operation.pk}")
    Operation.objects.update(state=OperationState.BLOCKED)
    expect(page.locator("#banner.bad")).to_contain_text("Blocked")
    expect(page.locator(f"#banner-{operation.pk}")).to_be_focused()
    check(page)
    Operation.objects.update(state=OperationState.COMPLETED, ended_at=factories.now())
    expect(page.locator("#messages")).to_contain_text("The Remint CA operation is complete.")
    expect(page.locator("#banner")).to_be_hidden()


def test_every_page_asks_at_least_every_five_seconds(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    page.clock.install()
    page.goto(live_server.url + "/preferences/")
    for _ in range(3):
        with page.expect_request("**/running/**"):
            page.clock.run_for(5000)


def test_relative_times_run(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    page.clock.install()
    page.goto(live_server.url + "/devices/")
    contact = page.locator("tbody time[data-moment]").first
    shown = contact.inner_text()
    expect(contact).not_to_have_text(shown)
    page.clock.fast_forward("03:00")
    expect(contact).to_contain_text("minutes ago")
    page.clock.fast_forward("02:00:00")
    expect(contact).to_have_text("2 hours ago")


def test_the_time_until_the_activation_runs_and_is_announced(live_server, log_in):
    operation = factories.operation(scenes.rest(), activates_in=timedelta(minutes=11, seconds=50))
    page = log_in(factories.admin())
    page.clock.install()
    # The pane is not loaded again with the time of the server, which does not go forward.
    page.route("**/live/**", lambda route: route.fulfill(status=204))
    page.goto(f"{live_server.url}/configuration/certificates/operations/{operation.pk}/")
    left = page.locator("#operation-pane [data-until]").first
    shown = left.inner_text()
    expect(left).not_to_have_text(shown)
    expect(page.locator("#live")).not_to_contain_text("min")
    page.clock.fast_forward("03:00")
    # A busy machine needs some seconds for the page.
    expect(left).to_contain_text(re.compile("[78] min"))
    # Both times are announced, although they are due in the same second.
    expect(page.locator("#live")).to_contain_text(re.compile("Activation in [78] min"))
    expect(page.locator("#live")).to_contain_text("Cancel is possible until now")


def test_an_open_home_page_shows_what_others_start_and_how_it_ends(live_server, log_in):
    ca = scenes.rest()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/")
    card, items = page.locator("#home-operations"), page.locator("#home-attention")
    expect(card).to_contain_text("No operation is in progress.")
    link = page.get_by_role("link", name="Show all health checks")
    link.focus()
    operation = factories.operation(ca)
    expect(card).to_contain_text("The Remint CA operation has been initiated.")
    expect(card).to_contain_text(operation.name)
    Operation.objects.update(state=OperationState.BLOCKED)
    blocked = "Blocked: the Remint CA operation cannot be activated."
    expect(card).to_contain_text(blocked)
    expect(items).to_contain_text(blocked)
    expect(link).to_be_focused()
    Operation.objects.update(state=OperationState.COMPLETED, ended_at=factories.now())
    expect(card).to_contain_text("No operation is in progress.")
    expect(items).not_to_contain_text("Blocked")
    expect(link).to_be_focused()


def test_another_administrator_sees_the_operation(live_server, log_in):
    ca = scenes.rest()
    page = opened(live_server, log_in)
    factories.operation(ca)
    page.evaluate("document.body.dispatchEvent(new Event('zcc:slow'))")
    expect(page.locator("#zone-ca .op")).to_be_visible()


def test_a_session_that_ended_leads_to_the_login_and_back(live_server, log_in, context):
    scenes.remint()
    page = opened(live_server, log_in, "?q=zen")
    context.clear_cookies()
    page.wait_for_url("**/login/**")
    page.fill("#id_username", "admin")
    page.fill("#id_password", factories.PASSWORD)
    page.click("button:text('Log in')")
    expect(page).to_have_url(f"{live_server.url}{CERTIFICATES}?q=zen")


def test_a_server_that_does_not_respond_is_shown_until_it_responds(
    live_server, log_in, expected_errors
):
    expected_errors.append("htmx:sendError,")
    scenes.rest()
    page = opened(live_server, log_in)
    notes = page.locator("main > .outage")
    page.route("**/*", lambda route: route.abort())
    page.evaluate("document.body.dispatchEvent(new Event('zcc:slow'))")
    expect(notes).to_contain_text("The server is not responding. This page shows the state of ")
    page.click("#b-view-certificate")
    expect(notes).to_have_count(1)
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.unroute("**/*")
    notes.locator("text='Try Again'").click()
    expect(page.locator("dialog[open]")).to_be_visible()
    expect(notes).to_have_count(0)


def test_a_lost_submission_keeps_the_entries_and_can_be_sent_again(
    live_server, log_in, expected_errors
):
    expected_errors.append("Response Status Error Code 502")
    scenes.rest()
    page = opened(live_server, log_in)
    page.click("#b-remint-ca")
    page.check("#id_confirm")
    page.fill("#id_common_name", "Kept")
    page.click("text='in 1 week'")
    page.route("**/*", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.click("dialog >> text='OK'")
    note = page.locator("dialog .outage")
    expect(note).to_contain_text("It is not known whether it received your request.")
    expect(note).to_be_focused()
    expect(page.locator("#id_common_name")).to_have_value("Kept")
    note.locator("text='Try Again'").click()
    expect(note).to_be_focused()
    assert not Operation.objects.exists()
    page.unroute("**/*")
    expect(page.locator(".outage")).to_have_count(0)
    page.click("dialog >> text='OK'")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Operation.objects.count() == 1


def test_search_sort_chips_and_back_keep_the_address(live_server, log_in):
    scenes.rest()
    page = opened(live_server, log_in)
    page.fill("#id_q", "sat-auth")
    expect(page.locator("tbody tr")).to_have_count(8)
    expect(page).to_have_url(f"{live_server.url}{CERTIFICATES}?q=sat-auth")
    page.click("#sort-issued_to")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Issued To")
    page.click("#chip-expiring")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(8)
    expect(page.locator("#id_q")).to_have_value("sat-auth")


def test_the_theme_and_the_time_zone_are_remembered(live_server, log_in):
    scenes.rest()
    page = opened(live_server, log_in)
    page.emulate_media(color_scheme="light")
    page.get_by_label("Switch between light and dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".tz")).to_contain_text("Europe/Berlin")


def test_the_page_is_small_and_sends_few_requests(live_server, log_in):
    scenes.remint()
    page = log_in(factories.admin())
    sizes: list[int] = []
    # The request of each page every few seconds is not part of loading it.
    page.on(
        "response",
        lambda answer: None if "/running/" in answer.url else sizes.append(len(answer.body())),
    )
    page.goto(live_server.url + CERTIFICATES)
    expect(page.locator("#zone-ca")).to_be_visible()
    assert len(sizes) <= 9
