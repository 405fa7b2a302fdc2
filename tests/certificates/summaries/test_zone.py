"""Home, the Devices list, and Status by Device in a large zone: stored numbers, constant work."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from certificates.monitoring import overview
from certificates.monitoring.checks import zone_checks
from certificates.summaries import schedule
from certificates.summaries import zone as zone_summary
from devices.inventory import tables
from devices.models import Device, Role, Zone
from devices.models import summary as stored
from systemupdates.assignments import rollout
from systemupdates.models import Assignment
from systemupdates.updates import tables as update_tables
from tests.support import factories, work

pytestmark = pytest.mark.django_db
STATES = ("failed", "applied", "activated", "pending")
COUNTED = "Devices counted:"


@pytest.fixture(autouse=True)
def _large(monkeypatch):
    monkeypatch.setattr(stored, "LARGE_ZONE", 2)
    monkeypatch.setattr(rollout, "LARGE_UPDATE", 2)
    monkeypatch.setattr(update_tables, "SMALL_UPDATE", 2)
    # A test can take any time.
    monkeypatch.setattr(stored, "MAX_INTERVALS", 10_000)
    monkeypatch.setattr(rollout, "MAX_COUNTS_AGE", timedelta(hours=1))


@pytest.fixture
def update():
    factories.zone()
    server = factories.server("ps-1")
    factories.certificate(server, factories.authority(server))
    return factories.update(server, state="assigned", assigned_at=timezone.now())


def add(update: Any, count: int, name: str) -> None:
    """Add devices with all kinds of contacts. Few of them have a problem."""
    now = timezone.now()
    hours = (0, 3, 22, 30, 55, 100, 150, 400)
    made = [
        Device(
            name=f"{name}-{n:04}",
            role=Role.MANAGED,
            version="0.1.0" if n == 1 else "",
            last_contact=now - timedelta(hours=hours[n % 8]) if n % 9 else None,
            clock_skew_seconds=100 if n == 2 else 0,
            unknown_roots="ab" if n == 3 else "",
        )
        for n in range(count)
    ]
    Device.objects.bulk_create(made)
    Assignment.objects.bulk_create(
        Assignment(
            update=update, device=one, state=STATES[min(n, 1)] if n < 4 else STATES[n % 3 + 1]
        )
        for n, one in enumerate(made)
    )


def store(update: Any) -> None:
    """Store what the worker stores."""
    now = timezone.now()
    update.refresh_from_db()
    rollout.record_sample(update, now=now)
    zone_summary.store(Zone.objects.get_zone(), now)


def test_stored_numbers_are_those_that_would_be_counted(update):
    add(update, 40, "pc")
    zone, now = Zone.objects.get_zone(), timezone.now()
    questions: tuple[Callable[[], Any], ...] = (
        lambda: overview.count_contacts(now, zone_summary.find(now)),
        lambda: overview.count_devices(zone_summary.get_roles(Zone.objects.get_zone(), now)),
        lambda: zone_summary.count_without_contact(Zone.objects.get_zone(), now),
        lambda: list(zone_checks.check_clocks(Zone.objects.get_zone(), now)),
        lambda: list(zone_checks.check_failed_updates(Zone.objects.get_zone(), now)),
        lambda: tables.get_groups(zone.refresh, now)[0],
    )
    counted = [ask() for ask in questions]
    assert all(counted)
    zone_summary.store(zone, now)
    assert tables.get_groups(zone.refresh, now)[1] == now
    Device.objects.filter(role=Role.MANAGED).delete()
    shown = [ask() for ask in questions]
    # These name a device that still exists.
    assert (shown.pop(3), shown.pop(3)) == ([], [])
    assert shown == counted[:3] + counted[5:]


@pytest.mark.parametrize("hour", [0, 9, 23])
@pytest.mark.parametrize("name", ["UTC", "America/Los_Angeles", "Asia/Kathmandu"])
def test_contacts_are_counted_by_the_day_of_the_user(update, name, hour):
    now = timezone.now().replace(hour=hour, minute=20)
    Device.objects.bulk_create(
        Device(name=f"pc-{n:03}", role=Role.MANAGED, last_contact=now - timedelta(minutes=97 * n))
        for n in range(140)
    )
    with timezone.override(name):
        counted = overview.count_contacts(now, None)
        zone_summary.store(Zone.objects.get_zone(), now)
        Device.objects.filter(role=Role.MANAGED).delete()
        assert overview.count_contacts(now, zone_summary.find(now)) == counted
    assert sum(group.devices for group in counted) >= 140


def test_the_worker_stores_the_numbers_of_a_large_zone(update):
    add(update, 3, "pc")
    now = timezone.now()
    assert zone_summary.find(now) is None
    schedule.store_due(now)
    found = zone_summary.find(now)
    assert found is not None
    assert found.counted_at == now
    assert not zone_summary.is_due(now + timedelta(seconds=1))
    assert zone_summary.is_due(now + timedelta(seconds=2))


def test_the_pages_cost_the_same_for_any_number_of_devices(admin_client, update):
    add(update, 60, "pc")
    status = f"/system-updates/{update.pk}/devices/"
    paths = ["/devices/", "/devices/?state=managed", status, "/configuration/certificates/"]

    def measure() -> list[int]:
        work.analyze()
        store(update)
        found = []
        for path in paths:
            admin_client.get(path)
            with work.measured() as done:
                text = admin_client.get(path).content.decode()
            assert (COUNTED in text) == (path in paths[:2])
            found.append(done.done)
        return found

    few = measure()
    add(update, 1200, "more")
    many = measure()
    found = list(zip(paths, few, many, strict=True))
    assert all(after <= before * 1.3 + 50 for _path, before, after in found), found


def test_home_counts_no_devices(admin_client, update):
    add(update, 30, "pc")
    counts = re.compile(r'COUNT\(.* FROM "devices_device" WHERE ')

    def load() -> list[str]:
        with CaptureQueriesContext(connection) as found:
            text = admin_client.get("/").content.decode()
        assert "1 device trusts a root certificate" in text
        statements = [query["sql"] for query in found.captured_queries]
        # Servers are few, and an index has them.
        return [sql for sql in statements if counts.search(sql) and '"role"' not in sql]

    assert len(load()) >= 3
    store(update)
    assert load() == []


def test_the_devices_list_counts_what_is_not_stored(admin_client, update):
    add(update, 30, "pc")
    store(update)
    text = admin_client.get("/devices/?q=pc-000").content.decode()
    assert len(set(re.findall(r"pc-\d{4}", text))) == 10
