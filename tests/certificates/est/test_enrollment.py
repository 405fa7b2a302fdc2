"""Enroll and renew: which CSRs get a certificate."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from django.utils import timezone

from audit.models import Entry, list_rows
from certificates.acme import orders, revoking
from certificates.acme.account_keys import keys
from certificates.est import views
from certificates.models import (
    AcmeAccountKey,
    AcmeAuthorization,
    AcmeCertificate,
    AcmeOrder,
    Authority,
)
from devices.models import Device
from pki import keys as pki_keys
from pki.certificates import details
from pki.chains import chains
from pki.formats import bundles
from tests.certificates.est.conftest import KEY, NAME, OTHER, EstClient, build, encode, parse, sign
from tests.pki import factories

EMAIL = x509.RFC822Name("a@hosts.example")
NEW_KEY = pki_keys.generate_key(256)


def test_a_host_gets_a_certificate_and_renews_it(client: EstClient) -> None:
    first = client.get_certificate(encode(build(OTHER, NAME)))
    found = details.get_details(first)
    assert set(found.dns_names) == {OTHER, NAME}
    row = AcmeCertificate.objects.get()
    assert (row.subject, row.names) == (OTHER, [OTHER, NAME])
    assert row.fetched_at is not None
    root = Authority.objects.current().root_pem
    assert chains.verify_chain(first, roots=[root], host=NAME, now=timezone.now())
    second = client.get_certificate(encode(build(OTHER, NAME, key=NEW_KEY)), "simplereenroll")
    assert second != first
    row.refresh_from_db()
    assert row.replaced_at is not None
    entry = Entry.objects.filter(action="issue", detail__account_key="appliances")
    assert entry.count() == 2


def test_the_same_csr_gets_the_certificate_that_was_signed_in_the_meantime(
    client: EstClient,
) -> None:
    body = encode(build(NAME))
    response = client.post("simpleenroll", body)
    assert response.status_code == 202
    assert response.headers["Retry-After"] == "5"
    assert client.post("simpleenroll", body).status_code == 202
    assert AcmeOrder.objects.count() == 1
    assert sign() == 1
    first, second = (client.post("simpleenroll", body) for _number in range(2))
    assert first.status_code == second.status_code == 200
    assert parse(first) == parse(second)
    assert AcmeCertificate.objects.count() == 1


def test_a_repeated_renewal_gets_the_certificate_whose_response_was_lost(
    client: EstClient,
) -> None:
    client.get_certificate(encode(build(NAME)))
    body = encode(build(NAME, key=NEW_KEY))
    renewed = client.get_certificate(body, "simplereenroll")
    again = client.post("simplereenroll", body)
    assert again.status_code == 200
    assert parse(again) == [renewed]
    assert AcmeOrder.objects.count() == AcmeCertificate.objects.count() == 2


def test_a_host_renews_with_the_csr_of_its_first_certificate(client: EstClient) -> None:
    body = encode(build(NAME))
    first = client.get_certificate(body)
    assert client.get_certificate(body, "simplereenroll") != first


def test_a_certificate_that_is_signed_in_the_meantime_is_returned_at_once(
    client: EstClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr(views, "WAIT_SECONDS", 60)
    monkeypatch.setattr("certificates.est.views.time.sleep", lambda _seconds: sign())
    assert client.enroll(NAME).status_code == 200
    # Only one request of a process occupies a thread.
    with views._waiting:
        assert client.enroll(OTHER).status_code == 202


def test_another_account_key_does_not_get_the_certificate(client: EstClient) -> None:
    body = encode(build(NAME))
    client.get_certificate(body)
    made = keys.create(
        "b", ["*.hosts.example"], expires_at=None, allows_est=True, now=timezone.now()
    )
    other = EstClient(made.row.key_id, made.hmac_key)
    assert other.post("simpleenroll", body).status_code == 202
    response = other.post("simplereenroll", encode(build(NAME)))
    assert response.status_code == 403
    assert "no valid certificate with this subject" in response.text


def test_a_revoked_certificate_is_neither_returned_nor_renewed(client: EstClient) -> None:
    body = encode(build(NAME))
    client.get_certificate(body)
    certificate = AcmeCertificate.objects.get()
    revoking.revoke(certificate, "key-compromise", now=timezone.now())
    assert client.post("simplereenroll", body).status_code == 403
    assert client.post("simpleenroll", body).status_code == 202


@pytest.mark.parametrize("dns", [(OTHER,), (NAME, OTHER)])
def test_a_renewal_must_have_the_names_of_the_certificate(
    client: EstClient, dns: tuple[str, ...]
) -> None:
    client.get_certificate(encode(build(NAME)))
    assert client.post("simplereenroll", encode(build(*dns))).status_code == 403


def test_a_renewal_must_have_the_subject_of_the_certificate(client: EstClient) -> None:
    client.get_certificate(encode(build(NAME, OTHER)))
    other = encode(build(NAME, OTHER, common_name=OTHER))
    assert client.post("simplereenroll", other).status_code == 403


def test_with_an_expired_key_only_the_key_of_the_certificate_is_renewed(client: EstClient) -> None:
    client.get_certificate(encode(build(NAME)))
    AcmeAccountKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = client.post("simplereenroll", encode(build(NAME, key=NEW_KEY)))
    assert response.status_code == 403
    assert "not for the key of the certificate" in response.text
    assert client.get_certificate(encode(build(NAME)), "simplereenroll")


def test_names_of_servers_and_names_that_the_key_does_not_permit_are_rejected(
    client: EstClient,
) -> None:
    Device.objects.filter(name="ps-01").update(fqdn="ps-01.hosts.example")
    assert client.enroll("ps-01.hosts.example").status_code == 403
    response = client.enroll("a.other.example")
    assert response.status_code == 403
    assert "The account key does not permit the name a.other.example." in response.text
    assert not AcmeOrder.objects.exists()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"dns": (NAME,), "common_name": OTHER}, "common name"),
        ({"dns": (NAME,), "addresses": ("192.0.2.1",)}, "DNS names"),
        ({"dns": (), "common_name": NAME}, "DNS names"),
    ],
)
def test_csrs_with_other_names_are_rejected(client: EstClient, values: Any, text: str) -> None:
    values = dict(values)
    response = client.post("simpleenroll", encode(build(*values.pop("dns"), **values)))
    assert response.status_code == 400
    assert text in response.text
    assert not AcmeOrder.objects.exists()


def test_wildcards_and_other_kinds_of_names_are_rejected(client: EstClient) -> None:
    for name, text in ((x509.DNSName("*.hosts.example"), "wildcard"), (EMAIL, "DNS names")):
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=True)
        request = builder.sign(factories.private(KEY), hashes.SHA256())
        body = base64.b64encode(request.public_bytes(serialization.Encoding.DER))
        response = client.post("simpleenroll", body)
        assert response.status_code == 400
        assert text in response.text


def test_a_csr_without_proof_of_possession_is_rejected(client: EstClient) -> None:
    der = bytearray(bundles.to_der(build(NAME)))
    der[-3] ^= 1
    response = client.post("simpleenroll", base64.b64encode(der))
    assert response.status_code == 400
    assert not AcmeOrder.objects.exists()


@pytest.mark.parametrize("body", [b"\n", b"!", base64.b64encode(b"no CSR"), b"\xff\x00"])
def test_what_is_no_csr_is_rejected(client: EstClient, body: bytes) -> None:
    response = client.post("simpleenroll", body)
    assert response.status_code == 400
    assert response.text.strip()


def test_a_huge_request_is_rejected(client: EstClient) -> None:
    assert client.post("simpleenroll", b"A" * (64 * 1024 + 1)).status_code == 413


def test_another_content_type_is_rejected(client: EstClient) -> None:
    response = client.post("simpleenroll", encode(build(NAME)), content_type="text/plain")
    assert response.status_code == 415
    assert "application/pkcs10" in response.text


def test_too_many_orders_are_rejected(client: EstClient, monkeypatch: Any) -> None:
    monkeypatch.setattr(orders, "MAX_OPEN_EST_ORDERS", 2)
    codes = [client.enroll(f"h{number}.hosts.example").status_code for number in range(3)]
    assert codes == [202, 202, 429]


def test_open_orders_of_the_accounts_of_a_key_do_not_stop_its_est_clients(
    client: EstClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr(orders, "MAX_OPEN_ORDERS_OF_KEY", 1)
    assert [client.enroll(name).status_code for name in (NAME, OTHER)] == [202, 202]


def test_the_worker_rejects_names_that_the_key_no_longer_permits(client: EstClient) -> None:
    body = encode(build(NAME))
    assert client.post("simpleenroll", body).status_code == 202
    AcmeAccountKey.objects.update(names=["*.other.example"])
    sign()
    assert AcmeOrder.objects.get().problem["status"] == 403
    assert not AcmeCertificate.objects.exists()


def test_the_worker_tells_the_waiting_client_why_it_rejects(
    client: EstClient, monkeypatch: Any
) -> None:
    def sign_without_permission(_now: Any) -> None:
        AcmeAccountKey.objects.update(names=["*.other.example"])
        sign()

    monkeypatch.setattr("certificates.tasks.enqueue_acme_signing", sign_without_permission)
    response = client.enroll(NAME)
    assert response.status_code == 403
    assert "The account key does not permit the name" in response.text


@pytest.mark.parametrize("model", [AcmeOrder, AcmeAuthorization])
def test_an_order_that_was_changed_with_sql_is_not_signed(client: EstClient, model: Any) -> None:
    client.enroll(NAME)
    field = "names" if model is AcmeOrder else "name"
    value = [OTHER] if model is AcmeOrder else OTHER
    list_rows(model).update(**{field: value})
    sign()
    assert not AcmeCertificate.objects.exists()
