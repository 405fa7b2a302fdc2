"""The little an agent must know of certificates without a library: text, bytes, digests, dates."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
from typing import Any, Dict, List, Sequence, Tuple

from faults import Fault

_BLOCK = re.compile("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


class NotCertificates(Fault):
    """The text holds something else than certificates."""

    action = "Nothing of it was used."


def split(text: str) -> List[str]:
    """Return the certificates of a PEM text, each as normal PEM, in their order."""
    return [_pem(_bytes(body)) for body in _BLOCK.findall(text)]


def der(pem: str) -> bytes:
    """Return the bytes of the first certificate of a PEM text; raises NotCertificates."""
    found = _BLOCK.search(pem)
    if found is None:
        raise NotCertificates("There is no certificate in it.")
    return _bytes(found.group(1))


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of a certificate's bytes, lower-case hexadecimal."""
    return hashlib.sha256(der(pem)).hexdigest()


def fingerprints(pems: Sequence[str]) -> List[str]:
    """Return the fingerprints of several certificates, in their order."""
    return [fingerprint(pem) for pem in pems]


def dates(root_pem: str) -> Tuple[float, float]:
    """Return from when to when a CA certificate is valid, in seconds since 1970."""
    found = describe(root_pem)
    begin, end = str(found["notBefore"]), str(found["notAfter"])
    return float(ssl.cert_time_to_seconds(begin)), float(ssl.cert_time_to_seconds(end))


def subject(root_pem: str) -> str:
    """Return a CA certificate's subject for display."""
    groups = describe(root_pem)["subject"]
    words = ["%s=%s" % (name, value) for group in groups for name, value in group]
    return ", ".join(words)


def describe(root_pem: str) -> Dict[str, Any]:
    """Return what ssl tells of a CA certificate; raises NotCertificates if it is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=_pem(der(root_pem)))
        found = context.get_ca_certs()
    except ssl.SSLError as error:
        raise NotCertificates("The certificate cannot be read.") from error
    if not found:
        raise NotCertificates("The certificate is not that of a certificate authority.")
    return dict(found[0])


def _bytes(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotCertificates("The certificate is not base64.") from error


def _pem(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])
