"""The certificate with which a host proves its control of a name in TLS (tls-alpn-01).

See: RFC 8737
"""

from __future__ import annotations

import hmac

from cryptography import x509

from faults.texts import gettext as _
from pki.certificates import build, loading
from pki.errors import BadCertificate

# id-pe-acmeIdentifier, whose value is an OCTET STRING of 32 bytes.
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_PREFIX = b"\x04\x20"


def check(der: bytes, name: str, digest: bytes) -> None:
    """Raise BadCertificate unless a certificate has only this name, and the expected digest."""
    certificate = loading.load_certificate(loading.encode_pem(der))
    alternatives = loading.get_extension(certificate, x509.SubjectAlternativeName)
    if not isinstance(alternatives, x509.SubjectAlternativeName) or len(alternatives) != 1:
        raise BadCertificate(_("The certificate of the host does not have exactly one name."))
    found = build.parse_alternative_names(alternatives)
    if [one.lower() for one in found.dns] != [name]:
        raise BadCertificate(_("The certificate of the host has another name."))
    for extension in certificate.extensions:
        if extension.oid == IDENTIFIER and isinstance(extension.value, x509.UnrecognizedExtension):
            is_same = hmac.compare_digest(extension.value.value, _PREFIX + digest)
            if extension.critical and is_same:
                return
    raise BadCertificate(
        _("The certificate of the host does not contain the expected key authorization.")
    )
