"""A zone below the CA of a company, with name constraints: what it sends and publishes (D-298)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from certificates.models import Authority, CrossCertificate, ServerCertificate
from certificates.revocation import lists
from pki.certificates import details, lint, loading, revocation
from pki.certificates.constraints import NameConstraints
from pki.chains import chains
from tests.certificates.future_ca.test_key_operations import CORPORATE, change, finish
from tests.certificates.revocation import test_lists, test_ocsp
from tests.pki import linters, readers
from tests.pki.readers import Nss, validate_with_java
from tests.support.zone import Host, TestZone

LIMITS = NameConstraints.parse(["test.example"], ["127.0.0.0/8"], ["guest.test.example"])


@pytest.fixture
def authority(zone: TestZone, satellite: Host) -> Authority:
    """Change the zone CA to a subordinate CA, and let the company copy its name constraints."""
    operation = change(zone, name_constraints=LIMITS)
    return finish(zone, operation, more=[(LIMITS.to_extension(), True)])


def get_issuers(authority: Authority) -> list[str]:
    """Return the trusted root, and the certificate that the company has issued."""
    return [authority.root_pem, chains.split(authority.intermediates_pem)[0]]


def test_others_accept_what_servers_send(authority: Authority, tmp_path: Path) -> None:
    crossed = list(CrossCertificate.objects.values_list("pem", flat=True))
    assert len(crossed) == 2, "in both directions"
    for pem in (*get_issuers(authority), *crossed):
        assert linters.pkilint(pem) == []
    limits = details.get_details(authority.root_pem).permitted
    assert limits == details.get_details(get_issuers(authority)[1]).permitted != ()
    old = Authority.objects.get(state="grace").root_pem
    corporate, now = CORPORATE.root.pem, timezone.now()
    for row in ServerCertificate.objects.current():
        leaf, *rest = chains.split(row.chain_pem)
        assert lint.lint_certificate(leaf, kind="server", issuer_pem=authority.root_pem) == []
        assert linters.pkilint(leaf) == []
        served: dict[str, Any] = {"host": row.subject, "at": now}
        for root in (old, authority.root_pem):
            question: dict[str, Any] = {"roots": [root], "chain": [leaf, *rest], **served}
            assert linters.openssl_accepts(tmp_path, **question)
            assert linters.library_accepts(**question)
        # As soon as the cross-certificate is no longer sent (D-297).
        chain = [leaf, *(pem for pem in rest if pem not in crossed)]
        assert chain != [leaf, *rest]
        question = {"roots": [corporate], "chain": chain, **served}
        assert linters.openssl_accepts(tmp_path, **question)
        del question["at"]
        assert linters.certtool_accepts(tmp_path, **question)


def test_others_accept_its_revocation_list(
    authority: Authority, satellite: Host, tmp_path: Path
) -> None:
    revoked = test_lists.revoke(satellite)
    assert "current" in test_lists.issue()
    assert test_lists.get_serials(test_lists.read(authority)) == {int(revoked.serial, 16)}
    key_id = revocation.get_key_id(authority.root_pem)
    crl = Client().get(f"/crl/{key_id}.crl", secure=True).content
    assert crl == lists.get_crl(key_id)
    (tmp_path / "list.pem").write_text(loading.encode_pem(crl, "X509 CRL"))
    for issuer in get_issuers(authority):
        (tmp_path / "issuer.pem").write_text(issuer)
        for command in (
            ["openssl", "crl", "-verify", "-noout", "-in", "list.pem", "-CAfile", "issuer.pem"],
            [
                *("certtool", "--verify-crl", "--infile", "list.pem"),
                *("--load-ca-certificate", "issuer.pem"),
            ],
        ):
            subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=True)


def test_others_ask_a_server_with_the_trusted_root_or_the_certificate_by_the_company(
    authority: Authority, satellite: Host, live_server: Any, tmp_path: Path
) -> None:
    used, url = test_ocsp.current(satellite), f"{live_server.url}/ocsp"
    for status in ("good", "revoked"):
        test_ocsp.sign()
        assert test_ocsp.ask(used)
        for issuer in get_issuers(authority):
            openssl, gnutls = test_ocsp.ask_with_programs(used, issuer, url, tmp_path)
            assert "Response verify OK" in openssl
            assert f"leaf.pem: {status}" in openssl
            assert f"Certificate Status: {status}" in gnutls
        if status == "good":
            test_ocsp.revoke(satellite)


@pytest.mark.django_db(transaction=True)
def test_nss_and_java_ask_the_responder_with_the_root_of_the_company(
    responder: str, authority: Authority, satellite: Host, tmp_path: Path
) -> None:
    """They apply the name constraints that the company has copied, too."""
    used, root = test_ocsp.current(satellite), CORPORATE.root.pem
    crossed = CrossCertificate.objects.values_list("pem", flat=True)
    chain = [pem for pem in chains.split(used.chain_pem) if pem not in crossed]
    nss = Nss(tmp_path, root)
    for number, pem in enumerate(chain):
        nss.add(f"certificate-{number}", pem)
    for status in (readers.GOOD, readers.REVOKED):
        test_ocsp.sign()
        is_good = status == readers.GOOD
        assert nss.accepts_with_ocsp("certificate-0", requires_response=is_good) == is_good
        assert validate_with_java(tmp_path, root, chain, asks_responder=True) == status
        if is_good:
            test_ocsp.revoke(satellite)
