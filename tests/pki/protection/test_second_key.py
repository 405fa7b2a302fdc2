"""The second zone key (FIPS 205): its signatures hold in another implementation, and its files."""

from __future__ import annotations

import base64

import pytest

from pki.errors import WrongKey
from pki.protection import second_key
from wire.signatures import slh_dsa

PRIVATE = second_key.generate_second_key()
PUBLIC = base64.b64decode(second_key.get_public_key(PRIVATE))


def test_a_device_accepts_its_signature_of_this_message_only() -> None:
    signature = second_key.sign(PRIVATE, b"message")
    assert slh_dsa.verify(PUBLIC, b"message", signature)
    assert not slh_dsa.verify(PUBLIC, b"massage", signature)


def test_a_faulty_signature_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = bytes(slh_dsa.SIGNATURE_LENGTH)
    monkeypatch.setattr("pki.protection.second_key.slh_dsa_sha2_128s.sign", lambda *_: faulty)
    with pytest.raises(ValueError, match=r"(?i)signature"):
        second_key.sign(PRIVATE, b"message")


def test_two_keys_differ() -> None:
    assert second_key.generate_second_key() != PRIVATE


def test_the_pem_file_is_the_one_of_rfc_9909() -> None:
    """OneAsymmetricKey with OID 2.16.840.1.101.3.4.3.20 and the 64 bytes as they are (6)."""
    pem = second_key.to_pem(PRIVATE)
    der = base64.b64decode("".join(pem.splitlines()[1:-1]))
    assert der == bytes.fromhex("3052020100300b06096086480165030403140440") + base64.b64decode(
        PRIVATE
    )
    assert second_key.from_pem(pem) == PRIVATE


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n",
        second_key.to_pem(PRIVATE).replace("\n-----END", "AAAA\n-----END"),
    ],
)
def test_another_file_is_rejected(pem: str) -> None:
    with pytest.raises(WrongKey):
        second_key.from_pem(pem)


@pytest.mark.parametrize("private", ["", "%%%", base64.b64encode(bytes(63)).decode()])
def test_a_damaged_key_does_not_sign(private: str) -> None:
    with pytest.raises(WrongKey):
        second_key.sign(private, b"message")
