"""The page ACME Accounts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from certificates.acme.account_keys import keys
from certificates.models import AcmeAccountKey
from tests.certificates.conftest import CA
from tests.support import clients, factories, hosts

VALUES = {"label": "web", "names": "*.hosts.example\nwww.outside.example", "days": "7"}


@pytest.fixture
def client(zone: Any) -> Client:
    """Return a CA administrator who has just entered the password."""
    return clients.log_in(factories.user("ca-admin", CA), reauthenticated=True, htmx=False)


def get_url() -> str:
    return reverse("certificates:acme_accounts")


def test_a_key_is_created_and_shown_once(client: Client) -> None:
    assert "the ACME and EST servers are off" in client.get(get_url()).text
    response = client.post(get_url(), VALUES)
    assert response.status_code == 201
    row = AcmeAccountKey.objects.get()
    assert row.names == ["*.hosts.example", "www.outside.example"]
    assert row.created_by == "ca-admin"
    assert f"--eab-kid={row.key_id} --eab-hmac-key=" in response.text
    assert response.headers["Cache-Control"] == "no-store"
    shown = client.get(get_url()).text
    assert row.key_id in shown
    assert "--eab-hmac-key" not in shown


def test_a_key_allows_est_only_if_it_was_selected(client: Client) -> None:
    response = client.post(get_url(), VALUES)
    assert not AcmeAccountKey.objects.get().allows_est
    assert "simpleenroll" not in response.text
    response = client.post(get_url(), {**VALUES, "label": "printers", "allows_est": "on"})
    row = AcmeAccountKey.objects.get(label="printers")
    assert row.allows_est
    assert f"--user &quot;{row.key_id}:" in response.text
    assert "/.well-known/est/simpleenroll" in response.text
    assert "ACME, EST" in client.get(get_url()).text
    export = client.get(get_url(), {"export": "csv"})
    content = b"".join(export) if export.streaming else export.content
    assert b"ACME, EST" in content


def test_wrong_names_are_shown_at_their_field(client: Client) -> None:
    response = client.post(get_url(), {**VALUES, "names": "*.com"})
    assert response.status_code == 422
    assert "No key was created." in response.text
    assert not AcmeAccountKey.objects.exists()


def test_a_key_is_disabled_after_a_confirmation(client: Client) -> None:
    made = keys.create("web", ["a.example.com"], expires_at=None, now=timezone.now())
    url = reverse("certificates:disable_acme_account", args=[made.row.pk])
    assert url in client.get(get_url()).text
    assert "no further certificates" in client.get(url).text
    assert AcmeAccountKey.objects.get().disabled_at is None
    assert client.post(url).status_code == 302
    assert AcmeAccountKey.objects.get().disabled_at is not None
    assert url not in client.get(get_url()).text


def test_the_dialog_names_the_hosts_that_cannot_renew_with_a_disabled_key(client: Client) -> None:
    now = timezone.now()
    key = keys.create("fleet", ["*.hosts.example"], expires_at=None, allows_est=True, now=now).row
    url = reverse("certificates:disable_acme_account", args=[key.pk])
    assert "cannot renew" not in client.get(url).text
    hosts.issue("web.hosts.example", account_key=key)
    assert "1 host has a certificate of this key, and cannot renew" in client.get(url).text
    hosts.issue("db.hosts.example", account_key=key)
    hosts.issue("www.outside.example")
    assert "2 hosts have certificates of this key, and cannot renew" in client.get(url).text
    german = client.get(url, headers={"Accept-Language": "de"}).text
    assert "2 Hosts haben Zertifikate dieses Schlüssels" in german


def test_keys_are_filtered_and_exported(client: Client) -> None:
    first = keys.create("first", ["a.example.com"], expires_at=None, now=timezone.now())
    keys.create("second", ["b.example.com"], expires_at=None, now=timezone.now())
    keys.disable(first.row.pk, now=timezone.now())
    shown = client.get(get_url(), {"state": "enabled"}).text
    assert "b.example.com" in shown
    assert "a.example.com" not in shown
    export = client.get(get_url(), {"export": "csv"})
    content = b"".join(export) if export.streaming else export.content
    assert b"a.example.com" in content


def test_only_ca_administrators_see_it(zone: Any) -> None:
    client = clients.log_in(factories.user("reader"), htmx=False)
    assert client.get(get_url()).status_code == 403
    assert client.post(get_url(), VALUES).status_code == 403
