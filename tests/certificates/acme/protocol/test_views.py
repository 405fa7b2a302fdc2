"""The ACME protocol: orders, challenges, certificates, and revocation."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates.acme import renewal_info
from certificates.acme.account_keys import keys
from certificates.models import AcmeCertificate, AcmeOrder, Authority, OcspResponse, Revocation
from certificates.revocation import ocsp, records
from devices.models import Device
from pki import keys as pki_keys
from pki.certificates import details
from pki.chains import chains
from pki.formats import bundles
from tests.certificates.acme.conftest import issue, sign
from tests.support.acme_client import AcmeClient, encode

NAME = "web.hosts.example"


def get_type(response: Any) -> str:
    return str(response.json()["type"].rpartition(":")[2])


def test_without_an_account_key_there_is_no_acme_server(zone: Any) -> None:
    for path in ("directory", "new-nonce", "renewal-info/AA.AA"):
        assert Client().get(f"/acme/{path}").status_code == 404
    assert Client().post("/acme/new-account").status_code == 404


def test_the_directory_names_the_endpoints(account_key: Any) -> None:
    found = Client().get("/acme/directory").json()
    assert found["newOrder"] == "http://testserver/acme/new-order"
    assert found["renewalInfo"] == "http://testserver/acme/renewal-info"
    assert found["meta"] == {"externalAccountRequired": True}


def test_a_host_gets_a_certificate_of_the_zone_ca(client: AcmeClient, validations: Any) -> None:
    response = client.order(NAME, "www.outside.example")
    assert response.status_code == 201
    order, url = response.json(), response.headers["Location"]
    assert order["status"] == "pending"
    chosen = client.choose(order)
    assert [done[:2] for done in validations.done] == [
        ("http-01", NAME),
        ("http-01", "www.outside.example"),
    ]
    assert validations.done[0][3] == f"{chosen[0]['token']}.{client.key.thumbprint()}"
    assert client.post(url).json()["status"] == "ready"
    response = client.finalize(order, NAME, "www.outside.example")
    assert response.json()["status"] == "processing"
    assert response.headers["Retry-After"]
    assert sign() == 1
    found = client.post(url).json()
    assert found["status"] == "valid"
    chain = client.post(found["certificate"])
    assert chain.headers["Content-Type"] == "application/pem-certificate-chain"
    leaf = chains.split(chain.text)[0]
    facts = details.get_details(leaf)
    assert set(facts.dns_names) == {NAME, "www.outside.example"}
    root = Authority.objects.current().root_pem
    assert chains.verify_chain(chain.text, roots=[root], host=NAME, now=timezone.now())
    row = AcmeCertificate.objects.get()
    assert row.digest == facts.digest
    assert row.fetched_at is not None
    entry = Entry.objects.filter(action="issue").order_by("-seq").first()
    assert entry.detail["names"] == [NAME, "www.outside.example"]


def test_there_is_an_ocsp_response_about_the_certificate(client: AcmeClient) -> None:
    issue(client, NAME)
    authority = Authority.objects.current()
    while ocsp.sign_batch(authority, now=timezone.now()):
        pass
    digest = AcmeCertificate.objects.get().digest
    assert OcspResponse.objects.get(digest=digest).sha256


@pytest.mark.parametrize(
    "name",
    ["web.other.example", "hosts.example", "ps-01.test.example", "evilhosts.example"],
)
def test_a_name_that_the_account_key_does_not_permit_is_rejected(
    client: AcmeClient, name: str
) -> None:
    response = client.order(name)
    assert response.status_code == 403
    assert get_type(response) == "rejectedIdentifier"
    assert not AcmeOrder.objects.exists()


def test_the_name_of_a_server_is_rejected_even_if_it_is_permitted(
    client: AcmeClient, zone: Any
) -> None:
    Device.objects.filter(pk=zone.first.id).update(dns_names=["srv.hosts.example"])
    assert get_type(client.order("srv.hosts.example")) == "rejectedIdentifier"


def test_a_name_that_a_server_got_later_is_not_signed(client: AcmeClient, zone: Any) -> None:
    response = client.order(NAME)
    client.choose(response.json())
    client.finalize(response.json(), NAME)
    Device.objects.filter(pk=zone.first.id).update(dns_names=[NAME])
    sign()
    found = client.post(response.headers["Location"]).json()
    assert found["status"] == "invalid"
    assert found["error"]["type"].endswith("rejectedIdentifier")
    assert not AcmeCertificate.objects.exists()


@pytest.mark.parametrize(
    ("identifiers", "kind"),
    [
        ([], "malformed"),
        ("x", "malformed"),
        ([{"type": "ip", "value": "10.0.0.1"}], "unsupportedIdentifier"),
        ([{"type": "dns", "value": "*.hosts.example"}], "unsupportedIdentifier"),
        ([{"type": "dns", "value": "a..example"}], "malformed"),
        ([{"type": "dns", "value": 5}], "malformed"),
        ([{"type": "dns", "value": f"h{n}.hosts.example"} for n in range(26)], "malformed"),
    ],
)
def test_wrong_identifiers_are_rejected(client: AcmeClient, identifiers: Any, kind: str) -> None:
    response = client.post("/acme/new-order", {"identifiers": identifiers})
    assert get_type(response) == kind


def test_a_name_that_is_not_validated_gets_no_certificate(
    client: AcmeClient, validations: Any
) -> None:
    validations.failing.add(NAME)
    response = client.order(NAME)
    order, url = response.json(), response.headers["Location"]
    client.choose(order)
    found = client.post(order["authorizations"][0]).json()
    assert found["status"] == "invalid"
    assert found["challenges"][0]["error"]["detail"] == f"{NAME} is not controlled."
    assert client.post(url).json()["status"] == "invalid"
    response = client.finalize(order, NAME)
    assert get_type(response) == "orderNotReady"


def test_a_pending_order_cannot_be_finalized(client: AcmeClient) -> None:
    order = client.order(NAME).json()
    assert get_type(client.finalize(order, NAME)) == "orderNotReady"


@pytest.mark.parametrize("dns", [("other.hosts.example",), (NAME, "two.hosts.example")])
def test_a_csr_with_other_names_is_rejected(client: AcmeClient, dns: tuple[str, ...]) -> None:
    order = client.order(NAME).json()
    client.choose(order)
    assert get_type(client.finalize(order, *dns)) == "badCSR"


def test_a_csr_with_the_key_of_the_account_is_rejected(client: AcmeClient) -> None:
    order = client.order(NAME).json()
    client.choose(order)
    pem = client.key.as_pem(private=True).decode()
    assert get_type(client.finalize(order, NAME, key_pem=pem)) == "badCSR"


def test_an_authorization_that_was_set_valid_with_sql_is_not_used(
    client: AcmeClient, validations: Any
) -> None:
    from django.db import connection

    response = client.order(NAME)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE certificates_acmeauthorization SET validated_at = '2026-01-01'")
    client.finalize(response.json(), NAME)
    sign()
    assert not AcmeCertificate.objects.exists()
    assert Entry.objects.filter(action="row-altered").exists()


def test_another_account_sees_nothing(client: AcmeClient, account_key: Any) -> None:
    response = client.order(NAME)
    order = response.json()
    certificate = issue(client, "b.hosts.example")
    other = AcmeClient()
    other.register(account_key.row.key_id, account_key.hmac_key)
    urls = [
        response.headers["Location"],
        order["authorizations"][0],
        f"{client.kid}/orders",
        client.kid,
        certificate,
    ]
    for url in urls:
        assert get_type(other.post(url)) == "unauthorized"
    assert get_type(other.finalize(order, NAME)) == "unauthorized"
    leaf = chains.split(AcmeCertificate.objects.get().chain_pem)[0]
    values = {"certificate": encode(bundles.to_der(leaf))}
    assert get_type(other.post("/acme/revoke-cert", values)) == "unauthorized"
    assert not Revocation.objects.exists()


def test_a_certificate_is_revoked_by_its_account(client: AcmeClient) -> None:
    issue(client, NAME)
    leaf = chains.split(AcmeCertificate.objects.get().chain_pem)[0]
    values = {"certificate": encode(bundles.to_der(leaf)), "reason": 4}
    assert client.post("/acme/revoke-cert", {**values, "reason": 9}).status_code == 400
    assert client.post("/acme/revoke-cert", values).status_code == 200
    row = Revocation.objects.get()
    assert (row.reason, row.device) == ("superseded", None)
    assert get_type(client.post("/acme/revoke-cert", values)) == "alreadyRevoked"
    # A row that was deleted with SQL is restored from the audit log.
    Revocation.objects.all().delete()
    assert [one.digest for one in records.list_effective(timezone.now())] == [row.digest]
    assert records.restore_rows() == 1


def test_a_certificate_is_revoked_by_its_own_key(client: AcmeClient) -> None:
    key_pem = pki_keys.generate_key(256)
    issue(client, NAME, key_pem=key_pem)
    leaf = chains.split(AcmeCertificate.objects.get().chain_pem)[0]
    values = {"certificate": encode(bundles.to_der(leaf)), "reason": 1}
    stranger = AcmeClient()
    assert get_type(stranger.post("/acme/revoke-cert", values)) == "unauthorized"
    holder = AcmeClient(key=type(client.key).import_key(key_pem))
    assert holder.post("/acme/revoke-cert", values).status_code == 200
    assert Revocation.objects.get().reason == "key-compromise"


def test_after_a_revocation_the_host_is_to_renew_at_once(client: AcmeClient) -> None:
    issue(client, NAME)
    row = AcmeCertificate.objects.get()
    path = f"/acme/renewal-info/{renewal_info.build_id(row)}"
    found = client.client.get(path)
    assert found.headers["Retry-After"] == "3600"
    assert found.json()["suggestedWindow"]["start"] > timezone.now().isoformat()
    leaf = chains.split(row.chain_pem)[0]
    client.post("/acme/revoke-cert", {"certificate": encode(bundles.to_der(leaf))})
    found = client.client.get(path).json()
    assert found["suggestedWindow"]["end"] < timezone.now().isoformat()
    assert client.client.get("/acme/renewal-info/AA.AA").status_code == 404
    assert client.client.get("/acme/renewal-info/x").status_code == 400


def test_an_order_can_replace_a_certificate_once(client: AcmeClient) -> None:
    issue(client, NAME)
    replaced = renewal_info.build_id(AcmeCertificate.objects.get())
    url = issue(client, NAME, "c.hosts.example", replaces=replaced)
    client.post(url)
    assert get_type(client.order(NAME, replaces=replaced)) == "alreadyReplaced"
    assert get_type(client.order(NAME, replaces="AA.AA")) == "malformed"


def test_when_the_only_account_key_is_disabled_certificates_can_only_be_revoked(
    client: AcmeClient, account_key: Any
) -> None:
    issue(client, NAME)
    row = AcmeCertificate.objects.get()
    keys.disable(account_key.row.pk, now=timezone.now())
    assert client.client.get("/acme/directory").status_code == 200
    assert get_type(client.order(NAME)) == "unauthorized"
    newcomer = AcmeClient()
    rejected = newcomer.register(account_key.row.key_id, account_key.hmac_key)
    assert get_type(rejected) == "externalAccountRequired"
    renewal = f"/acme/renewal-info/{renewal_info.build_id(row)}"
    assert client.client.get(renewal).status_code == 200
    values = {"certificate": encode(bundles.to_der(chains.split(row.chain_pem)[0]))}
    assert client.post("/acme/revoke-cert", values).status_code == 200
    assert Revocation.objects.get().digest == row.digest


def test_without_a_key_and_a_valid_certificate_there_is_no_acme_server(
    client: AcmeClient, account_key: Any
) -> None:
    issue(client, NAME)
    keys.disable(account_key.row.pk, now=timezone.now())
    AcmeCertificate.objects.update(not_after=timezone.now())
    assert client.client.get("/acme/directory").status_code == 404
    assert client.client.post("/acme/revoke-cert").status_code == 404


def test_too_many_open_orders_are_rejected(client: AcmeClient) -> None:
    for number in range(30):
        assert client.order(f"h{number}.hosts.example").status_code == 201
    response = client.order("more.hosts.example")
    assert (response.status_code, get_type(response)) == (429, "rateLimited")
    assert response.headers["Retry-After"]
