"""Just enough BER to tell files apart and to find the certificates in a .p7b (X.690, RFC 5652).

The certificates themselves are not read here; they are cut out and given to the library.
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
_LEAST = 2  # octets: a tag and a length


class NotBer(ValueError):
    """The octets are not BER, or of a form that no certificate file has."""


@dataclass(frozen=True)
class Value:
    """One value: its tag, where it begins, where its content lies and where it ends."""

    data: bytes
    tag: int
    start: int
    inside: int
    inside_end: int
    end: int

    @property
    def content(self) -> bytes:
        """The content octets."""
        return self.data[self.inside : self.inside_end]

    @property
    def whole(self) -> bytes:
        """The whole value with tag and length."""
        return self.data[self.start : self.end]

    def children(self) -> list[Value]:
        """Return the values inside a constructed value."""
        return list(_values(self.data, self.inside, self.inside_end, 0))


def read(data: bytes) -> list[Value]:
    """Return the values that stand one after the other in data, or raise NotBer."""
    return list(_values(data, 0, len(data), 0))


def certificates_of(content_info: Value) -> list[bytes]:
    """Return the DER of each certificate in a SignedData, in no particular order."""
    wrapper = content_info.children()[1]
    signed = wrapper.children()[0]
    return [
        found.whole
        for part in signed.children()
        if part.tag == CONTEXT_0
        for found in part.children()
        if found.tag == SEQUENCE
    ]


def _values(data: bytes, start: int, end: int, depth: int) -> Iterator[Value]:
    while start < end:
        value = _value(data, start, end, depth)
        yield value
        start = value.end


def _value(data: bytes, start: int, end: int, depth: int) -> Value:
    if depth > _MAX_DEPTH or end - start < _LEAST:
        raise NotBer("cut short or too deep")
    tag, first = data[start], data[start + 1]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise NotBer("a tag of more than one octet")
    inside = start + 2
    if first == _INDEFINITE:
        return _indefinite(data, tag, start, end, depth)
    length = first
    if first & _LONG:
        count = first & ~_LONG
        if count > _MAX_LENGTH_OCTETS or inside + count > end:
            raise NotBer("a length out of bounds")
        length = int.from_bytes(data[inside : inside + count], "big")
        inside += count
    if inside + length > end:
        raise NotBer("a length out of bounds")
    return Value(data, tag, start, inside, inside + length, inside + length)


def _indefinite(data: bytes, tag: int, start: int, end: int, depth: int) -> Value:
    """Read a value whose end is marked by two zero octets."""
    if not tag & _CONSTRUCTED:
        raise NotBer("a primitive value of indefinite length")
    inside = here = start + 2
    while data[here : here + 2] != b"\0\0":
        here = _value(data, here, end, depth + 1).end
    return Value(data, tag, start, inside, here, here + 2)
