"""How many statements the calls of a device cost in the minute after an activation."""

from typing import Any

import pytest

from certificates import tasks
from certificates.models import Operation
from devices.models import Device
from tests.support import walkthrough
from tests.support.zone import Host, TestZone
from wire import messages


@pytest.fixture
def operation(zone: TestZone) -> Operation:
    """An operation that is being activated, with two managed devices that have applied it."""
    zone.join("pc-01")
    zone.join("pc-02")
    made = walkthrough.remint_ca()
    walkthrough.prepare(zone, made)
    walkthrough.replicate(zone, made)
    walkthrough.step(made)
    walkthrough.apply(zone, made)
    authority = walkthrough.fresh(made).future_authority
    assert authority is not None
    walkthrough.sign(zone, authority)
    walkthrough.step(made, seconds=400)
    return walkthrough.fresh(made)


def roots(operation: Operation, *, is_activated: bool) -> dict[str, Any]:
    """Return what a device reports about its roots, before or after it has activated."""
    old, new = operation.authority, operation.future_authority
    assert old is not None
    assert new is not None
    root = new.sha256 if is_activated else old.sha256
    both = [old.sha256, new.sha256]
    return {"root_sha256": root, "anchored_sha256": root, "trusted_sha256": both}


def warm_up(zone: TestZone, operation: Operation) -> tuple[Host, str]:
    """Let both devices refresh, and let one activate, so that no cache is empty."""
    update = str(operation.update_id)
    for name in ("pc-01", "pc-02"):
        zone.hosts[name].refresh(**roots(operation, is_activated=False))
    first = zone.hosts["pc-01"]
    first.report(update, messages.ACTIVATED)
    first.refresh(**roots(operation, is_activated=True))
    return zone.hosts["pc-02"], update


def test_the_report_of_an_activation(zone, operation, django_assert_max_num_queries):
    host, update = warm_up(zone, operation)
    with django_assert_max_num_queries(13):
        host.report(update, messages.ACTIVATED)
    new = operation.future_authority
    assert new is not None
    assert Device.objects.get(pk=host.id).root_sha256 == new.sha256


def test_a_refresh_before_the_activation(zone, operation, django_assert_max_num_queries):
    host, _update = warm_up(zone, operation)
    with django_assert_max_num_queries(8):
        said = host.refresh(**roots(operation, is_activated=False))
    assert said["updates"]


def test_the_refresh_that_confirms_an_activation(zone, operation, django_assert_max_num_queries):
    host, update = warm_up(zone, operation)
    host.report(update, messages.ACTIVATED)
    with django_assert_max_num_queries(12):
        host.refresh(**roots(operation, is_activated=True))
    assert not Device.objects.get(pk=host.id).has_pending_work
    with django_assert_max_num_queries(2):
        host.refresh(**roots(operation, is_activated=True))


def test_only_reports_of_servers_start_a_task(zone, operation, monkeypatch):
    found: list[Any] = []
    monkeypatch.setattr(tasks, "enqueue_operation_of_update", found.append)
    host, update = warm_up(zone, operation)
    host.report(update, messages.ACTIVATED)
    assert found == []
    zone.first.report(update, messages.ACTIVATING)
    assert found == [operation.update_id]
