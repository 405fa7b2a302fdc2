"""Parse certificate files: PEM, DER, Base64, and PKCS #7.

The format is detected from the content, not from the file name. All errors are BadBundle. All
parts of a returned certificate can be parsed.

See: docs/decisions.md D-14; RFC 7468; RFC 5652
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.certificates import loading
from pki.errors import BadBundle, HasPrivateKey
from pki.formats import ber, readability

MAX_SIZE = 256 * 1024
MAX_CERTIFICATES = 50

_BEGIN = b"-----BEGIN "
_UTF_16_BEGINS = tuple(_BEGIN.decode().encode(f"utf-16-{order}") for order in ("le", "be"))
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----([^-]*)-----END \1-----")
_CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE"}
_TRUSTED_LABEL = b"TRUSTED CERTIFICATE"
_PKCS7_LABELS = {b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"}
_REQUEST_LABELS = {b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"}
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_REQUEST_PARTS = 4
_PKCS12_VERSION = b"\3"

_PRIVATE_KEY = gettext_noop("The file contains a private key. Nothing was imported.")
_PKCS12 = gettext_noop("The file is a PKCS #12 file (.pfx, .p12). PKCS #12 files are not accepted.")
_PKCS12_KEY = gettext_noop(
    "The file is a PKCS #12 file (.pfx, .p12). PKCS #12 files are not accepted. This one contains "
    "a private key."
)
_EXPORT = gettext_noop("Export the certificates without the private key, as PEM or PKCS #7.")
# PKCS #12 keyBag and pkcs8ShroudedKeyBag (RFC 7292, 4.2)
_KEY_BAGS = tuple(bytes.fromhex(f"060b2a864886f70d010c0a01{last}") for last in ("01", "02"))
_REQUEST = gettext_noop("The file is a certificate signing request (CSR), not a certificate.")
_NO_CERTIFICATE = gettext_noop("No certificate was found in the file.")
_SIGNATURES = (
    (b"PK\x03\x04", gettext_noop("The file is a zip archive.")),
    (b"\xfe\xed\xfe\xed", gettext_noop("The file is a Java keystore.")),
    (b"%PDF", gettext_noop("The file is a PDF document.")),
    (b"\x7fELF", gettext_noop("The file is an executable program.")),
    (b"MZ", gettext_noop("The file is an executable program.")),
    (b"\x1f\x8b", gettext_noop("The file is a compressed archive.")),
    (b"{", gettext_noop("The file is a JSON document.")),
)
_HTML = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)


def parse_certificates(data: bytes) -> list[str]:
    """Return the certificates of a file as PEM, without duplicates, in the order of the file.

    Accepts PEM, DER, Base64 of DER, and PKCS #7. Raises BadBundle, or HasPrivateKey if the file
    contains a private key.
    """
    if not data.strip():
        raise BadBundle(_("The file is empty."))
    if len(data) > MAX_SIZE:
        raise BadBundle(_("The file exceeds the %(size)s KiB limit.") % {"size": MAX_SIZE // 1024})
    try:
        found = list(dict.fromkeys(_find_certificates(_decode(data))))
    except BadBundle:
        raise
    except Exception as error:
        raise BadBundle(_("The file cannot be parsed.")) from error
    if not found:
        raise BadBundle(_(_NO_CERTIFICATE))
    if len(found) > MAX_CERTIFICATES:
        raise BadBundle(
            _("The file contains more than %(count)s certificates.") % {"count": MAX_CERTIFICATES}
        )
    for number, der in enumerate(found, 1):
        readability.check(der, number)
    return [loading.encode_pem(der) for der in found]


def to_pem_bundle(certificates: list[str]) -> str:
    """Return the certificates concatenated as one PEM text."""
    return "".join(pem if pem.endswith("\n") else pem + "\n" for pem in certificates)


def to_pkcs7(certificates: list[str]) -> bytes:
    """Return PEM certificates as PKCS #7 (DER) that contains only certificates."""
    loaded = [loading.load_certificate(pem) for pem in certificates]
    return pkcs7.serialize_certificates(loaded, Encoding.DER)


def to_der(pem: str) -> bytes:
    """Return the DER of the first certificate of a PEM text without reencoding it."""
    found = _PEM.search(pem.encode("ascii", "replace"))
    if found is None:
        raise BadBundle(_(_NO_CERTIFICATE))
    return _decode_base64(found[2])


def _find_certificates(data: bytes) -> list[bytes]:
    if b"-----BEGIN" in data:
        return _find_in_pem(data)
    if data[0] == ber.SEQUENCE:
        return _find_in_ber(data)
    text = b"".join(data.split())
    if _BASE64.fullmatch(text):
        return _find_in_ber(_decode_base64(text))
    if _HTML.match(data):
        raise BadBundle(_("The file is a web page. The download might have failed."))
    for beginning, explanation in _SIGNATURES:
        if data.startswith(beginning):
            raise BadBundle(_(explanation))
    raise BadBundle(_(_NO_CERTIFICATE))


