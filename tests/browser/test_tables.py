"""The table component: what the menu Columns says, and the selection of rows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from certificates.models import Operation
from certificates.operations.states import OperationState
from devices.models import Device, RegistrationKey
from systemupdates.models import Assignment, SystemUpdate
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories


@pytest.fixture
def devices(live_server, log_in) -> Page:
    """Return the Devices list of an administrator."""
    scenes.rest()
    page: Page = log_in(factories.admin())
    page.goto(f"{live_server.url}/devices/")
    return page


def test_the_menu_shows_which_columns_the_width_hides(devices):
    devices.set_viewport_size({"width": 1280, "height": 900})
    button, system = (
        devices.locator("#b-columns-devices"),
        devices.locator("#columns-devices >> text=Operating system"),
    )
    expect(button).to_contain_text("(2 hidden)")
    button.click()
    expect(system.locator("input")).not_to_be_checked()
    devices.keyboard.press("Escape")
    devices.set_viewport_size({"width": 1900, "height": 900})
    expect(button).not_to_contain_text("hidden")
    button.click()
    expect(system.locator("input")).to_be_checked()
    devices.keyboard.press("Escape")
    devices.set_viewport_size({"width": 1280, "height": 900})
    expect(button).to_contain_text("(2 hidden)")
    button.click()
    system.click()
    devices.locator("#columns-devices").get_by_role("button", name="Apply").click()
    expect(devices.locator("thead .c-os")).to_be_visible()
    expect(devices.locator("#b-columns-devices")).not_to_contain_text("hidden")


def test_the_fingerprint_that_proves_something_is_hidden_last(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    for width, shown in ((1366, []), (1920, ["sha256"]), (2200, ["sha256", "sha1", "md5"])):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{live_server.url}/configuration/certificates/")
        for name in ("sha256", "sha1", "md5"):
            cell = page.locator(f"#servers-pane tbody .c-{name}").first
            expect(cell).to_be_visible(visible=name in shown)


PAGES = {
    "/system-updates/": "progress",
    "/system-updates/{update}/devices/": "contact",
    "/configuration/certificates/operations/": "by",
    "/configuration/certificates/trust/": "cross",
    "/configuration/registration-keys/": "role",
    "/audit/": "note",
    "/configuration/administrators/": "login_method",
    "/configuration/notifications/": "attempts",
    "/configuration/certificates/operations/{operation}/": "remedy",
}


@pytest.mark.parametrize("path", PAGES)
def test_columns_are_selected_on_every_table(live_server, log_in, path):
    scenes.remint(OperationState.ASSIGNED)
    RegistrationKey.objects.create(label="branch", digest="x", uses=5, uses_left=3)
    page = log_in(factories.admin())
    keys = {"update": SystemUpdate.objects.get().pk, "operation": Operation.objects.get().pk}
    page.goto(live_server.url + path.format(**keys))
    opener = page.locator("[data-columns-of]").first
    opener.click()
    menu = page.locator("[popover]:popover-open")
    check(page)
    menu.locator(f"input[value={PAGES[path]}]").uncheck()
    menu.get_by_role("button", name="Apply").click()
    expect(page.locator(f"thead .c-{PAGES[path]}")).to_have_count(0)


def test_links_of_a_table_open_in_a_new_tab(live_server, devices):
    devices.goto(f"{live_server.url}/devices/?per_page=5")
    with devices.context.expect_page() as opened:
        devices.locator("#sort-name").click(modifiers=["Control"])
    expect(opened.value.locator("th[aria-sort]")).to_contain_text("Device")
    expect(devices.locator("th[aria-sort]")).to_have_count(0)
    opened.value.close()


def test_the_selection_is_kept_over_pages_and_named_in_the_dialog(live_server, devices):
    devices.goto(f"{live_server.url}/devices/?q=pc-&per_page=5")
    retire = devices.get_by_role("button", name="Retire")
    expect(retire).to_be_disabled()
    devices.get_by_label("Select pc-001").check()
    devices.get_by_label("Select pc-002").check()
    devices.click("#next")
    devices.get_by_label("Select pc-007").check()
    expect(devices.locator("[data-selected]")).to_have_text("3 selected")
    retire.click()
    dialog = devices.locator("dialog[open]")
    expect(dialog).to_contain_text("3 rows selected: pc-001, pc-002, pc-007")
    check(devices)
    dialog.get_by_role("button", name="Retire").click()
    expect(devices.locator("[data-selected]")).to_have_text("No rows selected")
    expect(devices.get_by_label("Select pc-007")).to_have_count(0)
    retired = Device.objects.filter(state="retired").order_by("name")
    assert list(retired.values_list("name", flat=True)) == ["pc-001", "pc-002", "pc-007"]


def test_the_selection_is_exported(live_server, devices):
    devices.goto(f"{live_server.url}/devices/?q=pc-&per_page=5")
    export = devices.get_by_role("button", name="Export Selected")
    expect(export).to_be_disabled()
    devices.get_by_label("Select pc-002").check()
    devices.click("#next")
    devices.get_by_label("Select pc-007").check()
    with devices.expect_download() as download:
        export.click()
    rows = download.value.path().read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == ["pc-002", "pc-007"]
    expect(devices.locator("[data-selected]")).to_have_text("2 selected")
    expect(devices.locator("dialog[open]")).to_have_count(0)


def test_an_export_that_fails_is_answered_and_keeps_the_selection(live_server, devices):
    devices.goto(f"{live_server.url}/devices/?q=pc-&per_page=5")
    export = devices.get_by_role("button", name="Export Selected")
    devices.get_by_label("Select pc-002").check()
    devices.route("**/devices/?*export=*", lambda route: route.abort())
    export.click()
    expect(devices.locator("#main > .outage")).to_contain_text("The server is not responding.")
    expect(devices.locator("[data-selected]")).to_have_text("1 selected")
    devices.unroute("**/devices/?*export=*")
    with devices.expect_download() as download:
        devices.locator(".outage button").click()
    assert len(download.value.path().read_text().splitlines()) == 2
    expect(devices.locator(".outage")).to_have_count(0)
    devices.locator("[name=csrfmiddlewaretoken]").evaluate_all(
        "all => all.map(one => one.remove())"
    )
    export.click()
    expect(devices.get_by_role("alert")).to_contain_text("This form has expired")


def test_rows_that_were_not_changed_are_named(live_server, log_in):
    scenes.remint(OperationState.ASSIGNED)
    update = SystemUpdate.objects.get()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/system-updates/{update.pk}/devices/")
    row = Assignment.objects.filter(update=update, state="activated").first()
    assert row is not None
    page.locator(f"#ids-{row.pk}").check()
    page.locator("#bulk-form").get_by_role("button", name="Ignore Devices").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_role("button", name="Ignore Devices").click()
    expect(dialog).to_contain_text("These rows were not changed:")
    expect(dialog).to_contain_text(row.device.name)
    check(page)


def test_the_actions_are_hidden_while_no_row_can_be_selected(live_server, log_in):
    factories.zone()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/configuration/registration-keys/")
    expect(page.locator("#keys-pane tbody tr")).to_contain_text("No registration keys")
    expect(page.locator("#bulk-form")).to_be_hidden()
    expect(page.locator("[data-check-all]")).to_be_disabled()
    RegistrationKey.objects.create(label="branch", digest="x", uses=5, uses_left=3)
    page.reload()
    expect(page.locator("#bulk-form")).to_be_visible()
    expect(page.locator("[data-check-all]")).to_be_enabled()


def test_selected_operations_are_canceled_and_the_page_says_so(live_server, log_in):
    operation = scenes.remint()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/configuration/certificates/operations/")
    page.get_by_label(f"Select {operation.name}").check()
    page.get_by_role("button", name="Cancel Operations").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_role("button", name="Keep Operations")).to_be_focused()
    check(page)
    dialog.get_by_role("button", name="Cancel Operations").click()
    expect(page.locator("#messages .success")).to_have_text("1 row has been changed.")
    expect(page.locator("#operations-table tbody")).to_contain_text("Canceling")
    check(page)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#messages .success")).to_have_count(0)
