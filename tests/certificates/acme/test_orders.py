"""The limits of an account key, and how long orders are kept (D-336, D-344)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.acme import accounts, orders
from certificates.models import AcmeAccount, AcmeAuthorization, AcmeCertificate, AcmeOrder
from tests.certificates.acme.conftest import Validations, issue, sign
from tests.support.acme_client import AcmeClient

NAME = "web.hosts.example"


def register(account_key: Any) -> Any:
    return AcmeClient().register(account_key.row.key_id, account_key.hmac_key)


@pytest.mark.parametrize(
    ("limit", "status", "kind"),
    [("MAX_ACCOUNTS_PER_HOUR", 429, "rateLimited"), ("MAX_ACCOUNTS", 403, "unauthorized")],
)
def test_the_accounts_of_a_key_are_limited(
    client: AcmeClient, account_key: Any, monkeypatch: Any, limit: str, status: int, kind: str
) -> None:
    monkeypatch.setattr(accounts, limit, 2)
    assert register(account_key).status_code == 201
    response = register(account_key)
    assert (response.status_code, response.json()["type"].rpartition(":")[2]) == (status, kind)
    assert AcmeAccount.objects.count() == 2
    earlier = timezone.now() - timedelta(hours=2)
    AcmeAccount.objects.update(created_at=earlier)
    assert register(account_key).status_code == (201 if status == 429 else 403)


def test_the_open_orders_of_all_accounts_of_a_key_are_limited(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(orders, "MAX_OPEN_ORDERS_OF_KEY", 2)
    other = AcmeClient()
    other.register(account_key.row.key_id, account_key.hmac_key)
    assert client.order("a.hosts.example").status_code == 201
    assert other.order("b.hosts.example").status_code == 201
    response = other.order("c.hosts.example")
    assert response.status_code == 429
    assert "the maximum of 2 open orders together" in response.json()["detail"]
    issue_waiting(client)
    assert other.order("c.hosts.example").status_code == 201


def issue_waiting(client: AcmeClient) -> None:
    """Complete the oldest open order of an account."""
    (url,) = client.post(f"{client.kid}/orders").json()["orders"]
    order = client.post(url).json()
    client.choose(order)
    assert client.finalize(order, "a.hosts.example").status_code == 200
    assert sign() == 1


def test_an_order_with_a_failed_validation_is_not_open(
    client: AcmeClient, validations: Validations, monkeypatch: Any
) -> None:
    monkeypatch.setattr(orders, "MAX_OPEN_ORDERS", 1)
    monkeypatch.setattr(orders, "MAX_OPEN_ORDERS_OF_KEY", 1)
    validations.failing.add(NAME)
    client.choose(client.order(NAME).json())
    assert client.order("second.hosts.example").status_code == 201
    response = client.order("third.hosts.example")
    assert response.status_code == 429
    assert "the maximum of 1 open orders" in response.json()["detail"]


def test_each_account_gets_one_order_although_others_have_filled_the_key(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(orders, "MAX_OPEN_ORDERS_OF_KEY", 1)
    other = AcmeClient()
    other.register(account_key.row.key_id, account_key.hmac_key)
    assert client.order("a.hosts.example").status_code == 201
    assert other.order("b.hosts.example").status_code == 201
    codes = [one.order("c.hosts.example").status_code for one in (client, other)]
    assert codes == [429, 429]


def test_a_deactivated_account_does_not_count(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(accounts, "MAX_ACCOUNTS", 1)
    assert register(account_key).status_code == 403
    assert client.post(client.kid, {"status": "deactivated"}).status_code == 200
    assert register(account_key).status_code == 201
    assert register(account_key).status_code == 403


def test_orders_are_deleted_with_their_csrs_and_certificates_stay(client: AcmeClient) -> None:
    issue(client, NAME)
    client.order("open.hosts.example")
    end = max(AcmeOrder.objects.values_list("expires_at", flat=True))
    orders.delete_old(end + orders.KEPT - timedelta(hours=1))
    assert AcmeOrder.objects.count() == 2
    orders.delete_old(end + orders.KEPT + timedelta(seconds=1))
    assert not AcmeOrder.objects.exists()
    assert not AcmeAuthorization.objects.exists()
    found = AcmeCertificate.objects.get()
    assert (found.subject, found.order) == (NAME, None)
    assert found.is_authentic()
