"""Notifications about what fails on the hosts of devices: hooks, and TLS libraries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.monitoring import device_events, notifications
from notifications.delivery import events
from notifications.models import Delivery, Target
from notifications.targets import targets
from systemupdates.models import Assignment
from tests.support import walkthrough
from wire.host_messages import HookReport, HookResult, HostReport
from wire.records import to_plain
from wire.update_messages import PreflightReport, PreflightResult, StackResult

FAILED = HookResult("reload-nginx", "activated", "failed", 7, 1.5, "nginx is not running")
REJECTS = StackResult("s1", "gnutls", "refused", "3.7.9", "no issuer")


@pytest.fixture
def devices(zone: Any) -> list[Any]:
    """Two devices, and a target that receives all events of a new target."""
    targets.create_target(
        Target.Kind.MAIL,
        targets.TargetSettings("team", list(events.DEFAULT_EVENTS), recipients="t@acme.example"),
    )
    found = [zone.join("pc-01"), zone.join("pc-02")]
    notifications.create_notifications(timezone.now())
    Delivery.objects.all().delete()
    return found


def fail(device: Any, *results: HookResult, at: float = 1_800_000_000.0) -> None:
    device.refresh(host_report=to_plain(HostReport(HookReport(at, list(results)))))


def list_deliveries() -> list[tuple[str, str]]:
    notifications.create_notifications(timezone.now())
    return list(Delivery.objects.order_by("created_at").values_list("event", "title"))


def test_a_failed_hook_is_notified_once_a_day(devices: list[Any]) -> None:
    for device in devices:
        fail(device, FAILED)
    assert list_deliveries() == [
        (events.HOOK_FAILED, "The hook reload-nginx failed on 2 devices"),
    ]
    text = Delivery.objects.get().text
    assert "pc-01: reload-nginx (activated): failed, exit code 7: nginx is not running" in text
    assert f"/devices/{devices[0].id}/" in text
    fail(devices[0], FAILED, at=1_800_000_900.0)
    assert len(list_deliveries()) == 1
    fail(devices[0], HookResult("keystore", "activated", "timed-out"), at=1_800_001_800.0)
    assert (events.HOOK_FAILED, "The hook keystore failed on pc-01") in list_deliveries()


def test_the_hook_is_notified_again_on_the_next_day(devices: list[Any], monkeypatch: Any) -> None:
    fail(devices[0], FAILED)
    assert len(list_deliveries()) == 1
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr("audit.models.entries.timezone.now", lambda: tomorrow)
    Entry.objects.record(
        "hook-failed", f"devices.Device:{devices[0].id}", detail={"hook": "reload-nginx"}
    )
    assert len(list_deliveries()) == 2


def test_a_hook_that_succeeds_is_not_notified(devices: list[Any]) -> None:
    fail(devices[0], HookResult("keystore", "activated", "succeeded"))
    assert list_deliveries() == []


def test_a_target_without_the_event_receives_nothing(devices: list[Any]) -> None:
    Target.objects.update(events=[events.BLOCKED])
    fail(devices[0], FAILED)
    assert list_deliveries() == []


@pytest.mark.django_db
def test_a_long_hook_name_is_notified_each_day() -> None:
    for day in (1, 2):
        entry = Entry(
            action="hook-failed",
            subject="devices.Device:1",
            at=timezone.now() + timedelta(days=day),
            detail={"hook": "x" * 200},
        )
        [event] = device_events.build_hook_events([entry])
        assert len(event.key) <= 120
        assert f"{entry.at:%Y-%m-%d}" in event.key


def test_a_tls_library_that_rejects_is_notified_once_for_each_update(
    zone: Any, devices: list[Any]
) -> None:
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    update = Assignment.objects.filter(device=devices[0].id).latest("pk").update_id
    list_deliveries()
    Delivery.objects.all().delete()
    for device in (*devices, devices[0]):
        sent = PreflightReport([PreflightResult("s1", "ok")], at=0.0, stacks=[REJECTS])
        path = f"/zac/v1/updates/{update}/preflight"
        assert device.send("POST", path, sent).status_code == 204
    assert Entry.objects.filter(action="tls-library-rejected").count() == 2
    assert list_deliveries() == [
        (events.STACK_REJECTED, "GnuTLS rejects the new certificate on 2 devices")
    ]
    assert "pc-02: GnuTLS 3.7.9: no issuer" in Delivery.objects.get().text
