"""Read certificates from a file, whatever its suffix (docs/decisions.md D-14; RFC 7468, RFC 5652).

What a file is, is told by its content. Nothing but BadBundle comes out of this border, and
what passes it can be read to the last extension.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re

from cryptography import x509

from pki.certificates import loading
from pki.errors import BadBundle, HasPrivateKey
from pki.formats import ber

MAX_SIZE = 256 * 1024
MAX_CERTIFICATES = 50

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----([^-]*)-----END \1-----")
_CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE"}
_PKCS7_LABELS = {b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"}
_REQUEST_LABELS = {b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"}
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_REQUEST_PARTS = 4
_PKCS12_VERSION = b"\3"

_PRIVATE_KEY = "The file has a private key in it. Nothing was imported."
_PKCS12 = "The file is a PKCS#12 (.pfx, .p12) file, which is made to hold a private key."
_REQUEST = "The file is a certificate signing request (CSR), not a certificate."
_NOTHING = "No certificate was found in the file."
_BEGINNINGS = (
    (b"PK\x03\x04", "The file is a zip archive."),
    (b"\xfe\xed\xfe\xed", "The file is a Java key store."),
    (b"%PDF", "The file is a PDF document."),
    (b"\x7fELF", "The file is a program."),
    (b"MZ", "The file is a program."),
    (b"\x1f\x8b", "The file is a compressed archive."),
    (b"{", "The file is a JSON document."),
)
_HTML = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)


def read_certificates(data: bytes) -> list[str]:
    """Return the certificates of a file as PEM, each once, in the order of the file.

    PEM, DER, base64 of DER and PKCS#7 are read. Raises BadBundle, and HasPrivateKey where the
    file has a private key in it.
    """
    if not data.strip():
        raise BadBundle("The file is empty.")
    if len(data) > MAX_SIZE:
        raise BadBundle(f"The file is larger than {MAX_SIZE // 1024} KiB.")
    try:
        found = list(dict.fromkeys(_find(_without_bom(data))))
    except BadBundle:
        raise
    except Exception as error:
        raise BadBundle("The file cannot be read.") from error
    if not found:
        raise BadBundle(_NOTHING)
    if len(found) > MAX_CERTIFICATES:
        raise BadBundle(f"The file has more than {MAX_CERTIFICATES} certificates in it.")
    for number, der in enumerate(found, 1):
        _check_readable(der, number)
    return [loading.armour(der) for der in found]


def to_pem_bundle(certificates: list[str]) -> str:
    """Return certificates one after the other as one PEM text."""
    return "".join(pem if pem.endswith("\n") else pem + "\n" for pem in certificates)


def to_der(pem: str) -> bytes:
    """Return the DER of the first certificate of a PEM text, byte for byte."""
    found = _PEM.search(pem.encode("ascii", "replace"))
    if found is None:
        raise BadBundle(_NOTHING)
    return _decoded(found[2])


def _find(data: bytes) -> list[bytes]:
    if b"-----BEGIN" in data:
        return _find_in_pem(data)
    if data[0] == ber.SEQUENCE:
        return _find_in_ber(data)
    text = b"".join(data.split())
    if _BASE64.fullmatch(text):
        return _find_in_ber(_decoded(text))
    if _HTML.match(data):
        raise BadBundle("The file is a web page, perhaps a failed download.")
    for beginning, explanation in _BEGINNINGS:
        if data.startswith(beginning):
            raise BadBundle(explanation)
    raise BadBundle(_NOTHING)


def _find_in_pem(data: bytes) -> list[bytes]:
    if re.search(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", data):
        raise HasPrivateKey(_PRIVATE_KEY)
    found: list[bytes] = []
    labels = set()
    for label, body in _PEM.findall(data):
        labels.add(label)
        if label in _CERTIFICATE_LABELS | _PKCS7_LABELS:
            found += _find_in_ber(_decoded(body))
        if len(found) > MAX_CERTIFICATES:
            break
    if not found and labels & _REQUEST_LABELS:
        raise BadBundle(_REQUEST)
    if not found and labels:
        names = ", ".join(sorted(label.decode("ascii") for label in labels))
        raise BadBundle(f"The file has no certificate in it but: {names}.")
    return found


def _find_in_ber(data: bytes) -> list[bytes]:
    try:
        values = ber.read(data.rstrip(b"\r\n") if data[-1:] in b"\r\n" else data)
    except ber.NotBer:
        values = ber.read(data)
    found: list[bytes] = []
    for value in values:
        found += _certificates_of(value)
        if len(found) > MAX_CERTIFICATES:
            break
    return found


def _certificates_of(value: ber.Value) -> list[bytes]:
    """Tell what a value is by its first parts, and return the certificates in it."""
    parts = value.children() if value.tag == ber.SEQUENCE else []
    if not parts:
        raise BadBundle(_NOTHING)
    _refuse_keys(parts)
    if parts[0].tag == ber.OID:
        if parts[0].content == ber.SIGNED_DATA:
            return ber.certificates_of(value)
        raise BadBundle("The file is a PKCS#7 file that is not a list of certificates.")
    inner = parts[0].children() if parts[0].tag == ber.SEQUENCE else []
    # CertificationRequestInfo has at most four parts, a certificate of any version six or more.
    if inner and inner[0].tag == ber.INTEGER and len(inner) <= _REQUEST_PARTS:
        raise BadBundle(_REQUEST)
    return [value.whole]


def _refuse_keys(parts: list[ber.Value]) -> None:
    """Refuse PKCS#12, PKCS#8, PKCS#1 and SEC 1: all of them begin otherwise than certificates."""
    first, second = parts[0], parts[1] if len(parts) > 1 else None
    if second is None:
        return
    if first.tag == ber.INTEGER:
        if first.content == _PKCS12_VERSION and second.tag == ber.SEQUENCE:
            raise HasPrivateKey(_PKCS12)
        raise HasPrivateKey(_PRIVATE_KEY)
    # EncryptedPrivateKeyInfo (RFC 5958): an algorithm, then the encrypted octets.
    if first.tag == ber.SEQUENCE and second.tag == ber.OCTET_STRING:
        raise HasPrivateKey(_PRIVATE_KEY)


def _check_readable(der: bytes, number: int) -> None:
    """Read every part once, so that nothing can fail later."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        for part in (certificate.subject, certificate.issuer):
            part.rfc4514_string()
        for found in certificate.extensions:
            repr(found)
        repr(certificate.signature_hash_algorithm)
        repr(certificate.signature_algorithm_oid)
        repr((certificate.not_valid_before_utc, certificate.not_valid_after_utc))
        repr((certificate.version, certificate.serial_number))
    except Exception as error:
        raise BadBundle(f"Certificate {number} of the file cannot be read.") from error


def _without_bom(data: bytes) -> bytes:
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("ascii", "replace")
    return data


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise BadBundle("The file is damaged: its base64 text cannot be decoded.") from error