def _find_in_pem(data: bytes) -> list[bytes]:
    if re.search(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", data):
        raise HasPrivateKey(_(_PRIVATE_KEY))
    blocks = _PEM.findall(data)
    _check_complete(data, len(blocks))
    found: list[bytes] = []
    labels: set[bytes] = set()
    for label, body in blocks:
        labels.add(label)
        if label in _CERTIFICATE_LABELS | _PKCS7_LABELS:
            found += _find_in_ber(_decode_base64(body))
        if len(found) > MAX_CERTIFICATES:
            break
    _reject_labels(labels, is_empty=not found)
    return found


def _check_complete(data: bytes, readable: int) -> None:
    """Raise BadBundle if a PEM block has no end or is damaged. Half a file is not imported."""
    begun = data.count(_BEGIN)
    if readable < begun:
        raise BadBundle(
            _(
                "The file is incomplete. Only %(readable)s of %(begun)s PEM blocks have a "
                "BEGIN line and an END line."
            )
            % {"readable": readable, "begun": begun},
            action=_("Save or download the file again."),
        )


def _reject_labels(labels: set[bytes], *, is_empty: bool) -> None:
    """Raise BadBundle for labels that are not accepted, or if a file has no certificate."""
    if _TRUSTED_LABEL in labels:
        raise BadBundle(
            _("The file contains a certificate in the TRUSTED CERTIFICATE format of OpenSSL."),
            action=_("Convert it with: openssl x509 -in FILE -out NEW.pem"),
        )
    if is_empty and labels & _REQUEST_LABELS:
        raise BadBundle(_(_REQUEST))
    if is_empty and labels:
        names = ", ".join(sorted(label.decode("ascii") for label in labels))
        raise BadBundle(
            _("The file does not contain a certificate. It contains: %(names)s.") % {"names": names}
        )


def _find_in_ber(data: bytes) -> list[bytes]:
    try:
        values = ber.parse(data.rstrip(b"\r\n") if data[-1:] in b"\r\n" else data)
    except ber.NotBer:
        values = ber.parse(data)
    found: list[bytes] = []
    for value in values:
        found += _get_certificates(value)
        if len(found) > MAX_CERTIFICATES:
            break
    return found


def _get_certificates(value: ber.Value) -> list[bytes]:
    """Return the certificates in a value, which is identified by its first parts."""
    parts = value.children() if value.tag == ber.SEQUENCE else []
    if not parts:
        raise BadBundle(_(_NO_CERTIFICATE))
    _reject_keys(parts)
    if parts[0].tag == ber.OID:
        if parts[0].content == ber.SIGNED_DATA:
            return ber.get_certificates(value)
        raise BadBundle(_("The file is a PKCS #7 file that does not contain certificates."))
    inner = parts[0].children() if parts[0].tag == ber.SEQUENCE else []
    # A CertificationRequestInfo has up to four parts, a TBSCertificate at least six.
    if inner and inner[0].tag == ber.INTEGER and len(inner) <= _REQUEST_PARTS:
        raise BadBundle(_(_REQUEST))
    return [value.whole]


def _reject_keys(parts: list[ber.Value]) -> None:
    """Raise HasPrivateKey for PKCS #12, PKCS #8, PKCS #1, and SEC 1."""
    first, second = parts[0], parts[1] if len(parts) > 1 else None
    if second is None:
        return
    if first.tag == ber.INTEGER:
        if first.content == _PKCS12_VERSION and second.tag == ber.SEQUENCE:
            _reject_pkcs12(second)
        raise HasPrivateKey(_(_PRIVATE_KEY))
    # EncryptedPrivateKeyInfo (RFC 5958): an algorithm, then the encrypted octets.
    if first.tag == ber.SEQUENCE and second.tag == ber.OCTET_STRING:
        raise HasPrivateKey(_(_PRIVATE_KEY))


def _reject_pkcs12(content: ber.Value) -> None:
    """Raise HasPrivateKey, or BadBundle if no private key can be seen without the password."""
    if any(bag in content.whole for bag in _KEY_BAGS):
        raise HasPrivateKey(_(_PKCS12_KEY))
    raise BadBundle(_(_PKCS12), action=_(_EXPORT))


def _decode(data: bytes) -> bytes:
    """Return a text in UTF-8 or UTF-16 as ASCII, and other data unchanged."""
    if _BEGIN in data and any(begin in data for begin in _UTF_16_BEGINS):
        raise BadBundle(
            _("The file contains text in more than one encoding, so a part of it cannot be read."),
            action=_("Save the complete file in one encoding, for example UTF-8."),
        )
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("ascii", "replace")
    return data


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise BadBundle(_("The file is damaged. Its Base64 data cannot be decoded.")) from error
