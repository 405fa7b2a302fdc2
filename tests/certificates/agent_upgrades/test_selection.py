"""Which devices an upgrade of agents contains."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from certificates.agent_upgrades import selection
from certificates.agent_upgrades.selection import Choice
from devices.models import Device
from devices.registration import registration
from faults import Invalid
from tests.certificates.agent_upgrades.conftest import Agent
from tests.support import factories
from wire.messages import (
    CONTENT_SATELLITE,
    FEATURE_AGENT_UPGRADE,
    FEATURE_DEB,
    FEATURE_RPM,
    MANAGED,
    PRIMARY,
)
from zac import RELEASE


def names(devices: list[Device]) -> list[str]:
    return [device.name for device in devices]


def test_packages_and_agents_without_support_are_not_upgraded(
    pcs: list[Agent], join: Callable[..., Agent]
) -> None:
    join("deb-1", features=(FEATURE_DEB,))
    join("rpm-1", features=(FEATURE_RPM,))
    join("old-1", features=())
    join("new-1", version=RELEASE)
    left = join("left-1")
    registration.unregister(left.row)
    found = selection.list_older_agents()
    assert names(found.upgradable) == ["pc-1", "pc-2", "pc-3", "pc-4"]
    assert names(found.deb) == ["deb-1"]
    assert names(found.rpm) == ["rpm-1"]
    assert names(found.others) == ["old-1"]
    assert found.total == 7


def test_a_primary_server_is_upgraded_with_its_console(db: None) -> None:
    factories.server("ps-01", PRIMARY, version="0.9.0", features=[FEATURE_AGENT_UPGRADE])
    found = selection.list_older_agents()
    assert (found.upgradable, names(found.others)) == ([], ["ps-01"])


def test_devices_are_chosen_by_name_and_role(pcs: list[Agent], join: Callable[..., Agent]) -> None:
    join("cs-1", CONTENT_SATELLITE)
    assert names(selection.choose(Choice())) == ["cs-1", "pc-1", "pc-2", "pc-3", "pc-4"]
    assert names(selection.choose(Choice(names=("pc-3", "pc-1", "pc-3")))) == ["pc-3", "pc-1"]
    assert names(selection.choose(Choice(roles=(CONTENT_SATELLITE,)))) == ["cs-1"]
    both = Choice(names=("cs-1", "pc-1"), roles=(MANAGED,))
    assert names(selection.choose(both)) == ["pc-1"]


@pytest.mark.parametrize("choice", [Choice(names=("pc-9",)), Choice(roles=(CONTENT_SATELLITE,))])
def test_devices_that_cannot_be_upgraded_are_rejected(pcs: list[Agent], choice: Choice) -> None:
    with pytest.raises(Invalid) as raised:
        selection.choose(choice)
    assert raised.value.field == "devices"


@pytest.mark.parametrize(
    ("count", "percent", "pilot"),
    [
        (0, 0, []),
        (1, 0, ["pc-4"]),
        (2, 100, ["pc-3", "pc-4"]),
        (0, 1, ["pc-4"]),
        (0, 26, ["pc-3", "pc-4"]),
        (9, 0, ["pc-1", "pc-2", "pc-3", "pc-4"]),
    ],
)
def test_the_pilot_are_the_devices_with_the_most_recent_contact(
    pcs: list[Agent], count: int, percent: int, pilot: list[str]
) -> None:
    Device.objects.filter(name="pc-1").update(last_contact=None)
    devices = selection.choose(Choice())
    assert (
        sorted(names(list(selection.choose_pilot(devices, count=count, percent=percent)))) == pilot
    )
