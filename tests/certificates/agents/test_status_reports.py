"""Documents that devices reject are recorded in the audit log."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.chain.omissions import record_summaries
from audit.models import Entry
from audit.models.entries import MAX_ENTRIES_A_DAY
from certificates.agents import status_reports
from certificates.models import Authority
from devices.models import Device
from tests.support import walkthrough
from wire import messages

WHY = "manifest: It is not signed by this device's zone."


@pytest.fixture
def device(zone):
    return zone.join("pc-01")


def list_rejections():
    return list(Entry.objects.filter(action="distrusted").values_list("note", flat=True))


def test_a_rejected_document_is_recorded_once_a_day(zone, device):
    device.refresh(rejected_documents=[WHY])
    device.refresh(rejected_documents=[WHY, "recovery: another"])
    assert list_rejections() == [WHY, "recovery: another"]
    entry = Entry.objects.filter(action="distrusted").first()
    assert entry.subject == f"devices.Device:{device.id}"
    report = messages.RefreshRequest(time=0.0, agent="0.1.0", rejected_documents=[WHY])
    tomorrow = timezone.now() + timedelta(days=1, seconds=1)
    status_reports.update_device_status(zone.device(device), report, now=tomorrow)
    assert list_rejections().count(WHY) == 2


def test_a_device_cannot_flood_the_audit_log(zone, device):
    device.refresh(rejected_documents=[f"{number} {'x' * 1000}" for number in range(100)])
    assert len(list_rejections()) == 10
    assert max(map(len, list_rejections())) == 300


def test_the_entries_of_a_device_are_limited_for_a_day(zone, device):
    for number in range(5):
        device.refresh(rejected_documents=[f"reason {number} {part}" for part in range(10)])
    assert len(list_rejections()) == MAX_ENTRIES_A_DAY
    assert record_summaries(timezone.now() + timedelta(days=1, hours=1)) == 1
    summary = Entry.objects.get(action="omitted")
    assert summary.subject == f"devices.Device:{device.id}"
    assert summary.note.startswith("And 30 more on ")


def test_the_console_learns_the_features_of_an_agent_at_each_refresh(zone, device):
    """An agent that was upgraded does not register again."""
    Device.objects.filter(pk=device.id).update(features=[])
    device.refresh(features=[messages.FEATURE_PREFLIGHT, messages.FEATURE_CSR])
    stored = Device.objects.get(pk=device.id).features
    assert stored == [messages.FEATURE_PREFLIGHT, messages.FEATURE_CSR]
    device.refresh()
    assert Device.objects.get(pk=device.id).features == stored


def test_the_root_in_use_is_known_at_activation(zone, device):
    """With a refresh interval of 12 hours, the console would otherwise show the old root."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    old = zone.device(device).root_sha256
    walkthrough.activated(zone, walkthrough.fresh(operation), [device])
    new = walkthrough.fresh(operation).future_authority
    assert zone.device(device).root_sha256 == new.sha256 != old
    # A report that is repeated after the next change does not restore an older root.
    Authority.objects.filter(pk=new.pk).update(state="grace")
    Device.objects.filter(pk=device.id).update(root_sha256="newer")
    walkthrough.activated(zone, walkthrough.fresh(operation), [device])
    assert zone.device(device).root_sha256 == "newer"
