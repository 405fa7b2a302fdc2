"""Results of hooks that devices report: the page of the device, and the audit log."""

from __future__ import annotations

import pytest

from audit.models import Entry
from devices.models import Device
from tests.support import factories
from tests.support.clients import log_in
from wire.host_messages import HookReport, HookResult, HostReport, StoreReport
from wire.records import to_plain

FAILED = HookResult("reload-nginx", "activated", "failed", 7, 1.5, "nginx is not running")
WORKS = HookResult("keystore", "activated", "succeeded", 0, 0.5)


def report(*results, at=1_800_000_000.0):
    return to_plain(HostReport(HookReport(at, list(results))))


@pytest.fixture
def device(zone):
    return zone.join("pc-01")


@pytest.fixture
def client(zone):
    return log_in(factories.admin(), reauthenticated=False)


def list_failures():
    return list(Entry.objects.filter(action="hook-failed").values_list("note", flat=True))


def test_the_results_are_shown_on_the_page_of_the_device(device, client):
    device.refresh(host_report=report(WORKS, FAILED))
    page = client.get(f"/devices/{device.id}/").content.decode()
    for text in ("reload-nginx", "Certificates activated", "nginx is not running", "Succeeded"):
        assert text in page


def test_a_device_without_hooks_has_no_pane(device, client):
    device.refresh(host_report=report())
    assert Device.objects.get(pk=device.id).host_report is None
    assert "hooks-pane" not in client.get(f"/devices/{device.id}/").content.decode()


def test_a_failed_hook_is_recorded_once_for_each_run(device):
    device.refresh(host_report=report(WORKS, FAILED))
    device.refresh(host_report=report(WORKS, FAILED))
    expected = "reload-nginx (activated): failed, exit code 7: nginx is not running"
    assert list_failures() == [expected]
    device.refresh(host_report=report(FAILED, at=1_800_000_900.0))
    assert list_failures() == [expected] * 2


def test_results_are_kept_when_an_older_agent_reports_none(device):
    device.refresh(host_report=report(FAILED))
    device.refresh()
    assert Device.objects.get(pk=device.id).host_report == report(FAILED)


def test_results_are_replaced_and_removed(device):
    device.refresh(host_report=report(FAILED))
    device.refresh(host_report=report(at=1_800_000_900.0))
    assert Device.objects.get(pk=device.id).host_report is None


def test_unknown_states_and_damaged_rows_break_no_page(device, client):
    device.refresh(host_report=report(HookResult("a", "later-event", "later-state")))
    page = client.get(f"/devices/{device.id}/").content.decode()
    assert "later-event" in page
    Device.objects.filter(pk=device.id).update(host_report={"hooks": "x"})
    assert client.get(f"/devices/{device.id}/").status_code == 200


@pytest.mark.parametrize(
    ("store", "text"),
    [
        (StoreReport("installed", "ca-certificates", 2), "installed: 2 (ca-certificates)"),
        (StoreReport("failed", "ca-trust", detail="disk full"), "Failed: disk full"),
        (StoreReport("not-allowed"), "Not allowed on this device"),
        (StoreReport("later-state"), "later-state"),
    ],
)
def test_the_page_shows_the_trust_store_of_the_system(device, client, store, text):
    device.refresh(host_report=to_plain(HostReport(None, store)))
    assert text in client.get(f"/devices/{device.id}/").content.decode()


def test_a_change_of_the_trust_store_records_no_hook_again(device):
    hooks = HookReport(1_800_000_000.0, [FAILED])
    device.refresh(host_report=to_plain(HostReport(hooks)))
    device.refresh(host_report=to_plain(HostReport(hooks, StoreReport("removed"))))
    assert len(list_failures()) == 1
