"""Devices that trust a root the zone never issued."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from audit.models import Entry
from certificates.models import Authority
from certificates.monitoring import notifications
from certificates.monitoring.metrics import render_metrics
from notifications.delivery import events
from notifications.models import Delivery, Target
from notifications.targets import targets

EVIL = "e" * 64
OTHER = "d" * 64


def get_root() -> str:
    return Authority.objects.current().sha256


def list_entries() -> list[Entry]:
    return list(Entry.objects.filter(action="unknown-root").order_by("seq"))


def test_a_root_that_the_zone_never_issued_raises_an_alarm(zone: Any, admin_client: Any) -> None:
    targets.create_target(
        Target.Kind.MAIL, targets.TargetSettings("a", [events.UNKNOWN_ROOT], "a@b.example")
    )
    notifications.create_notifications(timezone.now())
    device, second = zone.join("pc-01"), zone.join("pc-02")
    for host in (device, second):
        host.refresh(root_sha256=EVIL, trusted_sha256=[EVIL, get_root()])
    assert [entry.detail for entry in list_entries()] == [{"roots": [EVIL]}] * 2
    notifications.create_notifications(timezone.now())
    sent = Delivery.objects.get(event=events.UNKNOWN_ROOT)
    assert EVIL in sent.text
    assert b"zcc_devices_with_unknown_root 2.0" in render_metrics(timezone.now())[0]
    home = admin_client.get("/", secure=True).content.decode()
    assert "2 devices trust a root certificate that this zone never issued." in home
    page = admin_client.get(f"/devices/{device.id}/", secure=True).content.decode()
    assert "This device trusts a root certificate that this zone never issued." in page
    assert EVIL in page
    listed = admin_client.get("/devices/?state=unknown-root", secure=True).content.decode()
    assert "pc-01" in listed
    assert "ps-01" not in listed


def test_the_root_of_one_connection_counts(zone: Any) -> None:
    device = zone.join("pc-01")
    device.refresh(root_sha256=get_root(), trusted_sha256=[get_root()], anchored_sha256=OTHER)
    assert zone.device(device).unknown_roots == OTHER


def test_the_alarm_ends_when_the_device_has_removed_the_root(zone: Any) -> None:
    device = zone.join("pc-01")
    device.refresh(root_sha256=get_root(), trusted_sha256=[get_root(), EVIL])
    device.refresh(root_sha256=get_root(), trusted_sha256=[get_root()])
    assert zone.device(device).unknown_roots == ""
    assert len(list_entries()) == 1


def test_roots_of_the_zone_are_never_unknown(zone: Any) -> None:
    device = zone.join("pc-01")
    device.refresh(root_sha256=get_root(), trusted_sha256=[get_root()], anchored_sha256=get_root())
    assert zone.device(device).unknown_roots == ""
    assert list_entries() == []
