"""HTTP Basic with an account key."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry, list_rows
from certificates.acme import accounts
from certificates.acme.account_keys import keys
from certificates.acme.problems import AccountDoesNotExist
from certificates.models import AcmeAccount, AcmeAccountKey, AcmeOrder
from tests.certificates.est.conftest import BASE, NAME, EstClient, build, encode


def test_without_a_key_that_allows_est_there_is_no_est_server(zone: Any) -> None:
    keys.create("acme", ["*.hosts.example"], expires_at=None, now=timezone.now())
    for path in ("cacerts", "csrattrs"):
        assert Client().get(f"{BASE}/{path}").status_code == 404
    for path in ("simpleenroll", "simplereenroll"):
        assert Client().post(f"{BASE}/{path}").status_code == 404


def test_a_disabled_key_ends_the_est_server(client: EstClient, account_key: keys.NewKey) -> None:
    keys.disable(account_key.row.pk, now=timezone.now())
    assert client.enroll(NAME).status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        "Basic \u00e9",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"nobody").decode(),
        "Bearer x",
    ],
)
def test_a_request_without_a_valid_key_is_rejected(client: EstClient, header: str) -> None:
    response = client.post("simpleenroll", encode(build(NAME)), authorization=header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="EST", charset="UTF-8"'
    assert response.headers["Content-Type"] == "text/plain"
    assert "The key ID or the HMAC key is not valid." in response.text
    assert not AcmeOrder.objects.exists()


def test_a_key_of_another_key_is_rejected(client: EstClient) -> None:
    other = keys.create("b", ["*.hosts.example"], expires_at=None, now=timezone.now())
    assert EstClient(client.key_id, other.hmac_key).enroll(NAME).status_code == 401
    assert EstClient("unknown", accounts.get_hmac_key("unknown")).enroll(NAME).status_code == 401


def test_a_deleted_key_is_rejected(client: EstClient, account_key: keys.NewKey) -> None:
    keys.create("b", ["a.example.com"], expires_at=None, allows_est=True, now=timezone.now())
    account_key.row.delete()
    assert client.enroll(NAME).status_code == 401


def test_a_key_that_does_not_allow_est_is_rejected(client: EstClient) -> None:
    acme = keys.create("acme", ["*.hosts.example"], expires_at=None, now=timezone.now())
    response = EstClient(acme.row.key_id, acme.hmac_key).enroll(NAME)
    assert response.status_code == 403
    assert "does not allow EST" in response.text


def test_a_disabled_key_is_rejected(client: EstClient, account_key: keys.NewKey) -> None:
    keys.create("b", ["a.example.com"], expires_at=None, allows_est=True, now=timezone.now())
    keys.disable(account_key.row.pk, now=timezone.now())
    response = client.enroll(NAME)
    assert response.status_code == 403
    assert "disabled the account key" in response.text


def test_with_an_expired_key_no_host_enrolls(client: EstClient) -> None:
    AcmeAccountKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = client.enroll(NAME)
    assert response.status_code == 403
    assert "The account key has expired." in response.text
    assert not AcmeOrder.objects.exists()


@pytest.mark.parametrize(
    "change", [{"allows_est": True}, {"names": ["*.other.example"]}, {"expires_at": None}]
)
def test_a_key_that_was_changed_with_sql_is_rejected(zone: Any, change: Any) -> None:
    now = timezone.now()
    keys.create("b", ["a.example.com"], expires_at=None, allows_est=True, now=now)
    made = keys.create("a", ["*.hosts.example"], expires_at=now + timedelta(days=1), now=now)
    list_rows(AcmeAccountKey).filter(pk=made.row.pk).update(**change)
    assert EstClient(made.row.key_id, made.hmac_key).enroll(NAME).status_code == 401


def test_failures_are_limited_but_not_valid_requests(client: EstClient) -> None:
    wrong = EstClient(client.key_id, "x")
    assert [wrong.enroll(NAME).status_code for _number in range(21)] == [401] * 20 + [429]
    response = wrong.enroll(NAME)
    assert int(response.headers["Retry-After"]) > 0
    assert "No certificate was issued." in response.text
    assert client.enroll(NAME).status_code == 202


def test_the_clients_of_a_key_share_an_account_that_acme_clients_cannot_use(
    client: EstClient, account_key: keys.NewKey
) -> None:
    client.enroll(NAME)
    client.enroll("b.hosts.example")
    account = AcmeAccount.objects.get()
    assert account.is_of_est
    entry = Entry.objects.get(action="est-account")
    assert (entry.actor, entry.note) == ("EST: appliances", "appliances")
    with pytest.raises(AccountDoesNotExist):
        accounts.find_by_id(str(account.pk))
