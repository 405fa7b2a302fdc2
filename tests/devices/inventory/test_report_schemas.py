"""What devices report about their hosts, in the REST API and in zman."""

from __future__ import annotations

from typing import Any

import pytest

from systemupdates.models import Assignment
from tests.api.conftest import EVERY_RIGHT, caller
from tests.support import factories
from wire.host_messages import HookReport, HookResult, HostReport, StoreReport
from wire.records import to_plain

FAILED = HookResult("reload-nginx", "activated", "failed", 7, 1.5, "nginx is not running")
WORKS = HookResult("keystore", "activated", "succeeded", 0, 0.5)
REJECTS = {"server": "s1", "stack": "gnutls", "code": "refused", "version": "3", "detail": "bad"}


@pytest.fixture
def device(zone: Any) -> Any:
    return zone.join("pc-01")


def get(device: Any) -> dict[str, Any]:
    found: dict[str, Any] = caller("reader", *EVERY_RIGHT).get(f"devices/{device.id}").json()
    return found


def test_a_device_without_reports_has_none(device: Any) -> None:
    found = get(device)
    assert (found["hooks"], found["system_trust"], found["tls_libraries"]) == (None, None, None)


def test_the_results_of_hooks_and_of_the_trust_store_are_returned(device: Any) -> None:
    hooks = HookReport(1_800_000_000.0, [WORKS, FAILED])
    device.refresh(host_report=to_plain(HostReport(hooks, StoreReport("installed", "store", 2))))
    found = get(device)
    assert found["hooks"]["has_failed"] is True
    assert found["hooks"]["at"].startswith("2027-01-15T08:00:00")
    assert found["hooks"]["results"][1] == {
        "name": "reload-nginx",
        "event": "activated",
        "state": "failed",
        "exit_code": 7,
        "detail": "nginx is not running",
    }
    assert (found["system_trust"]["state"], found["system_trust"]["roots"]) == ("installed", 2)


def test_the_results_of_tls_libraries_are_returned(zone: Any, device: Any) -> None:
    update = factories.update(zone.device(zone.first))
    row = factories.assignment(update, zone.device(device), "update-applied")
    Assignment.objects.filter(pk=row.pk).update(stack_results=[REJECTS])
    found = get(device)["tls_libraries"]
    assert (found["update_id"], found["has_rejected"]) == (str(update.pk), True)
    assert found["results"] == [
        {"library": "gnutls", "version": "3", "state": "rejected", "detail": "bad"}
    ]
