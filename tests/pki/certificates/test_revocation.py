"""Revocation lists that others can read and verify (RFC 5280 5; D-266)."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pki.certificates import lint, loading, revocation
from pki.certificates.revocation import ListValidity, RevokedSerial
from pki.errors import CannotSign, NotIssued
from pki.names import Subject
from tests.pki import factories, linters
from tests.pki.factories import CA, NOW
from tests.pki.softhsm import SoftHSM

WEEK = timedelta(days=7)
REASONS = (
    *("key-compromise", "affiliation-changed", "superseded", "cessation-of-operation"),
    "unspecified",
)


def build(ca: CA, *revoked: RevokedSerial, number: int = 1, at: datetime = NOW) -> bytes:
    validity = ListValidity(number, at, at + WEEK)
    return revocation.build_crl(ca.pem, ca.key, revoked, validity)


def entry(leaf: str, reason: str = "superseded") -> RevokedSerial:
    return RevokedSerial(factories.loaded(leaf).serial_number, NOW, reason)


def save(folder: Path, crl: bytes, ca: CA) -> tuple[str, str]:
    list_file, root = folder / "list.pem", folder / "root.pem"
    list_file.write_text(loading.encode_pem(crl, "X509 CRL"))
    root.write_text(ca.pem)
    return str(list_file), str(root)


def verify_with_openssl(folder: Path, crl: bytes, ca: CA, leaf: str) -> str:
    """Return the last line of openssl about a certificate, with a check of the CRL."""
    list_file, root = save(folder, crl, ca)
    (folder / "leaf.pem").write_text(leaf)
    command = ["openssl", "verify", "-x509_strict", "-crl_check", "-purpose", "sslserver"]
    command += ["-attime", str(int(NOW.timestamp()) + 1)]
    command += ["-CAfile", root, "-CRLfile", list_file, str(folder / "leaf.pem")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("length", [256, 384, 2048])
@pytest.mark.parametrize("reason", REASONS)
def test_everybody_accepts_a_list(tmp_path: Path, length: int, reason: str) -> None:
    ca = factories.ca(length=length)
    leaf = factories.server(ca)
    for crl in (build(ca), build(ca, entry(leaf, reason))):
        assert linters.pkilint_crl(crl) == []
        list_file, root = save(tmp_path, crl, ca)
        for command in (
            ["openssl", "crl", "-verify", "-noout", "-in", list_file, "-CAfile", root],
            ["certtool", "--verify-crl", "--infile", list_file, "--load-ca-certificate", root],
        ):
            subprocess.run(command, capture_output=True, timeout=30, check=True)


def test_openssl_refuses_a_revoked_certificate_and_accepts_the_others(tmp_path: Path) -> None:
    ca = factories.ca()
    revoked, other = factories.server(ca), factories.server(ca)
    crl = build(ca, entry(revoked, "key-compromise"))
    assert "certificate revoked" in verify_with_openssl(tmp_path, crl, ca, revoked)
    assert verify_with_openssl(tmp_path, crl, ca, other).rstrip().endswith(": OK")


def test_a_list_of_another_ca_is_not_accepted(tmp_path: Path) -> None:
    ca, other = factories.ca(), factories.ca(which=9)
    list_file, root = save(tmp_path, build(other), ca)
    command = ["certtool", "--verify-crl", "--infile", list_file, "--load-ca-certificate", root]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode != 0


def test_it_has_the_number_the_dates_and_the_reason() -> None:
    ca = factories.ca()
    leaf = factories.server(ca)
    read = x509.load_der_x509_crl(build(ca, entry(leaf, "superseded"), number=7))
    assert read.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert (read.last_update_utc, read.next_update_utc) == (NOW, NOW + WEEK)
    found = read.get_revoked_certificate_by_serial_number(factories.loaded(leaf).serial_number)
    assert found is not None
    reason = found.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.superseded


def test_the_key_must_be_that_of_a_ca_that_may_sign_lists() -> None:
    ca, other = factories.ca(), factories.ca("Other", which=9)
    with pytest.raises(CannotSign, match="does not match"):
        build(CA(other.key, ca.pem))
    own = factories.private(ca.key)
    extensions: list[tuple[x509.ExtensionType, bool]] = [(factories.usage("key_cert_sign"), True)]
    root = factories.certificate("CA", own, "CA", own, extensions)
    assert not revocation.can_sign_crls(root)
    with pytest.raises(CannotSign, match="does not allow"):
        build(CA(ca.key, root))


def test_a_key_in_a_token_signs_lists(tmp_path: Path) -> None:
    token = SoftHSM(tmp_path).token()
    try:
        key = token.make_key(256, "one")
        root = factories.build_root(
            key_pem=key,
            subject=Subject("Token CA"),
            validity=factories.get_root_validity(NOW, 10),
            serial=factories.generate_serial(),
        )
        crl = revocation.build_crl(root, key, [], ListValidity(1, NOW, NOW + WEEK))
    finally:
        token.close_sessions()
    public_key: Any = factories.loaded(root).public_key()
    assert x509.load_der_x509_crl(crl).is_signature_valid(public_key)


def test_a_certificate_with_the_address_of_the_list_is_accepted_by_everybody(
    tmp_path: Path,
) -> None:
    ca, url = factories.ca(), "http://pki.example.com/crl/00.crl"
    leaf = factories.server_with_addresses(ca, crl_url=url)
    assert lint.lint_certificate(leaf, kind="server", issuer_pem=ca.pem) == []
    assert linters.pkilint(leaf) == []
    host = factories.FQDN
    accepted = linters.everybody(tmp_path, roots=[ca.pem], chain=[leaf], host=host, at=NOW)
    assert accepted == {True}
    assert verify_with_openssl(tmp_path, build(ca), ca, leaf).rstrip().endswith(": OK")
    points = factories.loaded(leaf).extensions.get_extension_for_class(x509.CRLDistributionPoints)
    assert points.value[0].full_name == [x509.UniformResourceIdentifier(url)]
    assert not points.critical


def test_an_address_with_https_is_not_issued() -> None:
    with pytest.raises(NotIssued, match="http://"):
        factories.server_with_addresses(
            factories.ca(), crl_url="https://pki.example.com/crl/00.crl"
        )
