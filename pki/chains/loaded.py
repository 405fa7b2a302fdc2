"""A parsed certificate with its PEM text and its description for messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from faults.texts import gettext as _
from pki.certificates import loading, signatures
from pki.errors import BadChain
from pki.escaping import escape_text
from pki.names import format_name


@dataclass(frozen=True)
class Loaded:
    """A certificate. `number` is its place in the file, 0 if it does not come from a file."""

    certificate: x509.Certificate
    pem: str = field(compare=False)
    number: int = field(default=0, compare=False)

    @classmethod
    def parse(cls, pem: str, number: int = 0) -> Loaded:
        """Return the first certificate of a PEM text, or raise BadCertificate."""
        return cls(loading.load_certificate(pem), pem, number)

    def __str__(self) -> str:
        """Return the subject in quotes, the number in the file, and the serial number."""
        subject = escape_text(format_name(self.certificate.subject), 200)
        values = {
            "subject": subject,
            "serial": f"{self.certificate.serial_number:x}",
            "number": self.number,
        }
        if self.number:
            return _('"%(subject)s" (certificate %(number)s, serial number %(serial)s)') % values
        return _('"%(subject)s" (serial number %(serial)s)') % values

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @cached_property
    def entity(self) -> tuple[object, bytes]:
        """Name and key: equal for certificates that are the same CA, for example renewed ones."""
        key = self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return signatures.normalize_name(self.certificate.subject), key

    def is_signed_by(self, issuer: Loaded) -> bool:
        """Return True if the certificate is signed with the issuer's key and names the issuer."""
        return signatures.is_signed_by(self.certificate, issuer.certificate)

    @property
    def is_self_signed(self) -> bool:
        """True if the certificate is signed by its own key, under its own name."""
        return signatures.is_self_signed(self.certificate)


def load_file(certs: Iterable[str], known: Iterable[str] = ()) -> list[Loaded]:
    """Return the certificates of a file, numbered from 1, and then other known certificates."""
    in_file = [Loaded.parse(pem, number) for number, pem in enumerate(certs, 1)]
    if not in_file:
        raise BadChain(_("No certificate was provided."))
    return list(dict.fromkeys([*in_file, *map(Loaded.parse, known)]))
