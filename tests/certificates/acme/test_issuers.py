"""Which CA signs certificates of hosts while the zone CA changes, and what hosts learn about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from certificates.acme import hosts as host_counts
from certificates.acme import issuers, renewal_info
from certificates.est import ca_certificates
from certificates.models import AcmeCertificate, Authority, Operation
from certificates.operations import cancellation, rollback
from certificates.trust import roots
from tests.certificates.acme.conftest import issue
from tests.support import clients, factories, hosts, walkthrough
from tests.support.acme_client import AcmeClient

NAME, EARLY, LATER = "web.hosts.example", "early.hosts.example", "later.hosts.example"


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


def get_window(certificate: AcmeCertificate) -> renewal_info.Window:
    """Return when a host renews, as its ACME client receives it."""
    path = f"/acme/renewal-info/{renewal_info.build_id(certificate)}"
    found = Client().get(path).json()["suggestedWindow"]
    return renewal_info.Window(*(datetime.fromisoformat(found[end]) for end in ("start", "end")))


def get_issuer(client: AcmeClient, name: str) -> Authority:
    """Return the CA of a new certificate of an ACME client."""
    issue(client, name)
    return AcmeCertificate.objects.get(subject=name).authority


@pytest.fixture
def early(operation: Operation) -> AcmeCertificate:
    """Return the certificate of a host that has renewed before the activation."""
    found = hosts.issue(EARLY)
    assert found.authority == operation.future_authority
    return found


@pytest.fixture
def canceled(operation: Operation, early: AcmeCertificate) -> Operation:
    """Return the operation after its cancellation."""
    cancellation.cancel(operation, now=timezone.now())
    assert host_counts.count(walkthrough.fresh(operation), timezone.now()) == (1, 0)
    cancellation.finish_cancellation(walkthrough.fresh(operation), now=timezone.now())
    found = walkthrough.fresh(operation)
    assert found.state == "canceled"
    assert found.future_authority.state == "discarded"
    return found


def test_after_a_cancellation_the_hosts_with_certificates_of_the_discarded_ca_are_named(
    canceled: Operation, early: AcmeCertificate
) -> None:
    now = timezone.now()
    assert host_counts.count(canceled, now) == (1, 0)
    assert not host_counts.is_ready(canceled, early)
    browser: Client = clients.log_in(factories.admin(), htmx=False)
    page = browser.get(reverse("certificates:operation", args=[canceled.pk])).text
    assert "is from the CA of this operation, which is not the zone CA" in page
    assert EARLY in page
    assert NAME not in page
    found = browser.get(f"/api/v1/operations/{canceled.pk}/hosts-at-risk").json()["items"]
    assert [one["name"] for one in found] == [EARLY]
    # Their chain leads to the old root, which stays until they have renewed.
    old = Authority.objects.current()
    assert {one.subject for one in roots.get_host_certificates(old, now)} == {NAME, EARLY}


def test_after_a_cancellation_hosts_return_to_the_zone_ca(
    client: AcmeClient, canceled: Operation, early: AcmeCertificate, certificate: AcmeCertificate
) -> None:
    old, now = Authority.objects.current(), timezone.now()
    assert get_window(early).end < now
    assert get_window(certificate).start > now + timedelta(days=10)
    assert ca_certificates.list_ca_certificates(now) == [old.root_pem]
    assert get_issuer(client, LATER) == old
    assert hosts.issue("est.hosts.example").authority == old


def test_a_further_operation_does_not_let_them_wait(
    zone: Any, canceled: Operation, early: AcmeCertificate, certificate: AcmeCertificate
) -> None:
    further = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20))
    walkthrough.prepare(zone, further)
    Operation.objects.filter(pk=further.pk).update(state="assigned")
    assert get_window(early).end < timezone.now()
    assert timezone.now() < get_window(certificate).end < further.activates_at


@pytest.fixture
def rolled_back(zone: Any, certificate: AcmeCertificate) -> Operation:
    """Return a Remint CA that was completed, used by a host, and rolled back."""
    walkthrough.prepare(zone, walkthrough.remint_ca())
    operation = walkthrough.step(Operation.objects.get())
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    walkthrough.cut_over(zone, operation)
    assert hosts.issue(EARLY).authority == walkthrough.fresh(operation).future_authority
    rollback.roll_back(walkthrough.fresh(operation), now=timezone.now() + timedelta(minutes=11))
    return walkthrough.fresh(operation)


def test_after_a_rollback_hosts_return_to_the_previous_ca(
    client: AcmeClient, rolled_back: Operation, certificate: AcmeCertificate
) -> None:
    old, now = Authority.objects.current(), timezone.now()
    assert certificate.authority == old
    early = AcmeCertificate.objects.get(subject=EARLY)
    assert host_counts.count(rolled_back, now) == (1, 0)
    assert [one.subject for one in host_counts.list_at_risk(rolled_back, now)] == [EARLY]
    assert get_window(early).end < now
    assert get_window(certificate).start > now + timedelta(days=10)
    found = ca_certificates.list_ca_certificates(now)
    # Both roots are trusted until the grace period is over. That of the zone CA comes first.
    assert found[0] == old.root_pem
    assert early.authority.root_pem in found
    assert get_issuer(client, LATER) == old
    assert hosts.issue("est.hosts.example").authority == old
    # The host has renewed, so it is no longer named.
    AcmeCertificate.objects.filter(pk=early.pk).update(replaced_at=timezone.now())
    assert host_counts.count(rolled_back, timezone.now()) == (0, 0)
