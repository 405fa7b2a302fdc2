"""A minimal BER parser that identifies files and finds the certificates in a .p7b file.

The certificates are parsed by `cryptography`.

See: X.690; RFC 5652
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
OCTET_STRING = 0x04
OID = 0x06
CONTEXT_0 = 0xA0

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
DATA = bytes.fromhex("2a864886f70d010701")

_INDEFINITE = 0x80
_LONG = 0x80
_HIGH_TAG = 0x1F
_CONSTRUCTED = 0x20
_MAX_LENGTH_OCTETS = 4
_MAX_DEPTH = 32
_MIN_LENGTH = 2  # octets: tag and length


class NotBer(ValueError):
    """The data is not BER, or uses a form that does not occur in certificate files."""


@dataclass(frozen=True)
class Value:
    """A BER value: its tag, and the offsets of the value and of its content."""

    data: bytes
    tag: int
    start: int
    inside: int
    inside_end: int
    end: int

    @property
    def content(self) -> bytes:
        """The content of the value."""
        return self.data[self.inside : self.inside_end]

    @property
    def whole(self) -> bytes:
        """The encoded value with tag and length."""
        return self.data[self.start : self.end]

    def children(self) -> list[Value]:
        """Return the values inside a constructed value, or raise NotBer."""
        return list(_parse_values(self.data, self.inside, self.inside_end, 0))


def parse(data: bytes) -> list[Value]:
    """Return the consecutive values in data, or raise NotBer."""
    return list(_parse_values(data, 0, len(data), 0))


def get_certificates(content_info: Value) -> list[bytes]:
    """Return the DER of each certificate in a SignedData."""
    wrapper = content_info.children()[1]
    signed = wrapper.children()[0]
    return [
        found.whole
        for part in signed.children()
        if part.tag == CONTEXT_0
        for found in part.children()
        if found.tag == SEQUENCE
    ]


def _parse_values(data: bytes, start: int, end: int, depth: int) -> Iterator[Value]:
    while start < end:
        value = _parse_value(data, start, end, depth)
        yield value
        start = value.end


def _parse_value(data: bytes, start: int, end: int, depth: int) -> Value:
    if depth > _MAX_DEPTH or end - start < _MIN_LENGTH:
        raise NotBer("truncated or nested too deeply")
    tag, first = data[start], data[start + 1]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise NotBer("multi-octet tags are not supported")
    inside = start + 2
    if first == _INDEFINITE:
        return _parse_indefinite(data, tag, start, end, depth)
    length = first
    if first & _LONG:
        count = first & ~_LONG
        if count > _MAX_LENGTH_OCTETS or inside + count > end:
            raise NotBer("length out of bounds")
        length = int.from_bytes(data[inside : inside + count], "big")
        inside += count
    if inside + length > end:
        raise NotBer("length out of bounds")
    return Value(data, tag, start, inside, inside + length, inside + length)


def _parse_indefinite(data: bytes, tag: int, start: int, end: int, depth: int) -> Value:
    """Return a value of indefinite length, which ends with two zero octets."""
    if not tag & _CONSTRUCTED:
        raise NotBer("primitive value with indefinite length")
    inside = here = start + 2
    while data[here : here + 2] != b"\0\0":
        here = _parse_value(data, here, end, depth + 1).end
    return Value(data, tag, start, inside, here, here + 2)
