"""Repeated Remint CA operations leave no files and rows behind.

Each round is a complete Remint CA with real keys: prepared, signed, and activated. Its update is
baselined and deleted, and the old root is retired after a month.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from audit.chain import verification
from certificates.models import (
    Authority,
    FutureCertificate,
    IssuedCertificate,
    Operation,
    ServerCertificate,
)
from certificates.trust import roots
from systemupdates.models import SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle
from tests.support import walkthrough
from tests.support.zone import TestZone
from wire import messages

SETTLED = 4
MONTH = timedelta(days=31)
APPS = ("certificates", "systemupdates", "devices", "people", "notifications", "console")


class Clock:
    """The current time of the console, which only this test changes."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    return clock


@pytest.fixture
def small_zone(clock: Clock, zone: TestZone) -> TestZone:
    """A zone with a second server and a device. Every server has a certificate."""
    zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    zone.join("pc-01")
    walkthrough.sign(zone, Authority.objects.current())
    report_all(zone)
    return zone


def report_all(zone: TestZone) -> None:
    """Let every host report its status and delete withdrawn content, like its agent."""
    trusted = list(
        Authority.objects.filter(state__in=("current", "grace")).values_list("sha256", flat=True)
    )
    folder = zone.home / "content"
    for host in zone.hosts.values():
        status: dict[str, Any] = {
            "root_sha256": Authority.objects.current().sha256,
            "trusted_sha256": trusted,
        }
        if host.role in messages.CERTIFIED_ROLES:
            future = FutureCertificate.objects.filter(device=host.guid).order_by("-pk").first()
            status["server_certificate_sha256"] = future.digest if future is not None else ""
        if host.role in messages.CONTENT_ROLES and folder.exists():
            status["stored_content"] = [path.name for path in folder.iterdir()]
        for digest in host.refresh(**status).get("withdraw", []):
            (folder / digest).unlink(missing_ok=True)


def remint(zone: TestZone, clock: Clock) -> None:
    """Run one Remint CA operation until the old root is retired."""
    operation = walkthrough.remint_ca(years=1)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    assert walkthrough.cut_over(zone, operation).state == "completed"
    report_all(zone)
    build.publish_tools(zone.first.guid)
    clock.now += MONTH
    now = clock.now
    for old in roots.list_due_roots(now):
        roots.retire_root(old, now=now)
    update = SystemUpdate.objects.get(operation=operation)
    lifecycle.baseline(update)
    update.refresh_from_db()
    lifecycle.delete(update, now=now)
    lifecycle.withdraw_unneeded_content()
    build.publish_tools(zone.first.guid)
    report_all(zone)


def rows() -> dict[str, int]:
    models = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    return {model._meta.label: model._default_manager.count() for model in models}


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def response_sizes(zone: TestZone) -> dict[str, int]:
    """Return the sizes of the lists in the last refresh response of each host."""
    return {
        f"{host.name} {name}": len(value)
        for host in zone.hosts.values()
        for name, value in host.answer.items()
        if isinstance(value, list | dict)
    }


def run_rounds(zone: TestZone, clock: Clock, rounds: int) -> None:
    for _ in range(SETTLED):
        remint(zone, clock)
    first, sizes, kept = rows(), response_sizes(zone), files(zone.home)
    remint(zone, clock)
    each = {name: number - first[name] for name, number in rows().items()}
    for _ in range(rounds - SETTLED - 1):
        remint(zone, clock)
    grown = {name: number - first[name] for name, number in rows().items()}
    assert grown == {name: each[name] * (rounds - SETTLED) for name in each}, "rows of history"
    assert response_sizes(zone) == sizes, "responses do not grow"
    now = {path for path in files(zone.home) if not path.startswith(("content/", "setup/"))}
    assert now == {path for path in kept if not path.startswith(("content/", "setup/"))}
    assert len(files(zone.home)) == len(kept), "the number of files does not grow"
    assert_nothing_left(zone, rounds)


def assert_nothing_left(zone: TestZone, rounds: int) -> None:
    authorities = Authority.objects.order_by("pk")
    assert authorities.count() == rounds + 1
    assert [one.state for one in authorities.exclude(state="retired")] == ["current"]
    assert not authorities.filter(state="retired").exclude(sealed_key="").exists()
    assert {one.state for one in Operation.objects.all()} == {"completed"}
    assert not FutureCertificate.objects.open().exists()
    assert not IssuedCertificate.objects.filter(sha256="").exists(), (
        "a serial without its certificate"
    )
    for one in ServerCertificate.objects.all():
        assert IssuedCertificate.objects.filter(sha256=one.digest).count() == 1
    assert ServerCertificate.objects.current().count() == 2
    needed = {
        entry["sha256"]
        for update in SystemUpdate.objects.all()
        if update.deleted_at is None or lifecycle.is_needed_for_recovery(update)
        for entry in update.files
    }
    held = {path.name for path in (zone.home / "content").iterdir()}
    assert held == needed
    assert all(walkthrough.verified_by([Authority.objects.current().root_pem]))
    assert verification.verify_chain().finding is None


def test_fifteen_remints_leave_no_data_behind(small_zone: TestZone, clock: Clock) -> None:
    run_rounds(small_zone, clock, 15)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_hundred_remints_leave_no_data_behind(small_zone: TestZone, clock: Clock) -> None:
    run_rounds(small_zone, clock, 200)
