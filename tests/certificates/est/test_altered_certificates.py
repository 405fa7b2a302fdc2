"""A renewal depends on the certificate that the CA has signed, not on what its record says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.acme.account_keys import keys
from certificates.models import AcmeAccountKey, AcmeCertificate, AcmeOrder
from pki import keys as pki_keys
from tests.certificates.est.conftest import NAME, OTHER, EstClient, build, encode, sign
from tests.support import factories
from tests.zcc.rows import sql

OWN = pki_keys.generate_key(256)


@pytest.fixture
def expired(client: EstClient, account_key: keys.NewKey) -> AcmeCertificate:
    """Return the certificate of a host whose account key has expired. An attacker knows the key."""
    client.get_certificate(encode(build(NAME)))
    past = timezone.now() - timedelta(minutes=1)
    AcmeAccountKey.objects.filter(pk=account_key.row.pk).update(expires_at=past)
    assert client.post("simplereenroll", encode(build(NAME, key=OWN))).status_code == 403
    return AcmeCertificate.objects.get()


def test_another_certificate_in_the_record_is_not_renewed(
    client: EstClient, expired: AcmeCertificate
) -> None:
    forged = factories.root_pem("FORGED", factories.now(), factories.now() + factories.YEAR)
    sql.change(expired, chain_pem=forged + expired.chain_pem)
    for key in (OWN, factories._key(0)):
        response = client.post("simplereenroll", encode(build(NAME, key=key)))
        assert response.status_code == 403
        assert "was changed in the database" in response.text
    assert AcmeOrder.objects.count() == 1


def test_other_names_in_the_record_are_not_renewed(
    client: EstClient, expired: AcmeCertificate
) -> None:
    sql.change(expired, names=[OTHER])
    response = client.post("simplereenroll", encode(build(OTHER)))
    assert response.status_code == 403
    assert "were changed in the database" in response.text
    assert AcmeOrder.objects.count() == 1


def test_an_order_whose_replaced_certificate_was_changed_with_sql_is_not_signed(
    client: EstClient,
) -> None:
    client.get_certificate(encode(build(NAME)))
    assert client.post("simplereenroll", encode(build(NAME, key=OWN))).status_code == 202
    order = AcmeOrder.objects.get(certificate=None)
    sql.change(order, replaces_id=None)
    sign()
    assert AcmeCertificate.objects.count() == 1
    order.refresh_from_db()
    assert "was changed in the database" in order.problem["detail"]
