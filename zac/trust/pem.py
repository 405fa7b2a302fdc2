"""PEM certificates with the standard library only: text, bytes, digests, and dates."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
from typing import Any, Dict, List, Sequence, Tuple

from faults import Fault

_BLOCK = re.compile("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


class InvalidCertificate(Fault):
    """The text does not contain valid certificates."""

    action = "The file was not used."


def split(text: str) -> List[str]:
    """Return the certificates of a PEM text in order, each as normalized PEM."""
    return [_pem(_bytes(body)) for body in _BLOCK.findall(text)]


def der(pem: str) -> bytes:
    """Return the first certificate of a PEM text as DER; raises InvalidCertificate."""
    found = _BLOCK.search(pem)
    if found is None:
        raise InvalidCertificate("The file does not contain a certificate.")
    return _bytes(found.group(1))


def fingerprint(pem: str) -> str:
    """Return the SHA-256 digest of a certificate, lower-case hexadecimal."""
    return hashlib.sha256(der(pem)).hexdigest()


def fingerprints(pems: Sequence[str]) -> List[str]:
    """Return the fingerprints of several certificates in order."""
    return [fingerprint(pem) for pem in pems]


def dates(root_pem: str) -> Tuple[float, float]:
    """Return the validity (begin, end) of a CA certificate, in seconds since 1970."""
    found = describe(root_pem)
    begin, end = str(found["notBefore"]), str(found["notAfter"])
    return float(ssl.cert_time_to_seconds(begin)), float(ssl.cert_time_to_seconds(end))


def subject(root_pem: str) -> str:
    """Return the subject of a CA certificate for display."""
    groups = describe(root_pem)["subject"]
    words = ["%s=%s" % (name, value) for group in groups for name, value in group]
    return ", ".join(words)


def describe(root_pem: str) -> Dict[str, Any]:
    """Return the fields of a CA certificate; raises InvalidCertificate if it is not one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=_pem(der(root_pem)))
        found = context.get_ca_certs()
    except ssl.SSLError as error:
        raise InvalidCertificate("The certificate cannot be parsed.") from error
    if not found:
        raise InvalidCertificate("The certificate is not a CA certificate.")
    return dict(found[0])


def _bytes(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCertificate("The certificate is not valid Base64.") from error


def _pem(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])
