"""Lists and pages of objects follow what others do, and keep what a user does in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from audit.models import Entry
from certificates.models import AgentUpgrade, Operation
from certificates.operations.states import OperationState
from console.models import Preferences
from devices.models import Device
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import UpdateState
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

S = OperationState
OPERATIONS = "/configuration/certificates/operations/"
ROOTS = "/configuration/certificates/trust/"


def record() -> None:
    """Add an audit entry, as each change outside of tests does."""
    Entry.objects.record("test", "test:1")


def open_page(live_server: Any, log_in: Any, path: str) -> Page:
    page: Page = log_in(factories.admin())
    page.goto(live_server.url + path)
    return page


def test_the_list_of_operations_follows_and_moves_no_row(live_server: Any, log_in: Any) -> None:
    operation = scenes.remint()
    page = open_page(live_server, log_in, OPERATIONS)
    rows = page.locator("#operations-table tbody tr")
    expect(rows).to_contain_text(str(S.REPLICATING.label))
    page.get_by_label(f"Select {operation.name}").check()
    Operation.objects.update(state=S.COMPLETED, ended_at=factories.now())
    expect(rows).to_contain_text(str(S.COMPLETED.label))
    assert operation.authority is not None
    factories.operation(operation.authority, name="Started by others")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(operation.name)
    expect(rows.nth(1)).to_contain_text("Started by others")
    expect(page.locator("#operations-count")).to_have_text("2")
    expect(page.get_by_label(f"Select {operation.name}")).to_be_checked()
    check(page)


def test_baseline_is_unlocked_when_the_update_has_completed(live_server: Any, log_in: Any) -> None:
    operation = scenes.remint(S.ASSIGNED)
    path = f"/system-updates/{operation.update_id}/details/"
    page = open_page(live_server, log_in, path)
    expect(page.locator("#b-baseline")).to_have_attribute("aria-disabled", "true")
    page.locator("#b-baseline").focus()
    SystemUpdate.objects.update(state=UpdateState.COMPLETED)
    Operation.objects.update(state=S.COMPLETED, ended_at=factories.now())
    expect(page.locator("#b-baseline")).not_to_have_attribute("aria-disabled", "true")
    expect(page.locator("#b-baseline")).to_be_focused()
    expect(page.locator("#lead")).to_contain_text(str(S.COMPLETED.label))
    # Another administrator has set the baseline.
    SystemUpdate.objects.update(state=UpdateState.BASELINED)
    record()
    expect(page.locator("#b-baseline")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#b-delete")).not_to_have_attribute("aria-disabled", "true")


def fail_update() -> None:
    """Let a system update fail on a device."""
    made = factories.update(Device.objects.get(name="zen-ps-01"), name="Later")
    factories.assignment(made, Device.objects.get(name="pc-001"), "failed")


CHANGES: dict[str, tuple[str, Callable[[], Any], str]] = {
    "/system-updates/": (
        "#updates-table",
        lambda: Assignment.objects.update(state="activated"),
        "27 of 27",
    ),
    "/devices/": (
        "#devices-table",
        lambda: Device.objects.filter(name="pc-001").update(version="9.8.7"),
        "9.8.7",
    ),
    "/devices/{device}/": (
        "#device-live",
        lambda: Device.objects.filter(name="pc-001").update(version="9.8.7"),
        "9.8.7",
    ),
    ROOTS: (
        "#straggler-pane",
        lambda: Device.objects.filter(name="pc-001").update(root_sha256="ab" * 32),
        "pc-001",
    ),
    "/health-checks/": ("#checks-pane", fail_update, "for example Later on pc-001"),
    "/devices/agents/": (
        "#upgrades-table",
        lambda: AgentUpgrade.objects.update(state="paused"),
        "Paused",
    ),
    "/devices/agents/{upgrade}/": (
        "#upgrade-pane",
        lambda: AgentUpgrade.objects.update(state="paused"),
        "Paused",
    ),
}


def prepare() -> dict[str, Any]:
    """Create a zone with an update and an upgrade of agents, and return the keys in paths."""
    operation = scenes.rest_with_update()
    upgrade = factories.agent_upgrade(Device.objects.get(name="pc-001"))
    return {
        "device": Device.objects.get(name="pc-001").pk,
        "upgrade": upgrade.pk,
        "update": operation.update_id,
    }


@pytest.mark.parametrize("path", CHANGES)
def test_a_page_follows_what_others_do(live_server: Any, log_in: Any, path: str) -> None:
    selector, change, text = CHANGES[path]
    page = open_page(live_server, log_in, path.format(**prepare()))
    expect(page.locator(selector)).to_be_visible()
    expect(page.locator(selector)).not_to_contain_text(text)
    change()
    record()
    expect(page.locator(selector)).to_contain_text(text)


def test_nothing_is_loaded_while_nothing_is_recorded(live_server: Any, log_in: Any) -> None:
    values = prepare()
    page = log_in(factories.admin())
    page.clock.install()
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/running/" not in request.url:
            asked.append(request.url)

    for path in (*CHANGES, OPERATIONS, "/system-updates/{update}/details/"):
        page.goto(live_server.url + path.format(**values))
        page.on("request", note)
        for _ in range(2):
            with page.expect_response("**/running/**") as found:
                page.clock.run_for(5000)
            assert found.value.status == 204
        page.remove_listener("request", note)
        assert asked == [], path


@pytest.fixture
def devices(live_server: Any, log_in: Any) -> Page:
    """Return the Devices list of an administrator who has selected all columns, and a search."""
    scenes.rest()
    user = factories.admin()
    columns = ["address", "state", "contact", "root", "agent", "os", "registered"]
    Preferences.objects.create(user=user, columns={"devices": columns})
    page: Page = log_in(user)
    page.set_viewport_size({"width": 1000, "height": 500})
    page.goto(f"{live_server.url}/devices/?sort=agent")
    page.fill("#id_q", "pc-")
    expect(page.locator("#devices-table tbody tr")).to_have_count(12)
    return page


def upgrade(name: str) -> None:
    """Change the version of the agent of a device, by which the list is sorted."""
    Device.objects.filter(name=name).update(version="9.8.7")
    record()


def test_selection_filter_focus_order_and_scroll_positions_are_kept(devices: Page) -> None:
    table = devices.locator("#devices-table .scroll")
    names = devices.locator("#devices-table tbody th a")
    devices.get_by_label("Select pc-001").check()
    before = names.all_inner_texts()
    assert before[0] == "pc-000"
    devices.get_by_role("link", name="pc-002").focus()
    devices.evaluate("window.scrollTo(0, 300)")
    table.evaluate("one => { one.scrollLeft = 120; }")
    assert table.evaluate("one => one.scrollLeft") == 120, "the table is wider than its region"
    upgrade("pc-000")
    row = devices.locator("#devices-table tbody tr", has_text="pc-000")
    expect(row).to_contain_text("9.8.7")
    assert names.all_inner_texts() == before
    assert table.evaluate("one => one.scrollLeft") == 120
    assert devices.evaluate("window.scrollY") == 300
    expect(devices.get_by_role("link", name="pc-002")).to_be_focused()
    expect(devices.get_by_label("Select pc-001")).to_be_checked()
    expect(devices.locator("[data-selected]")).to_have_text("1 selected")
    expect(devices.locator("#id_q")).to_have_value("pc-")


def test_an_open_menu_stays_open_and_the_table_follows_when_it_is_closed(devices: Page) -> None:
    row = devices.locator("#devices-table tbody tr", has_text="pc-000")
    devices.locator("#b-columns-devices").click()
    system = devices.locator("#columns-devices input[value=os]")
    system.uncheck()
    # This is called after the listener of the page has decided.
    devices.evaluate(
        "document.addEventListener('htmx:beforeSwap', () => { document.body.dataset.decided = 1; })"
    )
    upgrade("pc-000")
    expect(devices.locator("body[data-decided]")).to_be_visible()
    expect(system).to_be_visible()
    expect(system).not_to_be_checked()
    expect(row).not_to_contain_text("9.8.7")
    devices.keyboard.press("Escape")
    expect(row).to_contain_text("9.8.7")
