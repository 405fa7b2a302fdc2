"""Agent Upgrades as an administrator uses it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from certificates.models import AgentUpgrade
from devices.models import Device
from systemupdates.content import store
from systemupdates.downloads import agent, publication
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories
from wire.messages import FEATURE_AGENT_UPGRADE, FEATURE_DEB, FEATURE_RPM

PAGE = "/devices/agents/"


@pytest.fixture
def fleet(live_server: Any, settings: Any, tmp_path: Any) -> list[Device]:
    """Return devices with older agents in a zone whose server offers its agent."""
    scenes.rest()
    settings.SERVER_HOME = tmp_path
    data = agent.build_agent()
    file = store.store_file(agent.NAME, data)
    publication.get_folder().mkdir()
    for name, text in (
        ("", data),
        (publication.CHECKSUM, f"{file.sha256}  {agent.NAME}\n".encode()),
        (publication.SIGNATURE, b"c2lnbmF0dXJl\n"),
    ):
        (publication.get_folder() / f"{agent.NAME}{name}").write_bytes(text)
    factories.device("deb-1", version="0.9.0", features=[FEATURE_DEB])
    factories.device("rpm-1", version="0.9.0", features=[FEATURE_RPM])
    factories.device("old-1", version="0.9.0")
    return [
        factories.device(f"old-pc-{n}", version="0.9.0", features=[FEATURE_AGENT_UPGRADE])
        for n in range(4)
    ]


def test_an_upgrade_is_started_in_the_dialog_and_its_page_follows(
    live_server: Any, log_in: Any, fleet: list[Device]
) -> None:
    page = log_in(factories.admin())
    page.goto(live_server.url + PAGE)
    check(page)
    page.click("#b-upgrade")
    expect(page.locator("dialog[open]")).to_contain_text("4 agents can be upgraded")
    check(page)
    page.fill("#id_pilot", "101")
    page.click("dialog button:text('Upgrade')")
    expect(page.locator("dialog[open]")).to_contain_text("Enter at most 100 percent.")
    check(page)
    page.fill("#id_pilot", "25")
    page.click("dialog button:text('Upgrade')")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#messages")).to_have_text("The upgrade of the agents has been scheduled.")
    expect(page.locator("#b-upgrade")).to_have_count(0)
    page.click("#upgrades-pane tbody th a")
    expect(page.locator("#targets-pane tbody tr")).to_have_count(4)
    check(page)
    AgentUpgrade.objects.update(state="running")
    page.reload()
    page.click("#b-pause")
    expect(page.locator("#upgrade-pane header")).to_contain_text("Paused")
    page.click("#b-resume")
    expect(page.locator("#upgrade-pane header")).to_contain_text("In Progress")
    page.click("#b-cancel")
    expect(page.locator("dialog >> text='Cancel'").first).to_be_focused()
    check(page)
    page.click("dialog button:text('Cancel Upgrade')")
    expect(page.locator("#upgrade-pane header")).to_contain_text("Canceled")
    expect(page.locator("#targets-pane")).to_contain_text("Skipped")


@pytest.mark.parametrize("state", ["proposed", "paused", "completed"])
def test_the_page_of_an_upgrade_is_accessible_in_each_state(
    live_server: Any, log_in: Any, fleet: list[Device], state: str
) -> None:
    upgrade = factories.agent_upgrade(*fleet, state=state, requested_by=factories.user("first"))
    upgrade.targets.filter(device=fleet[0]).update(state="upgraded", is_pilot=True)
    reason = "Version 1.0.0 was not installed: it did not contact a server within 300 seconds."
    upgrade.targets.filter(device=fleet[1]).update(state="failed", reason=reason)
    if state == "paused":
        AgentUpgrade.objects.update(reason="The upgrade failed on devices of the pilot.")
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}{PAGE}{upgrade.pk}/")
    expect(page.locator("#targets-pane")).to_contain_text("did not contact a server")
    check(page)
    if state == "proposed":
        page.click("#b-approve")
        expect(page.locator("dialog[open]")).to_contain_text("first requests the upgrade")
        check(page)
