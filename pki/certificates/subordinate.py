"""Build the trusted root of a subordinate zone CA from the certificate that its issuer signed.

Devices trust a self-signed certificate with the name and key of the zone CA, and not the root of
its issuer. The certificate that the issuer signed has the same name, key, and key identifier, so
the certificates of servers are valid under both.

See: D-295, D-298
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from faults.texts import gettext as _
from pki.certificates import build, lint, loading
from pki.certificates.constraints import NameConstraints
from pki.errors import NotIssued
from pki.keys import SigningKey
from pki.validity import Validity


def build_trusted_root(
    *,
    key_pem: SigningKey,
    issued_pem: str,
    not_after: datetime,
    serial: int,
    name_constraints: NameConstraints | None = None,
) -> str:
    """Return a self-signed certificate for the key and subject of an issued one, as PEM.

    It is valid as long as the issued certificate, but not after `not_after`. Its name constraints
    are those of the zone, also if the issuer has not copied them (D-298). Raises WrongKey if the
    key is that of another certificate, and NotIssued if the profile does not allow the subject.
    """
    issued, key = loading.load_pair(issued_pem, key_pem)
    identifier = build.get_key_identifier(issued)
    ends = min(issued.not_valid_after_utc, not_after)
    validity = Validity(issued.not_valid_before_utc, ends)
    builder = build.build_ca_certificate(key.public_key(), issued.subject, identifier, identifier)
    if name_constraints is not None:
        builder = builder.add_extension(name_constraints.to_extension(), critical=True)
    builder = build.set_validity(builder.issuer_name(issued.subject), validity, serial)
    root = builder.sign(key, build.get_hash(key))
    _check(root, issued)
    return build.to_pem(root)


def _check(root: x509.Certificate, issued: x509.Certificate) -> None:
    parsed, facts = lint.ParsedCertificate.of(root), lint.IssuerFacts.of(root)
    lint.check_findings(lint.list_findings(parsed, kind="root", issuer=facts))
    if not loading.has_same_subject(root, issued):
        raise NotIssued(
            _("The subject of the certificate cannot be encoded identically in a trusted root."),
            action=_("Have the certificate issued with the subject of the CSR."),
        )
