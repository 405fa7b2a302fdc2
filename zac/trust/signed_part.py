"""Identify certificates without a library for certificates."""

from __future__ import annotations

from typing import Tuple

from faults import Invalid
from wire.metadata import sha256

_SEQUENCE = 0x30
_LONG_FORM = 0x80
_HEADER_BYTES = 2


def get_signed_part_digest(certificate: bytes) -> str:
    """Return the SHA-256 digest (hex) of the part of a certificate (DER) that its issuer signed.

    The digest of the whole certificate also covers the signature, and anyone can encode an ECDSA
    signature in a second way: the certificate stays valid and gets another digest. Raises Invalid.

    See: RFC 5280 4.1 (TBSCertificate); D-264
    """
    begin, _end = _read_sequence(certificate, 0)
    _begin, end = _read_sequence(certificate, begin)
    return sha256(certificate[begin:end])


def _read_sequence(data: bytes, offset: int) -> Tuple[int, int]:
    """Return where the content of the sequence at an offset begins and ends."""
    begin = offset + _HEADER_BYTES
    if len(data) < begin or data[offset] != _SEQUENCE:
        raise Invalid("The certificate cannot be parsed.")
    length = data[begin - 1]
    if length & _LONG_FORM:
        count = length - _LONG_FORM
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if begin + length > len(data):
        raise Invalid("The certificate cannot be parsed.")
    return begin, begin + length
