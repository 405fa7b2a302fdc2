"""The names at which ACME clients reach the server: a relay under another name is rejected."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from certificates.acme.account_keys import keys
from certificates.models import AcmeAccount, AcmeAccountKey, AcmeOrder
from devices.models import Device
from tests.support import clients, factories
from tests.support.acme_client import AcmeClient, sign

ORDER = {"identifiers": [{"type": "dns", "value": "a.hosts.example"}]}
RELAY = "relay.example"


@pytest.fixture(autouse=True)
def any_host(settings: Any) -> None:
    """Permit every host, as a console without ZCC_ALLOWED_HOSTS does."""
    settings.ALLOWED_HOSTS = ["*", "testserver"]


@pytest.fixture
def server(zone: Any) -> Device:
    """Give the Primary Server names and addresses."""
    Device.objects.primaries().update(
        fqdn="ps-01.example.com",
        addresses=["192.0.2.10", "2001:db8::10"],
        dns_names=["console.example.com"],
    )
    return Device.objects.primaries().get()


def reach(host: str) -> Any:
    """Request the directory at a host."""
    return Client().get("/acme/directory", headers={"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "ps-01.example.com:8443",
        "PS-01.example.com",
        "console.example.com",
        "192.0.2.10:8443",
        "[2001:db8:0::10]:8443",
    ],
)
def test_names_and_addresses_of_primary_servers_are_accepted(
    account_key: keys.NewKey, server: Device, host: str
) -> None:
    found = reach(host)
    assert found.status_code == 200
    assert found.json()["newOrder"] == f"http://{host}/acme/new-order"


@pytest.mark.parametrize("host", [RELAY, "192.0.2.11", "localhost:8443", "x.ps-01.example.com"])
def test_other_names_are_rejected(account_key: keys.NewKey, server: Device, host: str) -> None:
    found = reach(host)
    assert found.status_code == 403
    assert found.json()["type"] == "urn:ietf:params:acme:error:unauthorized"
    assert "not a name of a Primary Server" in found.json()["detail"]
    assert "ZCC_ALLOWED_HOSTS" in found.json()["detail"]


@pytest.mark.parametrize("role", ["satellite", "managed"])
def test_names_of_other_devices_are_rejected(
    account_key: keys.NewKey, server: Device, zone: Any, role: str
) -> None:
    Device.objects.filter(pk=zone.join("pc-01").guid).update(role=role, fqdn=RELAY)
    assert reach(RELAY).status_code == 403


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", ["*", "proxy.example"]),
        ("ALLOWED_HOSTS", [".example"]),
        ("CONSOLE_URL", "https://proxy.example"),
        ("CSRF_TRUSTED_ORIGINS", ["https://proxy.example"]),
    ],
)
def test_names_in_the_settings_are_accepted(
    account_key: keys.NewKey, server: Device, settings: Any, name: str, value: Any
) -> None:
    assert reach("proxy.example").status_code == 403
    setattr(settings, name, value)
    assert reach("proxy.example").status_code == 200


def test_a_request_that_was_signed_for_a_relay_changes_nothing(
    client: AcmeClient, settings: Any, server: Device
) -> None:
    """A relay forwards a request with its own name, so that the signed URL is that of it."""
    url = f"http://{RELAY}/acme/new-order"
    kid = client.kid.replace("testserver", RELAY)
    body = sign(client.key, {"nonce": client.get_nonce(), "url": url, "kid": kid}, ORDER)
    raw = client.client
    found = raw.post(
        "/acme/new-order", body, content_type="application/jose+json", headers={"host": RELAY}
    )
    assert (found.status_code, found.json()["type"].rpartition(":")[2]) == (403, "unauthorized")
    assert not AcmeOrder.objects.exists()
    # With the name in the settings, it is accepted, so the name was the reason.
    settings.ALLOWED_HOSTS = [RELAY, "testserver"]
    found = raw.post(
        "/acme/new-order", body, content_type="application/jose+json", headers={"host": RELAY}
    )
    assert found.status_code == 201


def test_an_account_key_does_not_help_a_relay(account_key: keys.NewKey, server: Device) -> None:
    url = f"http://{RELAY}/acme/new-account"
    client = AcmeClient()
    client.client = Client(headers={"host": RELAY})
    found = client.send(url, {})
    assert found.status_code == 403
    assert not AcmeAccount.objects.exists()


def test_the_page_shows_an_address_that_clients_can_use(server: Device) -> None:
    Device.objects.primaries().update(port=8443)
    browser = clients.log_in(factories.admin(), htmx=False)
    page = reverse("certificates:acme_accounts")
    assert (
        "http://console.example.com/acme/directory"
        in browser.get(page, headers={"host": "console.example.com"}).text
    )
    found = browser.get(page, headers={"host": RELAY}).text
    assert "https://192.0.2.10:8443/acme/directory" in found
    assert RELAY not in found
    assert not AcmeAccountKey.objects.exists()
