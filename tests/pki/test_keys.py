"""Keys and the policy on them (docs/decisions.md D-9 and D-17)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from pki import keys
from pki.certificates import loading
from pki.errors import WeakKey, WrongKey
from pki.formats.csr import build_csr
from pki.names import Names, Subject
from tests.pki import factories

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


def check_public_key(key: Any) -> None:
    """Check a key as it is loaded from a file."""
    public = key.public_key() if hasattr(key, "public_key") else key
    spki = public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    keys.check_key(loading.load_public_key(spki.decode()))


@pytest.mark.parametrize("length", keys.KEY_LENGTHS)
def test_it_makes_a_key_of_each_length_that_is_offered(length: int) -> None:
    key = factories.key(length)
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    public = loading.load_public_key(keys.get_public_key(key))
    assert factories.private(key).key_size == public.key_size == length
    keys.check_key(public)
    assert length in keys.KEY_LABELS


@pytest.mark.parametrize("length", [0, 192, 521, 1024, 2047, 8192])
def test_it_makes_no_other_key(length: int) -> None:
    with pytest.raises(WeakKey):
        keys.generate_key(length)


@pytest.mark.parametrize(
    "weak",
    [
        rsa.generate_private_key(65537, 1024),
        rsa.generate_private_key(3, 2048),
        ec.generate_private_key(ec.SECP192R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        dsa.generate_private_key(1024),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa1024", "e3", "p192", "p521", "brainpool", "dsa", "ed25519"],
)
def test_it_refuses_keys_that_are_weak_or_of_another_kind(weak: Any) -> None:
    with pytest.raises(WeakKey):
        check_public_key(weak)
    with pytest.raises(WeakKey):
        keys.parse_key(weak.private_bytes(DER, PKCS8, serialization.NoEncryption()))


def test_it_refuses_an_odd_length() -> None:
    with pytest.raises(WeakKey, match="2056"):
        check_public_key(rsa.generate_private_key(65537, 2056))


def test_it_refuses_a_modulus_of_two_close_primes() -> None:
    p = next_prime(2**1023 + 2**1022)
    q = next_prime(p + 2)
    number = rsa.RSAPublicNumbers(65537, p * q).public_key()
    with pytest.raises(WeakKey, match="factored"):
        check_public_key(number)


def test_it_refuses_an_even_modulus() -> None:
    odd = factories.private(factories.key(2048)).public_key().public_numbers().n
    with pytest.raises((WeakKey, WrongKey)):
        check_public_key(rsa.RSAPublicNumbers(65537, odd - 1).public_key())


@pytest.mark.parametrize("encoding", [DER, PEM])
@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
@pytest.mark.parametrize("length", [256, 2048])
def test_it_reads_a_key_file_of_every_form(
    length: int, form: serialization.PrivateFormat, encoding: serialization.Encoding
) -> None:
    key = factories.private(factories.key(length))
    data = key.private_bytes(encoding, form, serialization.NoEncryption())
    assert keys.parse_key(data) == factories.key(length)


def test_it_says_that_a_key_file_is_encrypted() -> None:
    secret = serialization.BestAvailableEncryption(b"secret")
    data = factories.private(factories.key()).private_bytes(PEM, PKCS8, secret)
    with pytest.raises(WrongKey, match="encrypted"):
        keys.parse_key(data)


@pytest.mark.parametrize("data", [b"", b"no key", b"\x30\x82", b"-----BEGIN PRIVATE KEY-----"])
def test_it_refuses_what_is_no_key(data: bytes) -> None:
    with pytest.raises(WrongKey):
        keys.parse_key(data)


def test_a_fault_of_a_key_shows_nothing_of_the_key() -> None:
    damaged = factories.key().replace("M", "N", 1)
    with pytest.raises(WrongKey) as caught:
        keys.get_public_key(damaged)
    assert caught.value.__cause__ is None
    assert damaged.splitlines()[1] not in str(caught.value)


def test_it_tells_whether_key_and_certificate_belong_together() -> None:
    mine, other = factories.key(256, 1), factories.key(256, 2)
    request = build_csr(mine, Subject("a.example"), Names())
    certificate = factories.server(factories.ca(), key_pem=mine)
    for pem in (request, certificate, keys.get_public_key(mine), mine):
        assert keys.is_same_key(mine, pem)
        assert not keys.is_same_key(other, pem)


def next_prime(number: int) -> int:
    number |= 1
    while pow(2, number - 1, number) != 1:
        number += 2
    return number
