"""What View Certificate shows (manual, 1.2.2; docs/decisions.md D-4, D-5)."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from pki.certificates.details import get_details, get_digest
from pki.errors import BadCertificate
from tests.pki import factories
from tests.pki.factories import FQDN


def fingerprint(folder: Path, pem: str, name: str) -> str:
    (folder / "c.pem").write_text(pem)
    command = [
        "openssl",
        "x509",
        "-in",
        str(folder / "c.pem"),
        "-noout",
        "-fingerprint",
        f"-{name}",
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30, text=True)
    return done.stdout.strip().partition("=")[2]


@pytest.mark.manual("R025", "R026")
def test_the_fingerprints_are_those_of_openssl(tmp_path: Path) -> None:
    pem = factories.ca().pem
    details = get_details(pem)
    for name in ("md5", "sha1", "sha256"):
        assert getattr(details, name) == fingerprint(tmp_path, pem, name)
    assert details.digest == get_digest(pem) == details.sha256.replace(":", "").lower()


def test_the_digest_does_not_depend_on_the_form_of_the_text() -> None:
    pem = factories.ca().pem
    assert get_digest("text\r\n" + pem.replace("\n", "\r\n")) == get_digest(pem)
    assert get_digest(pem) != hashlib.sha256(pem.encode()).hexdigest()


def test_it_tells_a_root_from_a_server() -> None:
    root = get_details(factories.ca(length=384).pem)
    assert (root.self_signed, root.is_ca, root.key_label) == (True, True, "EC P-384")
    assert root.signature_algorithm == "ecdsa-with-SHA384"
    assert root.dns_names == root.addresses == ()
    leaf = get_details(factories.server(factories.ca(), key_pem=factories.key(2048)))
    assert (leaf.self_signed, leaf.is_ca, leaf.key_length) == (False, False, 2048)
    assert (leaf.common_name, leaf.issuer_common_name) == (FQDN, "Zone")
    assert (leaf.dns_names, leaf.addresses) == ((FQDN,), ("10.0.0.1",))
    assert leaf.not_before.tzinfo is not None
    assert leaf.subject == f"CN={FQDN}"


HOSTILE = [
    "<img src=x onerror=1>",
    "a\u202ecod.exe",
    "a\0b",
    "line\nbreak",
    "\u2066x\u2069",
    "\x1b[2J",
]


def long_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, _validate=False)])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_escaped(text: str) -> None:
    own = factories.private(factories.key())
    details = get_details(factories.certificate(text, own, text, own, []))
    for shown in (details.common_name, details.subject, details.issuer):
        assert shown.isprintable()
    assert "\\u" in details.common_name or text == details.common_name


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_name_of_64_kib_is_cut() -> None:
    own = factories.private(factories.key())
    name = long_name("x" * 65536)
    assert len(get_details(factories.certificate(name, own, name, own, [])).subject) < 1100


def test_hostile_alternative_names_are_shown_escaped() -> None:
    own = factories.private(factories.key())
    evil = x509.DNSName._init_without_validation("a\0\n.example")
    pem = factories.certificate("a", own, "a", own, [(x509.SubjectAlternativeName([evil]), False)])
    assert get_details(pem).dns_names == (r"a\u0000\u000a.example",)


def test_a_key_of_another_kind_is_unknown() -> None:
    own = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = factories.certificate("a", own, "a", factories.private(factories.key()), [])
    assert (get_details(pem).key_length, get_details(pem).key_label) == (0, "unknown")


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(BadCertificate):
        get_details(text)
