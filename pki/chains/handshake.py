"""Verification of a chain by OpenSSL, exactly as in the TLS handshake of a device.

A TLS 1.2 client verifies the chain when it receives the Certificate message, before the server
uses its private key. So this module sends the first two messages of a server to a client in
memory, and no private key is needed. If the client then requests the next message, it has accepted
the chain.

The context has the same options as the agent's, except for the dates, which OpenSSL can compare
with the present only.

See: zac/network/tls.py; RFC 5246 7.4; D-160
"""

from __future__ import annotations

import os
import ssl

ACCEPTED = 0
"""The result if a device accepts the chain. Other results are errors of X509_verify_cert(3)."""
UNREADABLE = -1
"""The result if OpenSSL cannot parse a certificate or does not support its key."""

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
_TLS_1_2 = b"\x03\x03"
_HANDSHAKE_RECORD, _SERVER_HELLO, _CERTIFICATE = 22, 2, 11
_ECDHE_RSA, _ECDHE_ECDSA = b"\xc0\x2f", b"\xc0\x2b"  # with AES_128_GCM_SHA256
_RENEGOTIATION_INFO = b"\xff\x01\x00\x01\x00"
_MAX_RECORD = 16384  # octets


def verify(chain: list[bytes], *, root: str, host: str | None, is_rsa: bool) -> int:
    """Return ACCEPTED, UNREADABLE, or the code of the verification error.

    `chain` is in DER, the server certificate first, and `is_rsa` is the type of its key. The root
    is PEM. Without `host`, any name is accepted.
    """
    messages = _build_messages(chain, _ECDHE_RSA if is_rsa else _ECDHE_ECDSA)
    try:
        context = _create_context(host)
        context.load_verify_locations(cadata=root)
    except ssl.SSLError:
        return UNREADABLE
    code = _send(messages, context, host)
    # Without a root, every chain must be rejected. Otherwise this OpenSSL verifies chains later.
    if code == ACCEPTED and _send(messages, _create_context(host), host) == ACCEPTED:
        raise RuntimeError("OpenSSL did not verify the chain in this part of the handshake")
    return code


def _create_context(host: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags(_NO_CHECK_TIME)
    context.check_hostname = host is not None
    context.hostname_checks_common_name = False
    return context


def _send(messages: bytes, context: ssl.SSLContext, host: str | None) -> int:
    """Return the result of a client that receives these messages."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=host)
    _proceed(client)
    incoming.write(messages)
    return _proceed(client)


def _proceed(client: ssl.SSLObject) -> int:
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return ACCEPTED
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
    except ssl.SSLError:
        return UNREADABLE
    raise AssertionError("a handshake without keys cannot be completed")


def _build_messages(chain: list[bytes], cipher_suite: bytes) -> bytes:
    """Return ServerHello and Certificate as TLS records."""
    hello = b"".join(
        (
            _TLS_1_2,
            os.urandom(32),
            b"\0",  # no session
            cipher_suite,
            b"\0",  # no compression
            _with_length(_RENEGOTIATION_INFO, 2),
        )
    )
    certificates = b"".join(_with_length(der, 3) for der in chain)
    data = b"".join(
        (
            bytes([_SERVER_HELLO]) + _with_length(hello, 3),
            bytes([_CERTIFICATE]) + _with_length(_with_length(certificates, 3), 3),
        )
    )
    parts = (data[at : at + _MAX_RECORD] for at in range(0, len(data), _MAX_RECORD))
    record = bytes([_HANDSHAKE_RECORD]) + _TLS_1_2
    return b"".join(record + _with_length(part, 2) for part in parts)


def _with_length(data: bytes, octets: int) -> bytes:
    return len(data).to_bytes(octets, "big") + data
