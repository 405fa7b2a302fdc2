"""The CA certificates for EST clients, and hosts before and after a change of the CA."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import list_rows
from certificates.acme import hosts
from certificates.acme.account_keys import keys
from certificates.models import Authority, CrossCertificate, Operation
from pki.chains import chains
from tests.certificates.est.conftest import BASE, NAME, OTHER, EstClient, build, encode, parse
from tests.certificates.future_ca.test_key_operations import CORPORATE, change, finish
from tests.support import clients, factories, walkthrough


@pytest.fixture
def operation(zone: Any, client: EstClient) -> Operation:
    """Remint CA, whose update is assigned, while two hosts have a certificate of the old CA."""
    for name in (NAME, OTHER):
        client.get_certificate(encode(build(name)))
    found = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20))
    walkthrough.prepare(zone, found)
    Operation.objects.filter(pk=found.pk).update(state="assigned")
    return walkthrough.fresh(found)


def read() -> list[str]:
    response = Client().get(f"{BASE}/cacerts")
    assert response.headers["Content-Type"] == "application/pkcs7-mime"
    return parse(response)


def test_the_root_is_returned_as_openssl_reads_it(client: EstClient, tmp_path: Path) -> None:
    root = Authority.objects.current().root_pem
    assert read() == [root]
    file = tmp_path / "cacerts.b64"
    file.write_bytes(Client().get(f"{BASE}/cacerts").content)
    done = subprocess.run(
        f"base64 -d {file} | openssl pkcs7 -inform DER -print_certs",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert chains.split(done.stdout) == [root]


def test_before_the_activation_both_roots_and_both_cross_certificates_are_returned(
    client: EstClient, operation: Operation
) -> None:
    old, new = Authority.objects.current(), operation.future_authority
    found = set(read())
    crossed = {(row.subject_id, row.issuer_id): row.pem for row in CrossCertificate.objects.all()}
    new_with_old, old_with_new = crossed[new.pk, old.pk], crossed[old.pk, new.pk]
    assert found == {old.root_pem, new.root_pem, new_with_old, old_with_new}
    assert chains.is_signed_by(new_with_old, old.root_pem)
    assert chains.is_signed_by(old_with_new, new.root_pem)


def test_before_the_update_is_assigned_the_new_root_is_not_returned(
    client: EstClient, operation: Operation
) -> None:
    Operation.objects.filter(pk=operation.pk).update(state="prepared")
    assert read() == [Authority.objects.current().root_pem]


def test_certificates_that_were_inserted_with_sql_are_not_returned(
    client: EstClient, operation: Operation
) -> None:
    before = set(read())
    CrossCertificate.objects.update(pem=CORPORATE.root.pem)
    new = operation.future_authority
    list_rows(Authority).filter(pk=new.pk).update(intermediates_pem=CORPORATE.root.pem)
    found = set(read())
    assert found < before
    assert CORPORATE.root.pem not in found


def test_hosts_are_ready_when_they_have_a_certificate_of_the_new_ca(
    client: EstClient, operation: Operation
) -> None:
    now, old = timezone.now(), Authority.objects.current()
    assert hosts.count(operation, now) == (2, 0)
    browser: Client = clients.log_in(factories.admin(), htmx=False)
    page = browser.get(reverse("certificates:operation", args=[operation.pk])).text
    assert "0 of 2 certificates of ACME and EST clients" in page
    leaf = client.get_certificate(encode(build(NAME)), "simplereenroll")
    assert hosts.count(operation, timezone.now()) == (2, 1)
    assert [one.subject for one in hosts.list_at_risk(operation, timezone.now())] == [OTHER]
    new_with_old = CrossCertificate.objects.get(subject=operation.future_authority, issuer=old).pem
    for root, chain in ((operation.future_authority.root_pem, ""), (old.root_pem, new_with_old)):
        assert chains.verify_chain(leaf + chain, roots=[root], host=NAME, now=timezone.now())


def test_the_same_csr_gets_a_certificate_of_the_new_ca(
    client: EstClient, operation: Operation
) -> None:
    body = encode(build("c.hosts.example"))
    Operation.objects.filter(pk=operation.pk).update(state="prepared")
    old = client.get_certificate(body)
    Operation.objects.filter(pk=operation.pk).update(state="assigned")
    assert client.get_certificate(body) != old


def test_below_a_subordinate_ca_the_chain_is_returned_without_the_root_of_the_other_ca(
    client: EstClient, zone: Any
) -> None:
    finish(zone, change(zone))
    found, current = read(), Authority.objects.current()
    leaf = client.get_certificate(encode(build(NAME)))
    assert current.root_pem in found
    assert CORPORATE.root.pem not in found
    for root in (CORPORATE.root.pem, current.root_pem):
        chain = chains.join(leaf, *found)
        assert chains.verify_chain(chain, roots=[root], host=NAME, now=timezone.now())


def test_with_an_external_ca_no_certificate_is_issued(client: EstClient) -> None:
    Authority.objects.update(kind="external")
    response = client.enroll(NAME)
    assert response.status_code == 503
    assert "The zone CA is external" in response.text


def test_other_paths_are_not_found(client: EstClient, account_key: keys.NewKey) -> None:
    assert Client().get(f"{BASE}/csrattrs").status_code == 204
    for path in ("label/cacerts", "serverkeygen", "fullcmc", ""):
        assert Client().get(f"{BASE}/{path}").status_code == 404
    assert Client().post(f"{BASE}/cacerts").status_code == 405
    assert Client().get(f"{BASE}/simpleenroll").status_code == 405
