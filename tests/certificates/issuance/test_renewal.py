"""Automatic renewal of server certificates as an ordinary operation (D-50)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.issuance import renewal
from certificates.models import Operation, ServerCertificate
from certificates.operations import cancellation
from devices.models import Device
from tests.certificates.operations.test_remint_ca import step
from tests.support import walkthrough


@pytest.fixture
def soon(zone):
    """Return a time shortly before the certificate of the first server expires."""
    certificate = ServerCertificate.objects.current().get()
    then = certificate.not_after - timedelta(days=10)
    Device.objects.update(last_contact=then)
    return then


def test_a_certificate_that_expires_soon_is_due(zone, soon):
    assert [server.name for server in renewal.list_due_servers(soon)] == ["ps-01"]
    assert renewal.list_due_servers(soon - timedelta(days=30)) == []


def test_a_renewal_is_an_operation_with_an_activation_time(zone, soon):
    operation = renewal.start_renewal(renewal.list_due_servers(soon), now=soon)
    assert operation.kind == "remint-server"
    assert operation.activates_at > soon
    assert renewal.list_due_servers(soon) == [], "the server is already waiting for its certificate"


def test_a_canceled_renewal_is_not_repeated_for_a_day(zone, soon):
    operation = renewal.start_renewal(renewal.list_due_servers(soon), now=soon)
    assert renewal.is_renewal(operation)
    cancellation.cancel(operation, now=soon)
    step(operation)
    ended = Operation.objects.get(pk=operation.pk).ended_at
    assert renewal.list_due_servers(soon) == [] or ended < soon - renewal.CANCELED_PAUSE
    Operation.objects.update(ended_at=soon)
    assert renewal.list_due_servers(soon + timedelta(hours=23)) == []
    Device.objects.update(last_contact=soon + timedelta(hours=25))
    assert renewal.list_due_servers(soon + timedelta(hours=25)) != []


def test_servers_without_contact_or_with_invalid_names_are_not_due(zone, soon):
    Device.objects.update(last_contact=soon - timedelta(days=5))
    assert renewal.list_due_servers(soon) == []
    Device.objects.update(last_contact=soon, dns_names=["not a name"])
    assert renewal.list_due_servers(soon) == []
    Device.objects.update(dns_names=[])
    assert renewal.list_due_servers(soon) != []


def test_the_next_renewal_is_predicted(zone, soon):
    begins, name = renewal.get_next_renewal(soon - timedelta(days=60), soon + timedelta(days=40))
    assert name == "ps-01"
    assert begins == soon - timedelta(days=20)
    assert renewal.get_next_renewal(soon - timedelta(days=60), soon) is None
    renewal.start_renewal(renewal.list_due_servers(soon), now=soon)
    assert renewal.get_next_renewal(soon, soon + timedelta(days=40)) is None, "it has started"


def test_renewal_can_be_turned_off(zone, soon):
    zone.zone.__class__.objects.update(automatic_renewal=False)
    assert renewal.list_due_servers(soon) == []


def test_renewal_waits_for_a_ca_operation(zone, soon):
    walkthrough.remint_ca()
    assert renewal.list_due_servers(timezone.now() + (soon - timezone.now())) == []
