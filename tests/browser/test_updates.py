"""System Updates, keys and settings as an administrator uses them."""

from __future__ import annotations

from uuid import UUID

from playwright.sync_api import expect

from devices.models import Device, Zone
from systemupdates.downloads import agent_files, publication
from systemupdates.models import Assignment, Replica, Stage
from systemupdates.remint_tool import build
from systemupdates.updates.states import AssignmentState
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

A = AssignmentState


def opened(live_server, log_in, part="devices/"):
    operation = scenes.rollout()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/system-updates/{operation.update_id}/{part}")
    return page


def test_a_count_opens_the_devices_it_counts(live_server, log_in):
    page = opened(live_server, log_in)
    page.click("#c-failed")
    expect(page.locator("#status-table tbody tr")).to_have_count(5)
    expect(page.locator("#chip-failed")).to_have_attribute("aria-current", "true")


def test_ignore_device_asks_with_the_focus_on_keeping_it_and_the_row_follows(live_server, log_in):
    page = opened(live_server, log_in)
    page.click("#c-failed")
    page.get_by_role("button", name="Ignore device pc-002").click()
    expect(page.locator("dialog >> text='Cancel'")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Assignment.objects.get(device__name="pc-002").state == A.FAILED
    page.get_by_role("button", name="Ignore device pc-002").click()
    page.click("dialog button:text('Ignore Device')")
    expect(page.locator("#messages")).to_have_text("pc-002 is ignored for this update.")
    row = page.locator("#status-table tbody tr", has_text="pc-002")
    expect(row).to_contain_text("Ignored")
    expect(page.locator("#rollout #c-ignored")).to_contain_text("1")
    page.reload()
    expect(page.locator("#status-table tbody tr")).to_have_count(4)


def test_the_chart_and_the_counts_move_by_themselves_and_a_detail_stays_open(live_server, log_in):
    page = opened(live_server, log_in)
    expect(page.locator("#c-failed b")).to_have_text("5")
    page.fill("#id_q", "pc-0")
    expect(page.locator("#status-table tbody tr")).to_have_count(12)
    page.focus("#id_q")
    Assignment.objects.filter(device__name="pc-002").update(state=A.ACTIVATED)
    expect(page.locator("#c-failed b")).to_have_text("4")
    expect(page.locator("#id_q")).to_be_focused()
    row = page.locator("#status-table tbody tr", has_text="pc-002")
    expect(row).to_contain_text("Activated")


def test_redeploy_for_all_names_them_and_says_so(live_server, log_in):
    page = opened(live_server, log_in)
    page.click("#b-redeploy")
    expect(page.locator("dialog li")).to_have_count(5)
    page.click("dialog button:text('Redeploy')")
    expect(page.locator("#messages")).to_have_text("The update has been redeployed to 5 devices.")
    expect(page.locator("#c-failed")).to_have_count(0)


def test_a_disabled_baseline_button_shows_its_reason(live_server, log_in):
    page = opened(live_server, log_in)
    page.focus("#b-baseline")
    expect(page.locator("#why-baseline")).to_be_visible()
    page.keyboard.press("Enter")
    said = "You can baseline the update when every device is activated or ignored."
    expect(page.locator("#live")).to_have_text(said)


def test_a_server_is_excluded_and_included_on_the_content_page(live_server, log_in):
    page = opened(live_server, log_in, "content/")
    page.get_by_role("button", name="Exclude Server zen-ps-oslo").click()
    expect(page.locator("dialog[open]")).to_contain_text("Exclude zen-ps-oslo?")
    assert Replica.objects.get(server__name="zen-ps-oslo").state != "excluded"
    page.click("dialog >> button:text('Exclude Server')")
    expect(page.get_by_role("button", name="Include Server zen-ps-oslo")).to_be_visible()
    assert Replica.objects.get(server__name="zen-ps-oslo").state == "excluded"
    page.get_by_role("button", name="Include Server zen-ps-oslo").click()
    expect(page.get_by_role("button", name="Exclude Server zen-ps-oslo")).to_be_visible()


def test_a_registration_key_is_created_copied_and_not_shown_again(live_server, log_in, context):
    scenes.rest()
    Zone.objects.update(public_key="A" * 43 + "=")
    Device.objects.filter(name="zen-ps-01").update(port=8443)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/configuration/registration-keys/")
    page.fill("#id_label", "branch-lyon")
    page.click("text='Create Key'")
    page.get_by_label("Copy command").click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line.startswith("zac reg https://")
    assert " --key zcc1-" in line
    page.goto(f"{live_server.url}/configuration/registration-keys/")
    expect(page.locator("#created-key")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("branch-lyon")


def test_a_stage_is_added_in_a_dialog_whose_errors_stay_in_it(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/system-updates/stages/")
    page.click("#b-new-stage")
    page.fill("#id_name", "Pilot")
    page.fill("#id_members", "pc-001\nnobody")
    page.click("dialog >> text='OK'")
    expect(page.locator("dialog .error")).to_contain_text("nobody")
    expect(page.locator("#id_name")).to_have_value("Pilot")
    page.fill("#id_members", "pc-001")
    page.click("dialog >> text='OK'")
    expect(page.locator("#stages-pane tbody tr")).to_have_count(2)
    assert Stage.objects.get().devices.get().name == "pc-001"


def test_a_setting_out_of_range_is_refused_at_its_field(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/configuration/zone-settings/")
    page.fill("#id_refresh_seconds", "8 days")
    page.click("text='Save'")
    expect(page.locator("#id_refresh_seconds_error")).to_contain_text("to 7 days")
    page.fill("#id_refresh_seconds", "2 h")
    page.fill("#id_freeze_seconds", "30 seconds")
    page.click("text='Save'")
    expect(page.locator(".msg")).to_contain_text("saved")
    expect(page.locator("#id_refresh_seconds")).to_have_value("2 hours")
    assert Zone.objects.get().refresh_seconds == 7200


def test_the_page_of_the_downloads_shows_whole_digests_and_signatures(
    live_server, log_in, monkeypatch
):
    names = ["zac.pyz", build.NAME, f"{build.STEM}-{UUID(int=2**128 - 1)}.bin"]
    files = [
        publication.PublishedFile(name, sha256="f0" * 32, signature="Qa" * 44, size=120_000)
        for name in names
    ]
    tools = [build.Tool(file, None, file.name == build.NAME) for file in files[1:]]
    monkeypatch.setattr(build, "list_tools", lambda: tools)
    monkeypatch.setattr(agent_files, "list_agent_files", lambda: files[:1])
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/zenworks-setup/")
    expect(page.get_by_text("f0" * 32)).to_have_count(3)
    check(page)
