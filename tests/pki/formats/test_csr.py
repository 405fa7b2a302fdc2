"""Certification requests (RFC 2986; docs/decisions.md D-9, D-11, D-16)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import NameOID

from pki import keys
from pki.certificates import loading
from pki.errors import BadName, BadRequest, WeakKey
from pki.formats.csr import (
    CertificateRequest,
    build_ca_csr,
    build_csr,
    choose_common_name,
    parse_csr,
)
from pki.names import Names, Subject
from tests.pki import factories


@pytest.mark.parametrize("length", [256, 384, 2048])
def test_what_is_made_can_be_read(length: int) -> None:
    request = parse_csr(build_csr(factories.key(length), Subject(factories.FQDN), factories.NAMES))
    assert request.public_key == keys.get_public_key(factories.key(length))
    assert request.key_length == length
    assert request.names == factories.NAMES


@pytest.mark.parametrize("length", [256, 384, 2048])
def test_a_csr_of_a_ca_requests_the_extensions_of_a_ca(length: int, tmp_path: Path) -> None:
    pem = build_ca_csr(factories.key(length), Subject.parse("CN=Zone CA,O=Acme"))
    request = parse_csr(pem)
    assert request.public_key == keys.get_public_key(factories.key(length))
    assert request.loaded.subject == Subject.parse("CN=Zone CA,O=Acme").to_name()
    found = request.loaded.extensions
    constraints = found.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    usage = found.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert not usage.digital_signature
    file = tmp_path / "ca.csr"
    file.write_text(pem)
    command = ["openssl", "req", "-in", str(file), "-noout", "-verify", "-text"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "CA:TRUE" in shown.stdout


def test_der_text_around_and_bytes_are_read() -> None:
    pem = build_csr(factories.key(), Subject(factories.FQDN), factories.NAMES)
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    assert parse_csr(der).pem == parse_csr(f"text\r\n{pem}more").pem == pem


def test_a_request_with_a_bad_name_is_not_made() -> None:
    with pytest.raises(BadName):
        build_csr(factories.key(), Subject("a"), Names(dns=("a_b.example",)))


def test_it_refuses_a_request_without_proof_of_possession() -> None:
    pem = build_csr(factories.key(), Subject(factories.FQDN), factories.NAMES)
    der = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER))
    at = bytes(der).index(factories.FQDN.encode())
    der[at] ^= 1
    with pytest.raises(BadRequest, match="is not proven"):
        parse_csr(bytes(der))


@pytest.mark.parametrize(
    "weak", [rsa.generate_private_key(65537, 1024), ed25519.Ed25519PrivateKey.generate()]
)
def test_it_refuses_a_weak_key(weak: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(factories.name("a"))
    algorithm = hashes.SHA256() if isinstance(weak, rsa.RSAPrivateKey) else None
    with pytest.raises(WeakKey):
        parse_csr(factories.pem(builder.sign(weak, algorithm)))


def test_hostile_content_of_a_csr_is_ignored() -> None:
    key = factories.private(factories.key())
    builder = x509.CertificateSigningRequestBuilder().subject_name(factories.name("\u202ea\0\n<b>"))
    malformed = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x82\x01\xff")
    request = parse_csr(
        factories.pem(builder.add_extension(malformed, False).sign(key, hashes.SHA256()))
    )
    assert request.names == Names()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "nothing",
        b"\x30\x80",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "x" * 100_000,
        factories.ca().pem,
    ],
)
def test_it_refuses_what_is_no_request(data: str | bytes) -> None:
    with pytest.raises(BadRequest):
        parse_csr(data)


def test_it_refuses_every_change_of_what_was_signed() -> None:
    request = x509.load_pem_x509_csr(
        build_csr(factories.key(), Subject(factories.FQDN), factories.NAMES).encode()
    )
    der = request.public_bytes(serialization.Encoding.DER)
    start = der.index(request.tbs_certrequest_bytes)
    for at in range(start, start + len(request.tbs_certrequest_bytes)):
        changed = bytearray(der)
        changed[at] ^= 1
        with pytest.raises((BadRequest, WeakKey)):
            parse_csr(bytes(changed))


LONG = "a-very-long-host-name-of-a-server.in-a-department.of-a-subsidiary.example.com"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (Names(dns=(LONG, "short.example.com"), addresses=("10.0.0.1",)), "short.example.com"),
        (Names(dns=(LONG,), addresses=("10.0.0.1",)), "10.0.0.1"),
        (Names(dns=(LONG,)), LONG[:64]),
    ],
)
def test_a_name_that_is_too_long_is_replaced_in_the_subject(names: Names, expected: str) -> None:
    assert len(LONG) > 64
    assert choose_common_name(LONG, names) == expected
    request = parse_csr(build_csr(factories.key(), Subject(expected), names))
    assert request.names == names


def test_a_name_that_fits_is_the_common_name() -> None:
    assert choose_common_name("a.example", Names(dns=("a.example", "b.example"))) == "a.example"


def test_names_of_other_types_are_reported() -> None:
    key = loading.load_private_key(factories.key())
    names: list[x509.GeneralName] = [x509.DNSName("a.example.com")]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example.com")])
    for other in (None, x509.RFC822Name("a@example.com"), x509.UniformResourceIdentifier("a:b")):
        found = [*names, *([other] if other is not None else [])]
        builder = x509.CertificateSigningRequestBuilder(subject).add_extension(
            x509.SubjectAlternativeName(found), critical=False
        )
        pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        request = parse_csr(pem)
        assert request.has_other_names is (other is not None)
        assert request.common_name == "a.example.com"
    plain = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256())
    request = parse_csr(plain.public_bytes(serialization.Encoding.PEM))
    assert (request.has_other_names, request.common_name) == (False, "")


@pytest.mark.parametrize("value", [b"\x03\x0b\x00eb.example", b"\x14\x0b\xe9eb.example"])
def test_a_common_name_of_another_type_is_reported(value: bytes) -> None:
    pem = build_csr(factories.key(), Subject("web.example"), Names(("web.example",), ()))
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    text = b"\x0c\x0bweb.example"
    assert text in der
    loaded = loading.load_request(der.replace(text, value))
    request = CertificateRequest(loaded, loading.get_public_key(loaded))
    with pytest.raises(BadRequest, match="subject of the CSR cannot be parsed"):
        assert request.common_name
