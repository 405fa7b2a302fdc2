"""Own rules catch what other linters let pass (docs/decisions.md D-9 to D-12)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.certificates.lint import Kind, lint_certificate
from tests.pki import factories
from tests.pki.factories import FQDN, NOW

CA = factories.ca()
CA_KEY = factories.private(CA.key)
OWN = factories.private(factories.key())
Extensions = list[tuple[x509.ExtensionType, bool]]


def leaf(extensions: Extensions | None = None, **changes: Any) -> str:
    """Return a good server certificate but for the changes."""
    own = changes.pop("own", OWN)
    extensions = extensions or factories.server_extensions(own, CA_KEY)
    subject = changes.pop("subject", FQDN)
    issuer = changes.pop("issuer", "Zone")
    return factories.certificate(subject, own, issuer, CA_KEY, extensions, **changes)


def swapped(value: x509.ExtensionType, *, critical: bool | None = None) -> Extensions:
    """Return the extensions of a server with one of them replaced."""
    return [
        (value, was if critical is None else critical) if old.oid == value.oid else (old, was)
        for old, was in factories.server_extensions(OWN, CA_KEY)
    ]


def without(kind: type[x509.ExtensionType]) -> Extensions:
    return [one for one in factories.server_extensions(OWN, CA_KEY) if not isinstance(one[0], kind)]


def test_a_valid_certificate_passes_the_lint() -> None:
    assert lint_certificate(leaf(), kind="server", issuer_pem=CA.pem) == []


def weak_keys() -> list[Any]:
    return [
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP192R1()),
        dsa.generate_private_key(1024),
    ]


@pytest.mark.parametrize("own", weak_keys(), ids=["rsa1024", "p192", "dsa"])
def test_it_finds_a_weak_key(own: Any) -> None:
    found = lint_certificate(leaf(own=own), kind="server", issuer_pem=CA.pem)
    assert any("key" in sentence for sentence in found)


ROOT_END = factories.loaded(CA.pem).not_valid_after_utc
ROOT_BEGIN = factories.loaded(CA.pem).not_valid_before_utc
ANY_EKU = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
TWO_EKU = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
WITH_SERIAL = x509.AuthorityKeyIdentifier(
    x509.SubjectKeyIdentifier.from_public_key(CA_KEY.public_key()).digest,
    [x509.DirectoryName(factories.name("Zone"))],
    7,
)
UNDERSCORE = x509.SubjectAlternativeName(
    [x509.DNSName(FQDN), x509.DNSName._init_without_validation("a_b.example")]
)
NO_CHECK = x509.OCSPNoCheck()


@pytest.mark.parametrize(
    ("pem", "finding"),
    [
        (leaf(serial=5), "serial"),
        (leaf(serial=2**63 - 1), "serial"),
        (leaf(ends=ROOT_END + timedelta(seconds=1)), "expires after its issuer"),
        (leaf(begins=ROOT_BEGIN - timedelta(seconds=1)), "starts before that of its issuer"),
        (leaf(without(x509.SubjectAlternativeName)), "subject alternative name is missing"),
        (leaf(without(x509.ExtendedKeyUsage)), "serverAuth only"),
        (leaf(without(x509.BasicConstraints)), "must be CA:FALSE"),
        (leaf(without(x509.KeyUsage)), "key usage"),
        (leaf(without(x509.SubjectKeyIdentifier)), "subject key identifier is missing"),
        (leaf(without(x509.AuthorityKeyIdentifier)), "authority key identifier is missing"),
        (leaf(swapped(ANY_EKU)), "serverAuth only"),
        (leaf(swapped(TWO_EKU)), "serverAuth only"),
        (leaf(swapped(factories.usage("digital_signature", "key_cert_sign"))), "key usage"),
        (leaf(swapped(factories.usage("digital_signature", "key_encipherment"))), "key usage"),
        (leaf(swapped(factories.SERVER_USAGE, critical=False)), "critical"),
        (leaf(swapped(factories.SERVER_AUTH, critical=True)), "critical"),
        (leaf(swapped(WITH_SERIAL)), "Only a key identifier is allowed"),
        (
            leaf(swapped(x509.AuthorityKeyIdentifier(b"x" * 20, None, None))),
            "does not match the issuer",
        ),
        (leaf(swapped(x509.BasicConstraints(ca=True, path_length=None))), "must be CA:FALSE"),
        (leaf(swapped(factories.alternatives("other.example"))), "common name"),
        (leaf(swapped(factories.alternatives(FQDN, FQDN))), "duplicates"),
        (leaf(swapped(factories.alternatives(FQDN, "UPPER.example.com"))), "not normalized"),
        (leaf(swapped(factories.alternatives(FQDN, "*.example"))), "wildcard"),
        (leaf(swapped(UNDERSCORE)), "underscore"),
        (
            leaf(
                swapped(x509.SubjectAlternativeName([x509.DNSName(FQDN), x509.RFC822Name("a@b.c")]))
            ),
            "neither",
        ),
        (leaf([*factories.server_extensions(OWN, CA_KEY), (NO_CHECK, False)]), "is not allowed"),
        (leaf(subject=x509.Name([])), "common name"),
        (leaf(issuer="Another"), "issuer name does not match"),
    ],
)
def test_it_finds_what_is_wrong_with_a_server_certificate(pem: str, finding: str) -> None:
    found = lint_certificate(pem, kind="server", issuer_pem=CA.pem)
    assert any(finding in sentence for sentence in found), found


def test_it_finds_a_signature_of_another_key() -> None:
    other = factories.private(factories.key(256, 3))
    pem = factories.certificate(FQDN, OWN, "Zone", other, factories.server_extensions(OWN, CA_KEY))
    assert lint_certificate(pem, kind="server", issuer_pem=CA.pem) == [
        "The signature does not verify with the issuer's key."
    ]


def test_it_finds_a_weak_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    # The library no longer signs with SHA-1, and so it is only told that this one is.
    monkeypatch.setattr("pki.certificates.loading._HASHES", frozenset({hashes.SHA512}))
    assert "The certificate is not signed with SHA-256, SHA-384, or SHA-512." in lint_certificate(
        leaf(), kind="server", issuer_pem=CA.pem
    )


def authority(extensions: Extensions, *, issuer: str = "Zone") -> str:
    return factories.certificate(
        "Zone", CA_KEY, issuer, CA_KEY, extensions, begins=ROOT_BEGIN, ends=ROOT_END
    )


GOOD_CA = factories.ca_extensions(CA_KEY, CA_KEY)


@pytest.mark.parametrize("kind", ["root", "cross-certificate"])
@pytest.mark.parametrize(
    ("extensions", "finding"),
    [
        (factories.ca_extensions(CA_KEY, CA_KEY, path_length=3), "path length"),
        ([*GOOD_CA, (factories.SERVER_AUTH, False)], "is not allowed"),
        ([*GOOD_CA, (factories.alternatives(FQDN), False)], "is not allowed"),
        (GOOD_CA[1:], "basic constraints"),
        ([GOOD_CA[0], *GOOD_CA[2:]], "keyCertSign"),
        ([GOOD_CA[0], (factories.usage("key_cert_sign"), True), *GOOD_CA[2:]], "keyCertSign"),
        ([(GOOD_CA[0][0], False), *GOOD_CA[1:]], "critical"),
        ([*GOOD_CA[:2], GOOD_CA[3]], "subject key identifier is missing"),
    ],
)
def test_it_finds_what_is_wrong_with_a_ca(extensions: Extensions, finding: str, kind: Kind) -> None:
    found = lint_certificate(authority(extensions), kind=kind, issuer_pem=CA.pem)
    assert any(finding in sentence for sentence in found), found


def test_it_finds_what_is_wrong_with_a_root_alone() -> None:
    foreign = [*GOOD_CA[:3], (x509.AuthorityKeyIdentifier(b"x" * 20, None, None), False)]
    assert lint_certificate(authority(foreign), kind="root", issuer_pem=None) == [
        ("The authority key identifier of the root does not match its subject key identifier.")
    ]
    renamed = authority(GOOD_CA, issuer="Another")
    assert lint_certificate(renamed, kind="root", issuer_pem=None) == [
        "The issuer and subject of the root do not match."
    ]
    assert lint_certificate(authority(GOOD_CA[:3]), kind="root", issuer_pem=None) == []


def test_it_finds_a_bridge_that_the_path_length_forbids() -> None:
    strict = factories.family(path_length=0)
    own = factories.private(CA.key)
    pem = factories.certificate(
        "Zone", own, "Ext Root", strict.root_key, factories.ca_extensions(own, strict.root_key)
    )
    found = lint_certificate(pem, kind="cross-certificate", issuer_pem=strict.root)
    assert any("does not allow" in sentence for sentence in found)


def test_a_malformed_extension_is_a_finding() -> None:
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x01")
    pem = leaf([*without(x509.SubjectAlternativeName), (broken, False)])
    assert lint_certificate(pem, kind="server", issuer_pem=CA.pem) == [
        "The certificate cannot be parsed completely."
    ]
    assert NOW is not None
