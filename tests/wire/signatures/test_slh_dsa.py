"""SLH-DSA-SHA2-128s (FIPS 205): vectors of NIST, forgeries, and lengths."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from wire.signatures import slh_dsa

# All tests of the group "SLH-DSA-SHA2-128s, external, pure" of the ACVP server of NIST. The file
# names its source.
VECTORS = json.loads(
    gzip.decompress(Path(__file__).with_name("slh_dsa_sha2_128s.json.gz").read_bytes())
)["tests"]
VALID = next(vector for vector in VECTORS if vector["testPassed"])


def read(vector: dict[str, Any]) -> list[bytes]:
    names = ("pk", "message", "signature", "context")
    return [base64.b64decode(vector[name]) for name in names]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["tcId"]))
def test_it_agrees_with_the_vectors_of_nist(vector: dict[str, Any]) -> None:
    assert slh_dsa.verify(*read(vector)) is vector["testPassed"]


def test_the_vectors_contain_valid_and_invalid_signatures_of_the_right_length() -> None:
    whole = [v for v in VECTORS if len(read(v)[2]) == slh_dsa.SIGNATURE_LENGTH]
    assert {vector["testPassed"] for vector in whole} == {True, False}


@pytest.mark.parametrize("byte", [0, 15, 16, 32, 2927, 2928, 2944, 3487, 3488, 3632, 7712, 7855])
def test_every_part_of_a_signature_counts(byte: int) -> None:
    """Randomizer, first and last value of FORS, and of the trees with their paths."""
    public, message, signature, context = read(VALID)
    changed = bytearray(signature)
    changed[byte] ^= 1
    assert not slh_dsa.verify(public, message, bytes(changed), context)


@pytest.mark.parametrize("byte", [0, 15, 16, 31])
def test_every_part_of_the_key_counts(byte: int) -> None:
    public, message, signature, context = read(VALID)
    changed = bytearray(public)
    changed[byte] ^= 1
    assert not slh_dsa.verify(bytes(changed), message, signature, context)


def test_the_context_is_part_of_what_is_signed() -> None:
    public, message, signature, context = read(VALID)
    assert not slh_dsa.verify(public, message, signature)
    assert not slh_dsa.verify(public, context + message, signature)
    assert not slh_dsa.verify(public, message, signature, bytes(256))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_rejected(length: int) -> None:
    _, message, signature, context = read(VALID)
    assert not slh_dsa.verify(bytes(length), message, signature, context)
