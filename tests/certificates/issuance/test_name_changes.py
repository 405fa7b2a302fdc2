"""The names that a new certificate adds and removes are shown and recorded (D-142)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.issuance import name_changes
from certificates.models import Operation
from certificates.operations import creation, requests
from certificates.operations.activation_time import get_limits
from certificates.operations.states import AuthorityState
from devices.models import Device
from tests.certificates.clients import PAGE
from tests.support import factories
from tests.support.clients import log_in
from wire import messages

pytestmark = pytest.mark.django_db
SATELLITE = messages.AUTHENTICATION_SATELLITE


@pytest.fixture
def server(zone):
    """A server whose certificate has an old name, and whose record has a new one."""
    device = zone.device(zone.first)
    device.certificates.all().delete()
    old = f"old.{device.fqdn}"
    retired = factories.authority(state=AuthorityState.RETIRED)
    Device.objects.filter(pk=device.pk).update(fqdn=old)
    device.refresh_from_db()
    factories.certificate(device, retired)
    Device.objects.filter(pk=device.pk).update(fqdn="ps-01.test.example")
    Device.objects.filter(pk=device.pk).update(dns_names=["new.test.example"])
    return Device.objects.get(pk=device.pk)


@pytest.mark.manual("R038")
def test_changes_are_listed_with_and_without_additional_names(server):
    change = name_changes.list_changes([server])[0]
    assert change.server == "ps-01"
    assert change.plain.added == ["ps-01.test.example"]
    assert change.added_with_dns == ["new.test.example"]
    assert change.full.removed == ["old.ps-01.test.example"]
    Device.objects.filter(pk=server.pk).update(dns_names=["old.ps-01.test.example"])
    server.refresh_from_db()
    change = name_changes.list_changes([server])[0]
    assert (change.added_with_dns, change.full.removed) == ([], [])
    assert change.removed_without_dns == ["old.ps-01.test.example"]


def test_the_dialogs_show_the_names_before_the_operation_starts(server):
    browser = log_in(factories.admin())
    remint = browser.get(f"{PAGE}remint-ca/").content.decode()
    assert "New in this certificate: ps-01.test.example" in remint
    assert "New if additional DNS names are included: new.test.example" in remint
    chosen = {"do": "remint-certificate", "ids": [str(server.pk)]}
    dialog = browser.post(f"{PAGE}servers/selected/", chosen, follow=True).content.decode()
    assert "New if additional DNS names are included: new.test.example" in dialog


def remint(server: Device) -> Operation:
    now = timezone.now()
    limits = get_limits(Operation.Kind.REMINT_SERVER, servers=[server], now=now)
    request = requests.RemintServersRequest(
        servers=(server.pk,),
        common_name="",
        key_length=256,
        include_dns=True,
        activates_at=limits.suggestion,
        name="Remint",
    )
    return creation.remint_servers(request, by=factories.admin(), key=uuid4(), now=now)


def test_an_operation_records_the_names_that_it_adds(server):
    operation = remint(server)
    entry = Entry.objects.get(action="certificate-names")
    assert entry.subject == f"certificates.Operation:{operation.pk}"
    names = entry.detail["names"]["ps-01"]
    assert "new.test.example" not in names["before"]
    assert "new.test.example" in names["after"]
