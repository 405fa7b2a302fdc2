"""The pages Agent Upgrades, and their dialogs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from administrators.models import Policies
from certificates.agent_upgrades.states import UpgradeState
from certificates.models import AgentUpgrade
from tests.certificates.agent_upgrades.conftest import Agent
from tests.support import factories
from tests.support.clients import log_in
from wire.messages import FEATURE_DEB, FEATURE_RPM

PAGE = "/devices/agents/"
FORM = {"devices": "", "pilot": "0", "unit": "devices", "starts_at": ""}


@pytest.fixture
def client(pcs: list[Agent]) -> Client:
    return log_in(factories.admin())


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_the_page_says_how_each_older_agent_is_upgraded(client: Client, pcs: list[Agent]) -> None:
    factories.device("deb-1", version="0.9.0", features=[FEATURE_DEB])
    factories.device("rpm-1", version="0.9.0", features=[FEATURE_RPM])
    factories.device("old-1", version="0.9.0")
    page = text(client.get(PAGE))
    assert "4 agents can be upgraded by the console." in page
    assert "upgrade it with apt" in page
    assert "sudo apt-get install ./zcc-agent*_all.deb" in page
    assert "upgrade it with dnf" in page
    assert "1 agent does not support or allow upgrades by the console." in page
    assert 'id="b-upgrade"' in page


def test_home_links_to_the_page(client: Client) -> None:
    home = text(client.get("/"))
    assert "The agents of 4 devices are older than the console." in home
    assert f'href="{PAGE}"' in home


def test_nothing_can_be_started_without_the_right(client: Client) -> None:
    viewer = log_in(factories.user("viewer"))
    assert 'id="b-upgrade"' not in text(viewer.get(PAGE))
    assert viewer.get(f"{PAGE}upgrade/").status_code == 403


def test_an_upgrade_is_started_paused_resumed_and_canceled(client: Client) -> None:
    dialog = text(client.get(f"{PAGE}upgrade/"))
    assert "4 agents can be upgraded" in dialog
    wanted = {**FORM, "devices": "pc-1\npc-2\n", "pilot": "50", "unit": "percent"}
    response = client.post(f"{PAGE}upgrade/", wanted)
    assert response.headers["Location"] == PAGE
    upgrade = AgentUpgrade.objects.get()
    assert sorted(row.device.name for row in upgrade.targets.all()) == ["pc-1", "pc-2"]
    assert upgrade.targets.filter(is_pilot=True).count() == 1
    assert 'id="b-upgrade"' not in text(client.get(PAGE)), "one at a time"
    AgentUpgrade.objects.update(state=UpgradeState.RUNNING)
    own = f"{PAGE}{upgrade.pk}/"
    for act, state in (("pause", "Paused"), ("resume", "In Progress"), ("cancel", "Canceled")):
        assert client.post(f"{own}{act}/").status_code == 302
        assert state in text(client.get(own))
    assert "Agents that have been upgraded keep" in text(client.get(f"{own}cancel/"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": "pc-9"}, "The console cannot upgrade the agent of pc-9."),
        ({"pilot": "101", "unit": "percent"}, "Enter at most 100 percent."),
        ({"pilot": "-1"}, "greater than or equal to 0"),
        ({"roles": "content-satellite"}, "No agent of the selected devices can be upgraded."),
        ({"roles": "primary"}, "Select a valid choice."),
    ],
)
def test_invalid_input_is_shown_at_its_field(
    client: Client, changes: dict[str, str], message: str
) -> None:
    response = client.post(f"{PAGE}upgrade/", {**FORM, **changes})
    assert response.status_code == 422
    assert message in text(response)
    assert not AgentUpgrade.objects.exists()


def test_the_password_is_required_after_five_minutes(pcs: list[Agent]) -> None:
    client = log_in(factories.admin(), reauthenticated=False)
    response = client.post(f"{PAGE}upgrade/", FORM)
    assert response.status_code == 422
    assert "Enter your password." in text(response)
    assert not AgentUpgrade.objects.exists()


def test_a_second_administrator_approves(client: Client) -> None:
    policies = Policies.objects.get_current()
    policies.two_administrators = True
    policies.save()
    client.post(f"{PAGE}upgrade/", FORM)
    upgrade = AgentUpgrade.objects.get()
    own = f"{PAGE}{upgrade.pk}/"
    response = client.post(f"{own}approve/")
    assert response.status_code == 422
    assert "You cannot approve your own request." in text(response)
    second = log_in(factories.admin("second"))
    waiting = f"The upgrade of agents to {upgrade.version} is waiting for approval"
    assert waiting in text(second.get("/"))
    assert "admin requests the upgrade of the agents of 4 devices" in text(
        second.get(f"{own}approve/")
    )
    second.post(f"{own}approve/")
    assert "approved by second" in text(second.get(PAGE))
    upgrade.refresh_from_db()
    assert upgrade.state == UpgradeState.SCHEDULED


def test_the_devices_are_filtered_sorted_and_exported(client: Client, pcs: list[Agent]) -> None:
    upgrade = factories.agent_upgrade(*(pc.row for pc in pcs))
    upgrade.targets.filter(device__name="pc-2").update(state="failed", reason="It ended.")
    own = f"{PAGE}{upgrade.pk}/"
    failed = text(client.get(f"{own}?state=failed"))
    assert "It ended." in failed
    assert ">pc-1<" not in failed
    found = text(client.get(f"{own}?q=pc-3"))
    assert ">pc-3<" in found
    assert ">pc-1<" not in found
    ordered = text(client.get(f"{own}?sort=-name"))
    assert ordered.index(">pc-4<") < ordered.index(">pc-1<")
    export: Any = client.get(f"{own}?export=agent-upgrade-devices&state=failed")
    rows = b"".join(export.streaming_content).decode().splitlines()
    assert len(rows) == 2
    assert "It ended." in rows[1]
    every: Any = client.get(f"{PAGE}?export=agent-upgrades")
    assert upgrade.version in b"".join(every.streaming_content).decode()
