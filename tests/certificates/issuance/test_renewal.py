"""Server certificates renew by themselves, as an operation one can see and cancel (D-50)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.issuance import renewal
from certificates.models import Operation, ServerCertificate
from certificates.operations import cancellation
from devices.models import Device
from tests.certificates.operations.test_remint_ca import start, step


@pytest.fixture
def soon(zone):
    """Return a time at which the first server's certificate is about to end."""
    certificate = ServerCertificate.objects.current().get()
    then = certificate.not_after - timedelta(days=10)
    Device.objects.update(last_contact=then)
    return then


def test_a_certificate_that_ends_soon_is_due(zone, soon):
    assert [server.name for server in renewal.due(soon)] == ["ps-01"]
    assert renewal.due(soon - timedelta(days=30)) == []


def test_it_is_an_ordinary_operation_with_an_activation_time(zone, soon):
    operation = renewal.renew(renewal.due(soon), now=soon)
    assert operation.kind == "remint-server"
    assert operation.activates_at > soon
    assert renewal.due(soon) == [], "the server waits for its certificate already"


def test_after_a_cancel_it_leaves_the_administrator_a_day(zone, soon):
    operation = renewal.renew(renewal.due(soon), now=soon)
    assert renewal.is_renewal(operation)
    cancellation.cancel(operation, now=soon)
    step(operation)
    ended = Operation.objects.get(pk=operation.pk).ended_at
    assert renewal.due(soon) == [] or ended < soon - renewal.RESPITE
    Operation.objects.update(ended_at=soon)
    assert renewal.due(soon + timedelta(hours=23)) == []
    Device.objects.update(last_contact=soon + timedelta(hours=25))
    assert renewal.due(soon + timedelta(hours=25)) != []


def test_a_server_that_is_silent_or_has_no_sound_name_does_not_hold_up_the_others(zone, soon):
    Device.objects.update(last_contact=soon - timedelta(days=5))
    assert renewal.due(soon) == []
    Device.objects.update(last_contact=soon, dns_names=["not a name"])
    assert renewal.due(soon) == []
    Device.objects.update(dns_names=[])
    assert renewal.due(soon) != []


def test_it_is_seen_coming(zone, soon):
    begins, name = renewal.next_at(soon - timedelta(days=60), soon + timedelta(days=40))
    assert name == "ps-01"
    assert begins == soon - timedelta(days=20)
    assert renewal.next_at(soon - timedelta(days=60), soon) is None
    renewal.renew(renewal.due(soon), now=soon)
    assert renewal.next_at(soon, soon + timedelta(days=40)) is None, "it has begun"


def test_it_can_be_switched_off(zone, soon):
    zone.zone.__class__.objects.update(renews_by_itself=False)
    assert renewal.due(soon) == []


def test_it_waits_for_a_ca_operation(zone, soon):
    start()
    assert renewal.due(timezone.now() + (soon - timezone.now())) == []
