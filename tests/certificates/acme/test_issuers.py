"""Which CA signs certificates of hosts while the zone CA changes, and what hosts learn about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.acme import issuers, renewal_info
from certificates.est import ca_certificates
from certificates.models import AcmeCertificate, Authority, Operation
from tests.support import hosts, walkthrough

NAME = "web.hosts.example"


@pytest.fixture
def certificate(zone: Any) -> AcmeCertificate:
    """Return the certificate of a host, which the old CA has signed."""
    return hosts.issue(NAME)


@pytest.fixture
def operation(zone: Any, certificate: AcmeCertificate) -> Operation:
    """Remint CA, whose update is assigned."""
    found = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20))
    walkthrough.prepare(zone, found)
    Operation.objects.filter(pk=found.pk).update(state="assigned")
    return walkthrough.fresh(found)


def hold(operation: Operation, *, released: bool) -> None:
    """Let the update wait for a pilot group, or let the group pass."""
    parameters = {**operation.parameters, "pilot": {"released": released}}
    Operation.objects.filter(pk=operation.pk).update(parameters=parameters)


@pytest.mark.parametrize("state", ["assigned", "blocked"])
def test_while_only_the_pilot_group_has_the_new_root_the_old_ca_signs(
    operation: Operation, certificate: AcmeCertificate, state: str
) -> None:
    old, now = Authority.objects.current(), timezone.now()
    hold(operation, released=False)
    Operation.objects.filter(pk=operation.pk).update(state=state)
    assert walkthrough.fresh(operation).is_held_by_pilot
    assert issuers.find_issuing_authority(now) == old
    assert ca_certificates.list_ca_certificates(now) == [old.root_pem]
    assert renewal_info.get_window(certificate, now).start > now + timedelta(days=10)
    assert hosts.issue("db.hosts.example").authority == old
    hold(operation, released=True)
    new = operation.future_authority
    assert issuers.find_issuing_authority(now) == new
    assert {old.root_pem, new.root_pem} < set(ca_certificates.list_ca_certificates(now))
    assert renewal_info.get_window(certificate, now).end < operation.activates_at
