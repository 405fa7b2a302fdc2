"""Everybody accepts what a subordinate CA with name constraints issues (D-295, D-298)."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pki.certificates import lint, loading, revocation
from pki.certificates.constraints import NameConstraints
from pki.certificates.issuance import generate_serial
from pki.certificates.ocsp import Responder
from pki.certificates.revocation import ListValidity, RevokedSerial
from pki.certificates.subordinate import build_trusted_root
from pki.chains import subordinate
from pki.errors import NotPermitted
from pki.formats import csr
from pki.names import Names, Subject
from tests.pki import factories, linters
from tests.pki.certificates.test_ocsp import TIMES, ask_openssl, does_gnutls_accept
from tests.pki.factories import CA, FQDN, NOW

OWN_PEM = factories.key(256, 172)
ROOT_KEY, MIDDLE_KEY = (factories.private(factories.key(256, 170 + which)) for which in range(2))
LIMITS = NameConstraints.parse(["zone.example"], ["10.0.0.0/8"], ["guest.zone.example"])
CSR = csr.build_ca_csr(OWN_PEM, Subject.parse("CN=Zone CA,O=Acme"), LIMITS)
# Those of the company for all its CAs. IPv6, email addresses, and URIs are not limited.
COMPANY = x509.NameConstraints(
    [
        *(x509.DNSName("zone.example"), x509.DNSName("corp.example")),
        *(x509.IPAddress(ipaddress.ip_network(one)) for one in ("10.0.0.0/8", "192.168.0.0/16")),
    ],
    None,
)
# Names that the zone CA must not certify, and whether the company permits them.
OUTSIDE = [
    (Names(("one.corp.example",)), True),
    (Names(("one.guest.zone.example",)), True),
    (Names((FQDN,), ("192.168.0.1",)), True),
    (Names(("one.other.example",)), False),
    (Names((FQDN,), ("192.0.2.1",)), False),
]


@dataclass(frozen=True)
class ZoneCA:
    """The trusted root with its key, and the certificate by the company with its chain."""

    ca: CA
    chain: list[str]

    @property
    def issued(self) -> str:
        """The certificate that the company has issued."""
        return self.chain[0]

    @property
    def corporate(self) -> str:
        """The root of the company."""
        return self.chain[-1]

    def serve(self, *certificates: str) -> list[str]:
        """Return what a server sends: its certificate, cross-certificates, and the chain."""
        return [*certificates, *self.chain[:-1]]


def build_ca(
    subject: x509.Name | str,
    own: Any,
    issuer: str,
    signer: Any,
    limits: Iterable[x509.NameConstraints] = (),
    *,
    path_length: int | None = None,
) -> str:
    """Return the certificate of a CA as a company issues it."""
    extensions = factories.ca_extensions(own, signer, path_length=path_length)
    extensions += [(one, True) for one in limits]
    ends = NOW + timedelta(days=1000)
    return factories.certificate(subject, own, issuer, signer, extensions, ends=ends)


def build_zone_ca(*, depth: int = 0, is_copied: bool = True) -> ZoneCA:
    """Return a zone CA below an intermediate CA, or directly below the root with the depth 0.

    With `is_copied`, the company copies the name constraints that the CSR requests.
    """
    root = build_ca("Corp Root", ROOT_KEY, "Corp Root", ROOT_KEY, [COMPANY])
    middle = build_ca("Corp Sub", MIDDLE_KEY, "Corp Root", ROOT_KEY)
    issuer, signer = ("Corp Sub", MIDDLE_KEY) if depth else ("Corp Root", ROOT_KEY)
    request = x509.load_pem_x509_csr(CSR.encode())
    requested = request.extensions.get_extension_for_class(x509.NameConstraints).value
    own = factories.private(OWN_PEM)
    limits = [requested] if is_copied else []
    issued = build_ca(request.subject, own, issuer, signer, limits, path_length=0)
    given = [issued, root, *([middle] if depth else [])]
    chain = subordinate.choose_chain(
        given, csr_pem=CSR, hosts=(FQDN, "10.0.0.1"), now=NOW, active_at=NOW + timedelta(days=1)
    )
    trusted = build_trusted_root(
        key_pem=OWN_PEM,
        issued_pem=issued,
        not_after=subordinate.get_end(chain),
        serial=generate_serial(),
        name_constraints=LIMITS,
    )
    return ZoneCA(CA(OWN_PEM, trusted), chain)


def forge(zone: ZoneCA, names: Names) -> str:
    """Return a certificate that a thief of the CA key signs."""
    own, issuer = factories.private(factories.key()), factories.private(zone.ca.key)
    extensions = factories.server_extensions(own, issuer, *names.dns, *names.addresses)
    subject = factories.loaded(zone.ca.pem).subject
    return factories.certificate(names.dns[0], own, subject, issuer, extensions)


@pytest.mark.parametrize("is_copied", [True, False], ids=["copied", "ignored"])
@pytest.mark.parametrize("depth", [0, 1])
def test_everybody_accepts_a_server_certificate_under_both_roots(
    tmp_path: Path, depth: int, *, is_copied: bool
) -> None:
    zone = build_zone_ca(depth=depth, is_copied=is_copied)
    leaf = factories.server(zone.ca)
    assert lint.lint_certificate(zone.ca.pem, kind="root", issuer_pem=zone.ca.pem) == []
    for issuer in (zone.ca.pem, zone.issued):
        assert lint.lint_certificate(leaf, kind="server", issuer_pem=issuer) == []
    for pem in (zone.ca.pem, zone.issued, leaf):
        assert linters.pkilint(pem) == []
    for host in (FQDN, "10.0.0.1"):
        served: dict[str, Any] = {"chain": zone.serve(leaf), "host": host}
        corporate = linters.everybody(tmp_path, roots=[zone.corporate], at=NOW, **served)
        assert corporate == {True}
        trusted = [zone.ca.pem]
        assert linters.openssl_accepts(tmp_path, roots=trusted, at=NOW, **served)
        assert linters.library_accepts(roots=trusted, at=NOW, **served)
        # GnuTLS follows the served chain to its end: it needs the root of the company (D-295).
        assert linters.certtool_accepts(tmp_path, roots=trusted, **served) == (depth == 0)


@pytest.mark.parametrize("is_copied", [True, False], ids=["copied", "ignored"])
@pytest.mark.parametrize(("names", "is_corporate"), OUTSIDE)
def test_devices_reject_names_outside_and_others_what_the_company_excludes(
    tmp_path: Path, names: Names, *, is_corporate: bool, is_copied: bool
) -> None:
    zone = build_zone_ca(is_copied=is_copied)
    with pytest.raises(NotPermitted):
        factories.server(zone.ca, names=names)
    served: dict[str, Any] = {"chain": zone.serve(forge(zone, names)), "host": names.dns[0]}
    assert linters.everybody(tmp_path, roots=[zone.ca.pem], at=NOW, **served) == {False}
    accepted = is_corporate and not is_copied
    assert linters.everybody(tmp_path, roots=[zone.corporate], at=NOW, **served) == {accepted}


@pytest.mark.parametrize("depth", [0, 1])
def test_everybody_accepts_the_cross_certificates_for_and_by_its_key(
    tmp_path: Path, depth: int
) -> None:
    """Programs that trust the root of before or after a change accept the servers of both."""
    zone, old = build_zone_ca(depth=depth), factories.ca("Old", which=1)
    new_with_old = factories.cross_certificate(old, zone.ca)
    old_with_new = factories.cross_certificate(zone.ca, old)
    for pem, issuer in ((new_with_old, old), (old_with_new, zone.ca)):
        assert lint.lint_certificate(pem, kind="cross-certificate", issuer_pem=issuer.pem) == []
        assert linters.pkilint(pem) == []
    after, before = [factories.server(zone.ca), new_with_old], [factories.server(old), old_with_new]
    question: dict[str, Any] = {"host": FQDN, "at": NOW}
    for root in (old.pem, zone.ca.pem):
        for chain in (after, before):
            assert linters.everybody(tmp_path, roots=[root], chain=chain, **question) == {True}
        # As servers send it (D-297).
        chain = zone.serve(*after)
        assert linters.openssl_accepts(tmp_path, roots=[root], chain=chain, **question)
        assert linters.library_accepts(roots=[root], chain=chain, **question)


def test_its_constraints_apply_to_paths_over_cross_certificates(tmp_path: Path) -> None:
    zone, old = build_zone_ca(is_copied=False), factories.ca("Old", which=1)
    names = Names(("one.corp.example",))
    question: dict[str, Any] = {"host": names.dns[0], "at": NOW}
    chain = [forge(zone, names), factories.cross_certificate(old, zone.ca)]
    assert linters.everybody(tmp_path, roots=[old.pem], chain=chain, **question) == {False}
    chain = [factories.server(old, names=names), factories.cross_certificate(zone.ca, old)]
    assert linters.everybody(tmp_path, roots=[zone.ca.pem], chain=chain, **question) == {False}


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Run a command in a folder, and return its exit code and output."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("depth", [0, 1])
def test_everybody_accepts_its_revocation_list_under_both_roots(tmp_path: Path, depth: int) -> None:
    zone = build_zone_ca(depth=depth)
    revoked, good = factories.server(zone.ca), factories.server(zone.ca)
    entry = RevokedSerial(factories.loaded(revoked).serial_number, NOW, "key-compromise")
    validity = ListValidity(1, NOW, NOW + timedelta(days=7))
    crl = revocation.build_crl(zone.ca.pem, zone.ca.key, [entry], validity)
    assert linters.pkilint_crl(crl) == []
    (tmp_path / "list.pem").write_text(loading.encode_pem(crl, "X509 CRL"))
    (tmp_path / "others.pem").write_text("".join(zone.serve()))
    for issuer in (zone.ca.pem, zone.issued):
        (tmp_path / "issuer.pem").write_text(issuer)
        openssl = ("openssl", "crl", "-verify", "-noout", "-in", "list.pem", "-CAfile")
        assert "verify OK" in run(tmp_path, *openssl, "issuer.pem")[1]
        gnutls = ("certtool", "--verify-crl", "--infile", "list.pem", "--load-ca-certificate")
        assert run(tmp_path, *gnutls, "issuer.pem")[0] == 0
    strictly = ("openssl", "verify", "-x509_strict", "-crl_check", "-purpose", "sslserver")
    at = ("-attime", str(int(NOW.timestamp()) + 1), "-no-CApath", "-no-CAstore")
    files = ("-CAfile", "root.pem", "-untrusted", "others.pem", "-CRLfile", "list.pem")
    for root in (zone.ca.pem, zone.corporate):
        (tmp_path / "root.pem").write_text(root)
        for leaf, text in ((good, "leaf.pem: OK"), (revoked, "certificate revoked")):
            (tmp_path / "leaf.pem").write_text(leaf)
            assert text in run(tmp_path, *strictly, *at, *files, "leaf.pem")[1]


@pytest.mark.parametrize("reason", ["", "key-compromise"])
@pytest.mark.parametrize("depth", [0, 1])
def test_everybody_accepts_its_ocsp_responses_under_both_roots(
    tmp_path: Path, depth: int, reason: str
) -> None:
    zone = build_zone_ca(depth=depth)
    leaf = factories.server(zone.ca)
    serial = factories.loaded(leaf).serial_number
    revoked = RevokedSerial(serial, NOW, reason) if reason else None
    signed = Responder(zone.ca.pem, zone.ca.key).sign(serial, TIMES, revoked)
    for algorithm, response in signed.items():
        assert linters.pkilint_ocsp(response) == []
        # Both certificates have the same name and key, so a client can ask with each of them.
        for issuer in (zone.ca.pem, zone.issued):
            found = ask_openssl(tmp_path, response, CA("", issuer), leaf, algorithm)
            assert "Response verify OK" in found
            assert f"leaf.pem: {'revoked' if reason else 'good'}" in found
            assert does_gnutls_accept(tmp_path)
