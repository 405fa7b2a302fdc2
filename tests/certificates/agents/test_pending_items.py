"""Pending items that are added while a device refreshes."""

from __future__ import annotations

from typing import Any

import pytest

from certificates.agents import pending_items
from devices.models import Device
from tests.support import factories
from tests.support.zone import Host, TestZone


@pytest.fixture
def host(zone: TestZone) -> Host:
    """A managed device with the flag that it has pending items."""
    host = zone.join("pc-01")
    Device.objects.filter(pk=host.id).update(has_pending_work=True)
    return host


def has_flag(host: Host) -> bool:
    return Device.objects.get(pk=host.id).has_pending_work


def ignore(zone: TestZone, device: Device) -> None:
    factories.assignment(factories.update(zone.device(zone.first)), device, "ignored")


def offer_upgrade(_zone: TestZone, device: Device) -> None:
    factories.agent_upgrade(device)


def count_looks(monkeypatch: pytest.MonkeyPatch, after_first: Any) -> list[Device]:
    """Call a function after the first look. Return the list of the looks."""
    looks: list[Device] = []
    collect = pending_items._collect

    def look(device: Device, report: Any) -> Any:
        found = collect(device, report)
        looks.append(device)
        if len(looks) == 1:
            after_first(device)
        return found

    monkeypatch.setattr(pending_items, "_collect", look)
    return looks


@pytest.mark.parametrize("add", [ignore, offer_upgrade])
def test_an_item_that_is_added_after_the_first_look_is_not_lost(zone, host, monkeypatch, add):
    looks = count_looks(monkeypatch, lambda device: add(zone, device))
    host.refresh()
    assert len(looks) == 2
    assert has_flag(host)


def test_without_an_item_there_is_one_look_and_the_flag_is_cleared(host, monkeypatch):
    looks = count_looks(monkeypatch, lambda _device: None)
    host.refresh()
    assert len(looks) == 1
    assert not has_flag(host)
