"""What a device refused to believe is in the ledger: forged, altered, foreign, older documents."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.agents import responses
from wire import messages

WHY = "manifest: It is not signed by this device's zone."


@pytest.fixture
def device(zone):
    return zone.join("pc-01")


def told():
    return list(Entry.objects.filter(action="distrusted").values_list("note", flat=True))


def test_a_document_that_a_device_refused_is_in_the_ledger_once_a_day(zone, device):
    device.refresh(distrusted=[WHY])
    device.refresh(distrusted=[WHY, "recovery: another"])
    assert told() == [WHY, "recovery: another"]
    entry = Entry.objects.filter(action="distrusted").first()
    assert entry.subject == f"devices.Device:{device.id}"
    said = messages.Refresh(t=0.0, agent="0.1.0", distrusted=[WHY])
    tomorrow = timezone.now() + timedelta(days=1, seconds=1)
    responses.hear(zone.device(device), said, now=tomorrow)
    assert told().count(WHY) == 2


def test_a_device_cannot_flood_the_ledger(zone, device):
    device.refresh(distrusted=[f"{number} {'x' * 1000}" for number in range(100)])
    assert len(told()) == 10
    assert max(map(len, told())) == 300
