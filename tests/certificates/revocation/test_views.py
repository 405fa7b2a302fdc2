"""The dialog Revoke Certificate."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from certificates.models import Revocation, ServerCertificate
from tests.certificates.conftest import CA
from tests.support import clients, factories

REVOKE = {"reason": "key-compromise", "confirm": "on"}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: Any) -> None:
    monkeypatch.setattr("certificates.tasks.notify_agents", lambda: None)


@pytest.fixture
def client() -> Client:
    """Return a CA administrator who has just entered the password."""
    return clients.log_in(factories.user("ca-admin", CA), reauthenticated=True, htmx=False)


def get_url(certificate: ServerCertificate) -> str:
    return reverse("certificates:revoke", args=[certificate.device_id, certificate.pk])


def view(client: Client, certificate: ServerCertificate) -> str:
    return client.get(reverse("certificates:server", args=[certificate.device_id])).text


def test_the_certificate_of_a_server_is_revoked_with_a_reason(
    satellite: Any, client: Client
) -> None:
    used = ServerCertificate.objects.current().get(device=satellite.id)
    assert get_url(used) in view(client, used)
    assert client.post(get_url(used), {"reason": "key-compromise"}).status_code == 422
    assert client.post(get_url(used), {"confirm": "on"}).status_code == 422
    assert not Revocation.objects.exists()
    assert client.post(get_url(used), REVOKE).status_code == 302
    assert Revocation.objects.get().reason == "key-compromise"
    shown = view(client, used)
    assert "Revoked" in shown
    assert get_url(used) not in shown
    assert client.get(get_url(used)).status_code == 409
    assert client.post(get_url(used), REVOKE).status_code == 409


def test_the_dialog_shows_what_the_revocation_of_a_certificate_in_use_leads_to(
    zone: Any, satellite: Any, client: Client
) -> None:
    of_satellite = ServerCertificate.objects.current().get(device=satellite.id)
    of_primary = ServerCertificate.objects.current().get(device=zone.first.id)
    shown = client.get(get_url(of_satellite)).text
    assert "It gets a new key and certificate at its next refresh" in shown
    assert "No other Primary Server" not in shown
    assert "No other Primary Server" in client.get(get_url(of_primary)).text
    ServerCertificate.objects.filter(pk=of_satellite.pk).update(superseded_at=timezone.now())
    assert "next refresh" not in client.get(get_url(of_satellite)).text


def test_without_the_right_it_is_neither_offered_nor_possible(
    satellite: Any, client: Client
) -> None:
    used = ServerCertificate.objects.current().get(device=satellite.id)
    client.force_login(factories.user("reader"))
    assert get_url(used) not in view(client, used)
    assert client.post(get_url(used), REVOKE).status_code == 403
    assert not Revocation.objects.exists()


def test_the_password_is_required_again(satellite: Any) -> None:
    used = ServerCertificate.objects.current().get(device=satellite.id)
    user = factories.user("ca-admin", CA)
    client = clients.log_in(user, reauthenticated=False, htmx=False)
    assert "Your password" in client.get(get_url(used)).text
    assert client.post(get_url(used), REVOKE).status_code == 422
    assert not Revocation.objects.exists()
