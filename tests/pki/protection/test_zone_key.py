"""The zone key (Ed25519, RFC 8032)."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from pki.errors import WrongKey
from pki.protection import zone_key
from tests.pki import factories

PRIVATE, PUBLIC = zone_key.generate_zone_key()


def test_the_keys_are_32_raw_octets() -> None:
    assert len(base64.b64decode(PRIVATE)) == len(base64.b64decode(PUBLIC)) == 32
    assert zone_key.get_public_key(PRIVATE) == PUBLIC


def test_the_first_vector_of_the_rfc_holds() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signature = zone_key.sign(base64.b64encode(seed).decode(), b"")
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065")


def test_a_signature_verifies_and_nothing_else_does() -> None:
    signature = zone_key.sign(PRIVATE, b"message")
    assert zone_key.verify(PUBLIC, b"message", signature)
    assert not zone_key.verify(PUBLIC, b"messagf", signature)
    assert not zone_key.verify(zone_key.generate_zone_key()[1], b"message", signature)
    assert not zone_key.verify(PUBLIC, b"message", signature[:-1])
    assert not zone_key.verify("AAAA", b"message", signature)
    assert not zone_key.verify("\ud800", b"message", signature)


def test_a_wrong_private_key_is_a_fault() -> None:
    for bad in ("", "AAAA", "no base64!"):
        with pytest.raises(WrongKey):
            zone_key.sign(bad, b"")
    with pytest.raises(WrongKey):
        zone_key.from_pem("x")
    with pytest.raises(WrongKey, match="not an Ed25519"):
        zone_key.from_pem(factories.key())


def test_openssl_reads_the_pem(tmp_path: Path) -> None:
    pem = zone_key.to_pem(PRIVATE)
    assert zone_key.from_pem(pem) == PRIVATE
    (tmp_path / "key.pem").write_text(pem)
    command = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout", "-outform", "DER"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    assert done.stdout[-32:] == base64.b64decode(PUBLIC)
