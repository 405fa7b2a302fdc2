"""OCSP requests, and responses that others verify (RFC 6960, RFC 5019; D-268)."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library

from pki.certificates import lint, ocsp
from pki.certificates.ocsp import Responder, ResponseTimes
from pki.certificates.revocation import RevokedSerial
from pki.errors import BadRequest, CannotSign, NotIssued
from pki.names import Subject
from tests.pki import factories, linters
from tests.pki.factories import CA, NOW
from tests.pki.softhsm import SoftHSM

TIMES = ResponseTimes(NOW, NOW + timedelta(days=4))
HASHES: dict[str, Any] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}
URL = "http://pki.example.com/ocsp"


def build_request(leaf: str, ca: CA, algorithm: str = "sha1") -> bytes:
    certificate, issuer = factories.loaded(leaf), factories.loaded(ca.pem)
    builder = library.OCSPRequestBuilder()
    request = builder.add_certificate(certificate, issuer, HASHES[algorithm]).build()
    return request.public_bytes(Encoding.DER)


def get_number(leaf: str) -> int:
    return factories.loaded(leaf).serial_number


def ask_openssl(folder: Path, response: bytes, ca: CA, leaf: str, algorithm: str) -> str:
    """Return what openssl says about a certificate with a response."""
    for name, text in (("root.pem", ca.pem), ("leaf.pem", leaf)):
        (folder / name).write_text(text)
    (folder / "response.der").write_bytes(response)
    command = ["openssl", "ocsp", f"-{algorithm}", "-issuer", str(folder / "root.pem")]
    command += ["-cert", str(folder / "leaf.pem"), "-respin", str(folder / "response.der")]
    command += ["-CAfile", str(folder / "root.pem"), "-no_nonce"]
    command += ["-attime", str(int(NOW.timestamp()) + 1)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def does_gnutls_accept(folder: Path) -> bool:
    command = ["ocsptool", "--verify-response", "--load-signer", str(folder / "root.pem")]
    command += ["--load-response", str(folder / "response.der")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode == 0 and "Success" in done.stdout


@pytest.mark.parametrize("length", [256, 384, 2048])
@pytest.mark.parametrize("reason", ["", "key-compromise", "cessation-of-operation", "unspecified"])
def test_everybody_accepts_a_response(tmp_path: Path, length: int, reason: str) -> None:
    ca = factories.ca(length=length)
    leaf = factories.server(ca)
    revoked = RevokedSerial(get_number(leaf), NOW, reason) if reason else None
    signed = Responder(ca.pem, ca.key).sign(get_number(leaf), TIMES, revoked)
    expected = f"leaf.pem: {'revoked' if reason else 'good'}"
    for algorithm, response in signed.items():
        assert linters.pkilint_ocsp(response) == []
        found = ask_openssl(tmp_path, response, ca, leaf, algorithm)
        assert "Response verify OK" in found
        assert expected in found
        assert does_gnutls_accept(tmp_path)


def test_a_response_of_another_ca_is_not_accepted(tmp_path: Path) -> None:
    ca, other = factories.ca(), factories.ca(which=9)
    leaf = factories.server(ca)
    [response, _] = Responder(other.pem, other.key).sign(get_number(leaf), TIMES).values()
    (tmp_path / "root.pem").write_text(ca.pem)
    (tmp_path / "response.der").write_bytes(response)
    assert not does_gnutls_accept(tmp_path)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_request_and_response_name_the_certificate_in_the_same_way(algorithm: str) -> None:
    ca = factories.ca()
    leaf = factories.server(ca)
    request = ocsp.parse_request(build_request(leaf, ca, algorithm))
    expected = (algorithm, ocsp.get_issuer_id(ca.pem, algorithm), get_number(leaf))
    assert request == expected
    der = Responder(ca.pem, ca.key).sign(get_number(leaf), TIMES)[algorithm]
    response = library.load_der_ocsp_response(der)
    assert response.issuer_name_hash + response.issuer_key_hash == request.issuer
    assert response.serial_number == request.serial
    assert response.next_update_utc == TIMES.next_update
    assert len(response.extensions) == 0
    assert response.certificates == []


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x00" * 2000])
def test_a_malformed_request_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        ocsp.parse_request(data)


def test_no_changed_byte_of_a_request_raises_another_error() -> None:
    ca = factories.ca()
    request = build_request(factories.server(ca), ca)
    for place in range(len(request)):
        for value in (0x00, 0x7F, 0x80, 0xFF):
            changed = request[:place] + bytes([value]) + request[place + 1 :]
            try:
                ocsp.parse_request(changed)
            except BadRequest:
                continue
    for length in range(len(request)):
        with pytest.raises(BadRequest):
            ocsp.parse_request(request[:length])


def test_another_hash_is_not_supported() -> None:
    ca = factories.ca()
    builder = library.OCSPRequestBuilder()
    certificate, issuer = factories.loaded(factories.server(ca)), factories.loaded(ca.pem)
    request = builder.add_certificate(certificate, issuer, hashes.SHA512()).build()
    with pytest.raises(ocsp.Unsupported):
        ocsp.parse_request(request.public_bytes(Encoding.DER))


def test_a_request_about_several_certificates_is_not_supported(tmp_path: Path) -> None:
    ca = factories.ca()
    (tmp_path / "root.pem").write_text(ca.pem)
    command = ["openssl", "ocsp", "-issuer", str(tmp_path / "root.pem"), "-serial", "1"]
    command += ["-serial", "2", "-reqout", str(tmp_path / "request.der")]
    subprocess.run(command, capture_output=True, timeout=30, check=True)
    with pytest.raises(ocsp.Unsupported):
        ocsp.parse_request((tmp_path / "request.der").read_bytes())


def test_the_key_must_be_that_of_the_ca() -> None:
    ca, other = factories.ca(), factories.ca("Other", which=9)
    with pytest.raises(CannotSign, match="does not match"):
        Responder(ca.pem, other.key)


def test_the_serial_number_is_that_of_a_certificate_that_the_ca_has_signed() -> None:
    ca, other = factories.ca(), factories.ca(which=9)
    leaf = factories.server(ca)
    assert ocsp.get_serial(leaf, issuer_pem=ca.pem) == get_number(leaf)
    assert ocsp.get_serial(factories.server(other), issuer_pem=ca.pem) is None


def test_a_key_in_a_token_signs_responses(tmp_path: Path) -> None:
    token = SoftHSM(tmp_path).token()
    try:
        key = token.make_key(256, "one")
        root = factories.build_root(
            key_pem=key,
            subject=Subject("Token CA"),
            validity=factories.get_root_validity(NOW, 10),
            serial=factories.generate_serial(),
        )
        signed = Responder(root, key).sign(1, TIMES)
    finally:
        token.close_sessions()
    (tmp_path / "root.pem").write_text(root)
    (tmp_path / "response.der").write_bytes(signed[ocsp.SHA1])
    assert does_gnutls_accept(tmp_path)


def test_a_certificate_with_the_address_of_the_responder_is_accepted_by_everybody(
    tmp_path: Path,
) -> None:
    ca = factories.ca()
    leaf = factories.server_with_addresses(ca, ocsp_url=URL)
    assert lint.lint_certificate(leaf, kind="server", issuer_pem=ca.pem) == []
    assert linters.pkilint(leaf) == []
    host = factories.FQDN
    accepted = linters.everybody(tmp_path, roots=[ca.pem], chain=[leaf], host=host, at=NOW)
    assert accepted == {True}
    extensions = factories.loaded(leaf).extensions
    found = extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    [description] = found.value
    assert description.access_location == x509.UniformResourceIdentifier(URL)
    assert not found.critical
    (tmp_path / "leaf.pem").write_text(leaf)
    command = ["openssl", "x509", "-noout", "-ocsp_uri", "-in", str(tmp_path / "leaf.pem")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == URL


def test_an_address_with_https_is_not_issued() -> None:
    with pytest.raises(NotIssued, match="http://"):
        factories.server_with_addresses(factories.ca(), ocsp_url="https://pki.example.com/ocsp")
