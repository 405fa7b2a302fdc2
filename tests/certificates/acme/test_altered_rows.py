"""Rows of hosts that were changed with SQL are found when they are used (D-343)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AlteredRow, AuthenticatedModel
from certificates.acme import renewal_info
from certificates.models import AcmeAuthorization, AcmeCertificate, AcmeOrder
from tests.certificates.acme.conftest import issue
from tests.support import hosts
from tests.support.acme_client import AcmeClient
from tests.zcc.rows import sql
from zcc.rows import checks

NAME = "web.hosts.example"


def list_alarms() -> set[str]:
    return {row.label for row in AlteredRow.objects.all()}


def test_an_altered_certificate_is_not_served_and_raises_the_alarm(client: AcmeClient) -> None:
    url = issue(client, NAME)
    row = AcmeCertificate.objects.get()
    renewal = f"/acme/renewal-info/{renewal_info.build_id(row)}"
    sql.change(row, digest="0" * 64)
    assert client.client.get(renewal).status_code == 404
    assert list_alarms() == {"certificates.AcmeCertificate"}
    AlteredRow.objects.all().delete()
    response = client.post(url)
    assert response.status_code >= 400
    assert "was changed in the database" in response.json()["detail"]
    assert list_alarms() == {"certificates.AcmeCertificate"}


def test_a_certificate_whose_chain_was_replaced_is_not_served(client: AcmeClient) -> None:
    url = issue(client, NAME)
    other = hosts.issue("other.hosts.example")
    row = AcmeCertificate.objects.exclude(pk=other.pk).get()
    sql.change(row, chain_pem=other.chain_pem)
    response = client.post(url)
    assert response.status_code >= 400
    assert "CERTIFICATE" not in response.text


@pytest.mark.parametrize(
    ("model", "values"),
    [(AcmeOrder, {"names": ["x.hosts.example"]}), (AcmeAuthorization, {"token": "x" * 43})],
)
def test_an_altered_order_or_authorization_is_not_used_and_raises_the_alarm(
    client: AcmeClient, model: Any, values: dict[str, Any]
) -> None:
    order = client.order(NAME).json()
    sql.change(model.objects.get(), **values)
    response = client.post(order["authorizations"][0])
    assert "was changed in the database" in response.json()["detail"]
    assert list_alarms() == {model._meta.label}


def copy_rows(certificate: AcmeCertificate, number: int) -> None:
    """Insert rows of more hosts, with MACs."""
    order = certificate.order
    assert order is not None
    account = order.account
    orders, authorizations, certificates = [], [], []
    for serial in range(number):
        own = AcmeOrder(guid=uuid4(), account=account, names=[NAME], expires_at=order.expires_at)
        orders.append(own)
        authorizations.append(AcmeAuthorization(order=own, name=NAME, token="x"))
        values = {
            field.attname: getattr(certificate, field.attname)
            for field in AcmeCertificate._meta.concrete_fields
        }
        values |= {"guid": uuid4(), "order_id": own.pk, "digest": f"{serial:064x}"}
        certificates.append(AcmeCertificate(**values))
    AcmeOrder.objects.bulk_create(orders)
    AcmeAuthorization.objects.bulk_create(authorizations)
    AcmeCertificate.objects.bulk_create(certificates)


def test_the_periodic_check_costs_the_same_for_one_host_and_for_many(
    zone: Any, monkeypatch: Any
) -> None:
    checked: list[str] = []
    original = AuthenticatedModel.is_authentic

    def is_authentic(row: AuthenticatedModel) -> bool:
        checked.append(row._meta.label)
        return original(row)

    monkeypatch.setattr(AuthenticatedModel, "is_authentic", is_authentic)

    def measure() -> tuple[int, list[str]]:
        checked.clear()
        with CaptureQueriesContext(connection) as statements:
            assert checks.check_rows(every_device=False) == 0
        return len(statements), sorted(checked)

    certificate = hosts.issue(NAME)
    measure()
    before = measure()
    copy_rows(certificate, 300)
    assert measure() == before
    assert "devices.Device" in before[1]
    assert checks.check_rows() == 0
    assert checked.count("certificates.AcmeCertificate") == 301


def test_the_daily_check_finds_an_altered_row_that_is_not_used(zone: Any) -> None:
    certificate = hosts.issue(NAME)
    sql.change(certificate, digest="0" * 64)
    assert checks.check_rows(every_device=False) == 0
    assert checks.check_rows() == 1
    assert list_alarms() == {"certificates.AcmeCertificate"}
