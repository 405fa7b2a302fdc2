"""The page of an operation in a large zone: stored numbers, first devices, constant work."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.operations.states import AuthorityState, FutureState, OperationState
from certificates.summaries import operations, schedule
from certificates.summaries.operations import AT_RISK, OperationSummary
from certificates.trust.devices_at_risk import Risk
from devices.models import Device, DeviceSummary, Role, Zone
from devices.models import summary as stored
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import AssignmentState
from tests.support import factories, work

pytestmark = pytest.mark.django_db
A = AssignmentState


@pytest.fixture
def operation(monkeypatch):
    monkeypatch.setattr(stored, "LARGE_ZONE", 2)
    monkeypatch.setattr(rollout, "LARGE_UPDATE", 2)
    factories.zone()
    ca = factories.authority(factories.server("ps-1"))
    new = factories.authority(ca.certificate_server, name="NEW", state=AuthorityState.FUTURE)
    made = factories.operation(ca, state=OperationState.ASSIGNED, future_authority=new)
    factories.future(made, ca.certificate_server, FutureState.CREATED)
    SystemUpdate.objects.filter(pk=made.update_id).update(assigned_at=timezone.now())
    return made


def add(operation: Any, count: int, state: str, name: str) -> None:
    now = timezone.now()
    made = Device.objects.bulk_create(
        Device(name=f"{name}-{n:04}", role=Role.MANAGED, last_contact=now) for n in range(count)
    )
    Assignment.objects.bulk_create(
        Assignment(update=operation.update, device=one, state=state) for one in made
    )


def store(operation: Any) -> datetime:
    """Store the summary and the counts of the update, as the worker does."""
    now = timezone.now()
    operation.refresh_from_db()
    operations.store(operation, Zone.objects.get_zone(), now=now)
    rollout.record_sample(operation.update, now=now)
    return now


def get_url(operation: Any, query: str = "") -> str:
    return f"/configuration/certificates/operations/{operation.pk}/{query}"


def list_names(text: str) -> list[str]:
    return re.findall(r'<th scope="row" class="c-device"><a href="[^"]+">([^<]+)</a>', text)


def summarize(operation: Any, now: datetime | None = None) -> OperationSummary:
    return OperationSummary(operation, Zone.objects.get_zone(), now or timezone.now())


def test_stored_numbers_are_those_that_would_be_counted(operation):
    add(operation, 3, A.FAILED, "bad")
    add(operation, 4, A.APPLIED, "good")
    counted = summarize(operation)
    before = (counted.trust, counted.numbers, counted.not_refreshed, counted.list_shortfalls())
    lines = [(line.key, list(line.counts)) for line in counted.get_series()[1]]
    assert counted.counted_at is None
    store(operation)
    found = summarize(operation)
    assert found.counted_at is not None
    shown = (found.trust, found.numbers, found.not_refreshed, found.list_shortfalls())
    assert shown == before
    assert [(line.key, list(line.counts)) for line in found.get_series()[1]] == lines
    assert found.numbers[Risk.FAILED] == found.count(Risk.FAILED) == 3
    assert found.count(AT_RISK) == 4, "the server without an assignment is not ready, either"


def test_old_numbers_are_not_used(operation):
    now = store(operation)
    assert summarize(operation, now + timedelta(seconds=10)).counted_at == now
    assert summarize(operation, now + timedelta(seconds=11)).counted_at is None


def test_numbers_from_before_the_activation_are_not_used_after_it(operation):
    store(operation)
    operation.activated_at = timezone.now()
    assert summarize(operation).counted_at is None
    assert operations.is_due(operation, now=timezone.now())


def test_a_large_zone_is_counted_less_often():
    assert stored.get_interval(100) == timedelta(seconds=2)
    assert stored.get_interval(100_000) == timedelta(seconds=40)


def test_the_worker_stores_what_is_due_in_a_large_zone_only(operation, monkeypatch):
    add(operation, 3, A.APPLIED, "pc")
    now = timezone.now()
    schedule.store_due(now)
    assert DeviceSummary.objects.get(pk=operations.get_name(operation)).devices == 4
    assert schedule.list_due(now) == []
    assert len(schedule.list_due(now + timedelta(seconds=3))) == 2, "the zone and the operation"
    monkeypatch.setattr(stored, "LARGE_ZONE", 5)
    assert schedule.list_due(now + timedelta(seconds=3)) == []


def test_numbers_of_a_deleted_operation_are_deleted(operation):
    now = timezone.now()
    DeviceSummary.objects.store("operation:x", {}, devices=1, now=now - timedelta(days=2))
    schedule.store_due(now)
    assert not DeviceSummary.objects.filter(pk="operation:x").exists()


@pytest.mark.parametrize(
    "query", ["?per_page=5", "?per_page=5&state=at-risk", "?per_page=5&state=failed"]
)
def test_pages_of_listed_devices_are_those_of_the_database(
    admin_client, operation, query, monkeypatch
):
    """Forward over the end of the listed devices, and back."""
    add(operation, 13, A.FAILED, "bad")
    add(operation, 9, A.APPLIED, "good")

    def walk() -> list[list[str]]:
        pages, address = [], get_url(operation, query)
        for direction in ("after", "before"):
            while True:
                text = admin_client.get(address).content.decode()
                pages.append(list_names(text))
                link = re.search(rf'href="([^"]*\b{direction}=[^"]+)"', text)
                if link is None:
                    break
                address = get_url(operation) + link[1].replace("&amp;", "&").rpartition("/")[2]
        return pages

    plain = walk()
    assert len(plain) > 4
    monkeypatch.setattr(operations, "MAX_LISTED", 12)
    store(operation)
    assert summarize(operation).counted_at is not None
    assert walk() == plain


def test_the_page_costs_the_same_for_any_number_of_devices(admin_client, operation, monkeypatch):
    # A test can take any time.
    monkeypatch.setattr(stored, "MAX_INTERVALS", 10_000)
    monkeypatch.setattr(rollout, "MAX_COUNTS_AGE", timedelta(hours=1))
    add(operation, 30, A.FAILED, "bad")
    add(operation, 30, A.APPLIED, "good")
    paths = [get_url(operation), get_url(operation, "live/"), get_url(operation, "?state=failed")]

    def measure() -> list[int]:
        work.analyze()
        store(operation)
        found = []
        for path in paths:
            admin_client.get(path)
            with work.measured() as done:
                text = admin_client.get(path).content.decode()
            assert "Devices counted:" in text
            found.append(done.done)
        return found

    few = measure()
    add(operation, 600, A.FAILED, "bad-too")
    add(operation, 600, A.APPLIED, "good-too")
    many = measure()
    # The lists of the summary have up to 500 devices, but they are read as one value.
    for path, before, after in zip(paths, few, many, strict=True):
        assert after <= before * 1.3 + 50, (path, before, after)
