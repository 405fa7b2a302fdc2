"""Signatures of the zone key (RFC 8032, 5.1.7 and 7.1): vectors, another library, forgeries."""

from __future__ import annotations

from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from wire.signatures import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e397"
        "01cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f361"
        "3d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76"
        "0984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def signed(message: bytes) -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key.sign(message)


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_it_accepts_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    assert ed25519.verify(*map(bytes.fromhex, (public, message, signature)))


def test_it_agrees_with_the_published_vectors() -> None:
    path = Path(cryptography_vectors.__file__).parent / "asymmetric/Ed25519/sign.input"
    lines = path.read_text().splitlines()[:1024:16]
    assert len(lines) == 64
    for line in lines:
        _, public, message, signature = line.split(":")[:4]
        raw = bytes.fromhex(signature)[:64]
        assert ed25519.verify(bytes.fromhex(public), bytes.fromhex(message), raw)


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=300))
def test_it_accepts_what_another_library_signed(message: bytes) -> None:
    public, signature = signed(message)
    assert ed25519.verify(public, message, signature)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 511))
def test_it_refuses_a_signature_with_one_bit_flipped(bit: int) -> None:
    public, signature = signed(b"message")
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not ed25519.verify(public, b"message", bytes(flipped))


def test_it_refuses_another_message() -> None:
    public, signature = signed(b"message")
    assert not ed25519.verify(public, b"massage", signature)


def test_it_refuses_another_key() -> None:
    _, signature = signed(b"message")
    assert not ed25519.verify(signed(b"message")[0], b"message", signature)


def test_it_refuses_a_scalar_beyond_the_order() -> None:
    public, signature = signed(b"message")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    forged = signature[:32] + scalar.to_bytes(32, "little")
    assert not ed25519.verify(public, b"message", forged)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_it_refuses_a_key_of_a_wrong_length(length: int) -> None:
    assert not ed25519.verify(bytes(length), b"message", bytes(64))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_it_refuses_a_signature_of_a_wrong_length(length: int) -> None:
    assert not ed25519.verify(signed(b"")[0], b"message", bytes(length))


@pytest.mark.parametrize(
    "public",
    [b"\xff" * 32, (2**255 - 19).to_bytes(32, "little"), (2).to_bytes(32, "little")],
    ids=["not reduced", "the prime itself", "not on the curve"],
)
def test_it_refuses_a_key_that_is_no_point(public: bytes) -> None:
    assert not ed25519.verify(public, b"message", bytes(64))


@pytest.mark.parametrize("y", [1, 2**255 - 20, 0], ids=["one", "minus one", "order four"])
def test_it_refuses_a_key_of_small_order(y: int) -> None:
    """Such a key would accept one signature for many messages."""
    public = y.to_bytes(32, "little")
    forged = (1).to_bytes(32, "little") + bytes(32)
    assert not any(ed25519.verify(public, b"message %d" % n, forged) for n in range(16))
