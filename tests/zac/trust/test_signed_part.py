"""The digest by which devices recognize a revoked certificate (D-264)."""

from __future__ import annotations

import ssl
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from faults import Invalid
from tests.pki import factories
from tests.zac.support.certificates import Root
from zac.trust.signed_part import get_signed_part_digest

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def encode_signature_again(der: bytes) -> bytes:
    """Return a certificate with the other valid form of its ECDSA signature."""
    signature = x509.load_der_x509_certificate(der).signature
    r, s = decode_dss_signature(signature)
    other = encode_dss_signature(r, P256_ORDER - s)
    # The signature is the last element: the content of a bit string without unused bits.
    bits = b"\x03" + bytes([len(other) + 1]) + b"\x00" + other
    body = der[4 : len(der) - len(signature) - 3] + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize("length", [256, 2048])
def test_it_is_the_digest_of_what_the_issuer_signed(length: int) -> None:
    leaf = factories.server(factories.ca(length=length), key_pem=factories.key(length))
    expected = sha256(factories.loaded(leaf).tbs_certificate_bytes).hexdigest()
    assert get_signed_part_digest(ssl.PEM_cert_to_DER_cert(leaf)) == expected


def test_a_signature_in_another_form_does_not_change_it() -> None:
    root = Root()
    der = ssl.PEM_cert_to_DER_cert(root.leaf(root.key.public_key(), "one.example"))
    other = encode_signature_again(der)
    x509.load_der_x509_certificate(other).verify_directly_issued_by(root.certificate)
    assert sha256(other).digest() != sha256(der).digest()
    assert get_signed_part_digest(other) == get_signed_part_digest(der)


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x02\x01\x00", b"\x30\x82\xff\xff\x30\x00"])
def test_what_is_no_certificate_is_rejected(data: bytes) -> None:
    with pytest.raises(Invalid, match="cannot be parsed"):
        get_signed_part_digest(data)
