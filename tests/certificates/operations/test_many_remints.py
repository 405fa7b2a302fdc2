"""Remint after remint, each CA gone before long: no file and no row is left over (S-116).

Every round is a whole Remint CA of a zone with real keys: prepared, signed, activated, its update
baselined and deleted, the old root retired, a month gone by.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from audit.chain import verification
from certificates.models import Authority, FutureCertificate, Issued, Operation, ServerCertificate
from certificates.trust import roots
from systemupdates.models import SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle
from tests.support import walkthrough
from tests.support.zone import TestZone
from wire import messages

SETTLED = 4
A_WHILE = timedelta(days=31)
ROOMS = ("certificates", "systemupdates", "devices", "people", "notifications", "console")


class Clock:
    """What the console takes for now; only this test moves it."""

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
    """A second server and a device; every server shows a certificate of the zone."""
    zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    zone.join("pc-01")
    walkthrough.sign(zone, Authority.objects.current())
    tell(zone)
    return zone


def tell(zone: TestZone) -> None:
    """Let every host say how it stands, as its agent does, and drop what it may drop."""
    trusted = list(
        Authority.objects.filter(state__in=("current", "grace")).values_list("sha256", flat=True)
    )
    folder = zone.home / "content"
    for host in zone.hosts.values():
        said: dict[str, Any] = {
            "root_sha256": Authority.objects.current().sha256,
            "trusted_sha256": trusted,
        }
        if host.role in messages.CERTIFIED_ROLES:
            future = FutureCertificate.objects.filter(device=host.guid).order_by("-pk").first()
            said["server_certificate_sha256"] = future.digest if future is not None else ""
        if host.role in messages.CONTENT_ROLES and folder.exists():
            said["holds"] = [path.name for path in folder.iterdir()]
        for digest in host.refresh(**said).get("withdraw", []):
            (folder / digest).unlink(missing_ok=True)


def remint(zone: TestZone, clock: Clock) -> None:
    """One Remint CA from the order to the end of the old root."""
    operation = walkthrough.remint_ca(years=1)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    assert walkthrough.cut_over(zone, operation).state == "completed"
    tell(zone)
    build.publish(zone.first.guid)
    clock.now += A_WHILE
    now = clock.now
    for old in roots.due(now):
        roots.retire(old, now=now)
    update = SystemUpdate.objects.get(operation=operation)
    lifecycle.baseline(update)
    update.refresh_from_db()
    lifecycle.delete(update, now=now)
    lifecycle.withdraw_unneeded()
    build.publish(zone.first.guid)
    tell(zone)


def rows() -> dict[str, int]:
    models = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    return {model._meta.label: model._default_manager.count() for model in models}


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def told(zone: TestZone) -> dict[str, int]:
    """Return how much each host was told at its last refresh."""
    return {
        f"{host.name} {name}": len(value)
        for host in zone.hosts.values()
        for name, value in host.answer.items()
        if isinstance(value, list | dict)
    }


def through(zone: TestZone, clock: Clock, rounds: int) -> None:
    for _ in range(SETTLED):
        remint(zone, clock)
    first, heard, kept = rows(), told(zone), files(zone.home)
    remint(zone, clock)
    each = {name: number - first[name] for name, number in rows().items()}
    for _ in range(rounds - SETTLED - 1):
        remint(zone, clock)
    grown = {name: number - first[name] for name, number in rows().items()}
    assert grown == {name: each[name] * (rounds - SETTLED) for name in each}, "rows of history"
    assert told(zone) == heard, "nobody is told more than at first"
    now = {path for path in files(zone.home) if not path.startswith(("content/", "setup/"))}
    assert now == {path for path in kept if not path.startswith(("content/", "setup/"))}
    assert len(files(zone.home)) == len(kept), "files come and go"
    nothing_is_left_over(zone, rounds)


def nothing_is_left_over(zone: TestZone, rounds: int) -> None:
    authorities = Authority.objects.order_by("pk")
    assert authorities.count() == rounds + 1
    assert [one.state for one in authorities.exclude(state="retired")] == ["current"]
    assert not authorities.filter(state="retired").exclude(sealed_key="").exists()
    assert {one.state for one in Operation.objects.all()} == {"completed"}
    assert not FutureCertificate.objects.open().exists()
    assert not Issued.objects.filter(sha256="").exists(), "a serial without its certificate"
    for one in ServerCertificate.objects.all():
        assert Issued.objects.filter(sha256=one.digest).count() == 1
    assert ServerCertificate.objects.current().count() == 2
    needed = {
        entry["sha256"]
        for update in SystemUpdate.objects.all()
        if update.deleted_at is None or lifecycle.needed_for_recovery(update)
        for entry in update.files
    }
    held = {path.name for path in (zone.home / "content").iterdir()}
    assert held == needed
    assert all(walkthrough.verified_by([Authority.objects.current().root_pem]))
    assert verification.verify().finding is None


def test_fifteen_remints_in_a_row_leave_nothing_over(small_zone: TestZone, clock: Clock) -> None:
    through(small_zone, clock, 15)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_hundred_remints_in_a_row_leave_nothing_over(
    small_zone: TestZone, clock: Clock
) -> None:
    through(small_zone, clock, 200)
