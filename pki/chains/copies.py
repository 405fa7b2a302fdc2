"""Copies of CA certificates with another key, to test which server certificates a CA can issue.

The console does not have the key of an external CA, so it cannot sign a test certificate with it.
A copy has the same names, dates, and extensions, and a key of this process, which signs the test
certificate.
"""

from __future__ import annotations

import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pki.certificates import build, loading
from pki.formats import ber
from pki.names import Names

_BIT_STRING, _CONTEXT_3, _BOOLEAN_TRUE = 0x03, 0xA3, b"\x01\x01\xff"
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_VERSION_3 = bytes.fromhex("a003020102")
_SERIAL_1 = bytes.fromhex("020101")
_NO_NAME = bytes.fromhex("3000")
_LONG_LENGTH = 0x80
_ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")


def build_test_chain(authorities: list[bytes], names: Names | None) -> tuple[list[bytes], str]:
    """Return a test chain, server certificate first, and its root as PEM.

    `authorities` are CA certificates in DER, the root first. The server certificate is issued by
    the last one, for these names. Without names, no name constraint applies to it.
    """
    copies = [_copy(der) for der in authorities]
    chain = [_build_server_certificate(authorities[-1], names), *reversed(copies[1:])]
    return chain, loading.encode_pem(copies[0])


@functools.cache
def _get_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _get_public_key() -> bytes:
    return (
        _get_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@functools.lru_cache(maxsize=256)
def _copy(der: bytes) -> bytes:
    """Return the certificate with another key and signature."""
    before, validity, subject, after = _split(der)
    *start, _algorithm, issuer = before
    return _sign(*start, _ECDSA_WITH_SHA256, issuer, validity, subject, _get_public_key(), *after)


def _build_server_certificate(issuer: bytes, names: Names | None) -> bytes:
    _before, validity, name, _after = _split(issuer)
    extensions = (_build_extensions(names),) if names else ()
    parts = (_VERSION_3, _SERIAL_1, _ECDSA_WITH_SHA256, name, validity, _NO_NAME)
    return _sign(*parts, _get_public_key(), *extensions)


def _build_extensions(names: Names) -> bytes:
    value: x509.ExtensionType = build.build_alternative_names(names)
    octets = _encode(ber.OCTET_STRING, value.public_bytes())
    found = _encode(ber.SEQUENCE, _ALTERNATIVE_NAMES, _BOOLEAN_TRUE, octets)
    return _encode(_CONTEXT_3, _encode(ber.SEQUENCE, found))


def _split(der: bytes) -> tuple[list[bytes], bytes, bytes, list[bytes]]:
    """Return the parts of a TBSCertificate: up to issuer, validity, subject, after the key."""
    fields = [part.whole for part in ber.parse(der)[0].children()[0].children()]
    first = 0 if fields[0][0] == ber.CONTEXT_0 else -1  # version 1 has no version field
    return (
        fields[: first + 4],
        fields[first + 4],
        fields[first + 5],
        fields[first + 7 :],
    )


def _sign(*parts: bytes) -> bytes:
    body = _encode(ber.SEQUENCE, *parts)
    signature = _get_key().sign(body, ec.ECDSA(hashes.SHA256()))
    return _encode(ber.SEQUENCE, body, _ECDSA_WITH_SHA256, _encode(_BIT_STRING, b"\0", signature))


def _encode(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < _LONG_LENGTH:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_LENGTH | len(octets)]) + octets + content
