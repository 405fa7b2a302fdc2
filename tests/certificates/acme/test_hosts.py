"""A change of the CA: hosts renew before the activation, and the others are named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from certificates.acme import hosts, issuers, renewal_info, signing
from certificates.models import AcmeCertificate, Authority, CrossCertificate, Operation
from pki.chains import chains
from tests.certificates.acme.conftest import issue
from tests.certificates.future_ca.test_key_operations import CORPORATE, change, finish
from tests.support import clients, factories, walkthrough
from tests.support.acme_client import AcmeClient

NAME, OTHER = "web.hosts.example", "db.hosts.example"


@pytest.fixture
def certificates(client: AcmeClient) -> list[AcmeCertificate]:
    """Two hosts have a certificate of the old CA."""
    for name in (NAME, OTHER):
        client.post(issue(client, name))
    return list(AcmeCertificate.objects.order_by("-subject"))


@pytest.fixture
def operation(zone: Any, certificates: Any) -> Operation:
    """Remint CA, whose update is assigned."""
    found = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20))
    walkthrough.prepare(zone, found)
    Operation.objects.filter(pk=found.pk).update(state="assigned")
    return walkthrough.fresh(found)


def test_without_an_operation_nobody_is_at_risk(certificates: Any, zone: Any) -> None:
    authority = Authority.objects.current()
    assert issuers.find_issuing_authority(timezone.now()) == authority
    window = renewal_info.get_window(certificates[0], timezone.now())
    assert window.start > timezone.now() + timedelta(days=10)


def test_hosts_renew_before_the_activation_and_are_ready(
    client: AcmeClient, certificates: Any, operation: Operation
) -> None:
    now, old = timezone.now(), Authority.objects.current()
    assert hosts.count(operation, now) == (2, 0)
    assert [one.subject for one in hosts.list_at_risk(operation, now)] == [OTHER, NAME]
    window = renewal_info.get_window(certificates[0], now)
    assert window.start <= timezone.now()
    assert now < window.end < operation.activates_at
    new = issuers.get_issuing_authority(now)
    assert new == operation.future_authority
    replaces = renewal_info.build_id(certificates[0])
    response = client.order(NAME, replaces=replaces)
    client.choose(response.json())
    client.finalize(response.json(), NAME)
    assert signing.sign_batch(old, now=timezone.now()) == 0
    assert signing.sign_batch(new, now=timezone.now()) == 1
    url = client.post(response.headers["Location"]).json()["certificate"]
    # The host is ready when it has the chain, not when the chain exists.
    assert hosts.count(operation, timezone.now()) == (2, 0)
    chain = client.post(url).text
    assert hosts.count(operation, timezone.now()) == (2, 1)
    assert [one.subject for one in hosts.list_at_risk(operation, timezone.now())] == [OTHER]
    for root in (old.root_pem, new.root_pem):
        assert chains.verify_chain(chain, roots=[root], host=NAME, now=timezone.now())


def test_without_a_cross_certificate_the_old_ca_signs_until_the_activation(
    certificates: Any, operation: Operation
) -> None:
    CrossCertificate.objects.all().delete()
    assert issuers.find_issuing_authority(timezone.now()) == Authority.objects.current()


def test_after_the_activation_hosts_renew_at_once(certificates: Any, operation: Operation) -> None:
    now = timezone.now()
    later = operation.activates_at - timedelta(minutes=1)
    assert renewal_info.get_window(certificates[0], later).end < later
    old, new = Authority.objects.current(), operation.future_authority
    Authority.objects.transition(old, "grace")
    Authority.objects.transition(new, "current")
    Operation.objects.filter(pk=operation.pk).update(state="completed", activated_at=now)
    assert renewal_info.get_window(certificates[0], now).end < now
    assert hosts.count(walkthrough.fresh(operation), now).at_risk == 2


def test_the_page_of_the_operation_names_the_hosts(operation: Operation) -> None:
    browser: Client = clients.log_in(factories.admin(), htmx=False)
    page = browser.get(reverse("certificates:operation", args=[operation.pk])).text
    assert "Hosts Without an Agent" in page
    assert NAME in page
    assert OTHER in page
    found = browser.get(f"/api/v1/operations/{operation.pk}/hosts-at-risk")
    assert [one["name"] for one in found.json()["items"]] == [OTHER, NAME]


def test_the_live_pane_follows_the_hosts(certificates: Any, operation: Operation) -> None:
    browser: Client = clients.log_in(factories.admin(), htmx=True)
    live = reverse("certificates:operation_live", args=[operation.pk])
    before = browser.get(live).text.split("?rev=")[1].split('"')[0]
    assert browser.get(live, {"rev": before}).status_code == 204
    AcmeCertificate.objects.filter(subject=NAME).update(authority=operation.future_authority_id)
    changed = browser.get(live, {"rev": before})
    assert changed.status_code == 200
    assert "zcc:rows" in changed.headers["HX-Trigger"]


def test_without_acme_the_page_of_an_operation_is_as_before(zone: Any) -> None:
    found = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20))
    browser: Client = clients.log_in(factories.admin(), htmx=False)
    page = browser.get(reverse("certificates:operation", args=[found.pk])).text
    assert "Hosts Without an Agent" not in page


def test_a_canceled_operation_has_no_hosts_at_risk(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(state="canceled")
    found = walkthrough.fresh(operation)
    assert hosts.count(found, timezone.now()) == (0, 0)
    assert not hosts.list_at_risk(found, timezone.now()).exists()


def test_below_a_subordinate_ca_the_chain_leads_to_both_roots(
    client: AcmeClient, zone: Any
) -> None:
    finish(zone, change(zone))
    client.post(issue(client, NAME))
    chain, now = AcmeCertificate.objects.get().chain_pem, timezone.now()
    for root in (CORPORATE.root.pem, Authority.objects.current().root_pem):
        assert chains.verify_chain(chain, roots=[root], host=NAME, now=now)
