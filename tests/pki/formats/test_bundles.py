"""Files are told by their content (docs/decisions.md D-14)."""

from __future__ import annotations

import base64
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from pki.certificates.loading import encode_pem
from pki.errors import BadBundle, HasPrivateKey
from pki.formats.bundles import parse_certificates, to_der, to_pem_bundle, to_pkcs7
from pki.formats.csr import build_csr
from pki.names import Subject
from tests.pki import factories
from tests.pki.factories import NOW

DAY = timedelta(days=1)
FAMILY = factories.family()
THREE = [FAMILY.leaf, FAMILY.middle, FAMILY.root]
ONE = FAMILY.leaf
OBJECTS = [factories.loaded(pem) for pem in THREE]
P7_DER = pkcs7.serialize_certificates(OBJECTS, serialization.Encoding.DER)
P7_PEM = pkcs7.serialize_certificates(OBJECTS, serialization.Encoding.PEM)
KEY = factories.private(factories.key())


def indefinite(der: bytes, depth: int) -> bytes:
    """Return constructed DER as BER of indefinite length, some levels deep."""
    if not depth or not der[0] & 0x20:
        return der
    length, start = der[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
    parts, inside = b"", der[start:]
    while inside:
        size = 2 + inside[1]
        if inside[1] & 0x80:
            octets = inside[1] & 0x7F
            size = 2 + octets + int.from_bytes(inside[2 : 2 + octets], "big")
        is_certificate = inside[0] == 0x30 and size > 200
        parts += inside[:size] if is_certificate else indefinite(inside[:size], depth - 1)
        inside = inside[size:]
    return der[:1] + b"\x80" + parts + b"\0\0"


TEXT = "".join(THREE)
FORMS = {
    "pem": TEXT.encode(),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "bom": b"\xef\xbb\xbf" + TEXT.encode(),
    "utf-16": TEXT.encode("utf-16"),
    "text around": b"Subject: x\n" + TEXT.replace("-----END", "\n-----END").encode() + b"\n\nend",
    "long lines": "".join(
        "-----BEGIN CERTIFICATE-----"
        + base64.b64encode(to_der(pem)).decode()
        + "-----END CERTIFICATE-----"
        for pem in THREE
    ).encode(),
    "x509 label": TEXT.replace(" CERTIFICATE", " X509 CERTIFICATE").encode(),
    "der after der": b"".join(to_der(pem) for pem in THREE),
}
P7_FORMS = {
    "p7b der": P7_DER,
    "p7b pem": P7_PEM,
    "p7b base64": base64.encodebytes(P7_DER),
    "p7b ber": indefinite(P7_DER, 4),
}


@pytest.mark.manual("R062")
@pytest.mark.parametrize("form", FORMS)
def test_it_reads_every_form_in_the_order_of_the_file(form: str) -> None:
    assert parse_certificates(FORMS[form]) == THREE


@pytest.mark.manual("R062")
@pytest.mark.parametrize("form", P7_FORMS)
def test_it_reads_pkcs7_as_a_set(form: str) -> None:
    assert indefinite(P7_DER, 4) != P7_DER
    assert sorted(parse_certificates(P7_FORMS[form])) == sorted(THREE)


def test_it_reads_what_openssl_makes(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(TEXT)
    for form in ("PEM", "DER"):
        command = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", str(tmp_path / "c.pem")]
        done = subprocess.run(
            [*command, "-outform", form], capture_output=True, check=True, timeout=30
        )
        assert sorted(parse_certificates(done.stdout)) == sorted(THREE)


@pytest.mark.manual("R062")
def test_it_reads_der_and_base64_of_it() -> None:
    der = to_der(ONE)
    assert parse_certificates(der) == parse_certificates(base64.encodebytes(der)) == [ONE]
    assert parse_certificates(b"\n " + base64.b64encode(der) + b"\r\n") == [ONE]


def test_repetitions_are_dropped() -> None:
    assert parse_certificates(to_pem_bundle([ONE, FAMILY.root, ONE]).encode()) == [ONE, FAMILY.root]


def test_fifty_certificates_are_read_and_no_more() -> None:
    own = factories.private(factories.key())
    many = [factories.certificate(f"c{number}", own, "x", own, []) for number in range(51)]
    assert len(parse_certificates("".join(many[:50]).encode())) == 50
    for data in ("".join(many).encode(), b"".join(to_der(pem) for pem in many)):
        with pytest.raises(BadBundle, match="more than 50"):
            parse_certificates(data)


def key_as(form: str, encoding: str, secret: bytes = b"") -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    )
    return bytes(
        KEY.private_bytes(
            getattr(serialization.Encoding, encoding),
            getattr(serialization.PrivateFormat, form),
            encryption,
        )
    )


RSA = factories.private(factories.key(2048))
KEYS = {
    "pkcs8 pem": key_as("PKCS8", "PEM"),
    "sec1 pem": key_as("TraditionalOpenSSL", "PEM"),
    "encrypted pem": key_as("PKCS8", "PEM", b"x"),
    "pkcs8 der": key_as("PKCS8", "DER"),
    "sec1 der": key_as("TraditionalOpenSSL", "DER"),
    "encrypted der": key_as("PKCS8", "DER", b"x"),
    "pkcs1 der": RSA.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ),
    "base64": base64.b64encode(key_as("PKCS8", "DER")),
    "utf-16": key_as("PKCS8", "PEM").decode().encode("utf-16"),
    "after a certificate": ONE.encode() + key_as("PKCS8", "PEM"),
    "before a certificate, in der": key_as("PKCS8", "DER") + to_der(ONE),
    "cut short": ONE.encode() + key_as("PKCS8", "PEM")[:80],
    "pkcs12": pkcs12.serialize_key_and_certificates(
        b"x",
        KEY,
        factories.loaded(factories.server(factories.ca())),
        None,
        serialization.NoEncryption(),
    ),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_file_with_a_private_key_is_refused_and_the_message_says_so(kind: str) -> None:
    with pytest.raises(HasPrivateKey, match="private key"):
        parse_certificates(KEYS[kind])


CSR = build_csr(factories.key(), Subject("a.example"), factories.NAMES)
CSR_DER = base64.b64decode("".join(CSR.splitlines()[1:-1]))
OTHERS = {
    "empty": (b"", "empty"),
    "blank": (b" \r\n", "empty"),
    "csr": (CSR.encode(), "signing request"),
    "csr der": (CSR_DER, "signing request"),
    "csr base64": (base64.b64encode(CSR_DER), "signing request"),
    "html": (b"\n<!DOCTYPE html><html>", "web page"),
    "zip": (b"PK\x03\x04abc", "zip"),
    "jks": (b"\xfe\xed\xfe\xed\0\0", "Java"),
    "text": (b"hello", "No certificate"),
    "public key": (
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "It contains: PUBLIC KEY",
    ),
    "too large": (b"A" * (256 * 1024 + 1), "exceeds the 256 KiB limit"),
    "damaged": (ONE.replace("M", "*", 1).encode(), "damaged"),
    "cut short": (to_der(ONE)[:-1], "cannot be parsed"),
    "more behind": (to_der(ONE) + b"\x30", "cannot be parsed"),
    "cms data": (bytes.fromhex("300f06092a864886f70d010701a0020400"), "PKCS #7"),
    "no end": (ONE.replace("-----END", "").encode(), "Only 0 of 1 PEM blocks"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_whatever_else_it_is_the_message_says(kind: str) -> None:
    data, message = OTHERS[kind]
    with pytest.raises(BadBundle, match=message.replace("not? ?", "no ")) as caught:
        parse_certificates(data)
    assert not isinstance(caught.value, HasPrivateKey)


def test_a_bundle_is_text_that_reads_back() -> None:
    bundle = to_pem_bundle([pem.rstrip("\n") for pem in THREE])
    assert bundle == TEXT
    with pytest.raises(BadBundle):
        to_der("x")


def test_half_a_file_is_rejected() -> None:
    cut = ONE[: ONE.index("-----END")] + FAMILY.root
    for data in (cut, cut.replace("\n", "\r\n"), FAMILY.root + ONE[:200]):
        with pytest.raises(BadBundle, match="Only 1 of 2 PEM blocks"):
            parse_certificates(data.encode())


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_file_in_two_encodings_is_rejected(order: str) -> None:
    begin = "\ufeff".encode(order)
    for data in (
        begin + ONE.encode(order) + FAMILY.root.encode(),
        FAMILY.root.encode() + ONE.encode(order),
    ):
        with pytest.raises(BadBundle, match="more than one encoding"):
            parse_certificates(data)


def test_a_trusted_certificate_can_be_converted() -> None:
    text = ONE.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    with pytest.raises(BadBundle, match="TRUSTED CERTIFICATE") as caught:
        parse_certificates(text.encode())
    assert "openssl x509 -in" in caught.value.action


@pytest.mark.parametrize("secret", [b"", b"secret"])
def test_pkcs12_without_a_key_is_not_called_compromised(secret: bytes) -> None:
    encryption = (
        serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    )
    root = factories.loaded(FAMILY.root)
    data = pkcs12.serialize_key_and_certificates(b"x", None, None, [root], encryption)
    with pytest.raises(BadBundle, match="PKCS #12 files are not accepted") as caught:
        parse_certificates(data)
    assert not isinstance(caught.value, HasPrivateKey)
    assert "compromised" not in str(caught.value)


def test_pkcs12_with_an_encrypted_key_is_rejected_as_a_key() -> None:
    encryption = serialization.BestAvailableEncryption(b"secret")
    leaf = factories.loaded(factories.server(factories.ca()))
    data = pkcs12.serialize_key_and_certificates(b"x", KEY, leaf, None, encryption)
    with pytest.raises(HasPrivateKey, match="contains a private key"):
        parse_certificates(data)


def changed(before: bytes, after: bytes) -> bytes:
    """Return a file whose second certificate has other octets of the same length."""
    root = to_der(FAMILY.root)
    assert before in root
    return ONE.encode() + encode_pem(root.replace(before, after)).encode()


SERVER_KEY_OID = bytes.fromhex("06082a8648ce3d030107")  # the curve P-256
UNREADABLE = {
    "curve": (SERVER_KEY_OID, bytes.fromhex("06082a8648ce3d030177"), "key type or curve"),
    "twice": (bytes.fromhex("0603551d0f"), bytes.fromhex("0603551d13"), "2.5.29.19 twice"),
    "extension": (bytes.fromhex("0603551d0f"), bytes.fromhex("0603551d25"), "extensions is not"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_certificate_is_named_with_the_reason(kind: str) -> None:
    before, after, reason = UNREADABLE[kind]
    message = f'Certificate 2 in the file "CN=Ext Root" cannot be parsed.*{reason}'
    with pytest.raises(BadBundle, match=message):
        parse_certificates(changed(before, after))


def test_other_objects_in_der_are_named() -> None:
    public_key = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    builder = x509.CertificateRevocationListBuilder(factories.name("CA"), NOW, NOW + DAY)
    crl = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    for data, what in ((public_key, "public key"), (crl, "revocation list")):
        with pytest.raises(BadBundle, match=what):
            parse_certificates(data)


def test_a_negative_serial_number_is_rejected_and_zero_is_not() -> None:

    zero = Path(__file__).parents[1] / "chains" / "files" / "root-serial-zero.pem"
    (found,) = parse_certificates(zero.read_bytes())
    negative = to_der(found).replace(b"\x02\x01\x00\x30", b"\x02\x01\xff\x30", 1)
    with pytest.raises(BadBundle, match="serial number is negative"):
        parse_certificates(negative)


def test_certificates_are_written_as_pkcs7_that_openssl_reads() -> None:
    der = to_pkcs7(THREE)
    assert set(parse_certificates(der)) == set(THREE)
    command = ["openssl", "pkcs7", "-inform", "DER", "-print_certs"]
    done = subprocess.run(command, input=der, capture_output=True, check=True)
    assert set(parse_certificates(done.stdout)) == set(THREE)
