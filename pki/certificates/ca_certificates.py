"""Build roots and cross-certificates.

See: RFC 5280; docs/decisions.md D-7 to D-10, D-280, D-281
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from faults.texts import gettext as _
from pki.certificates import build, constraints, lint, loading, signatures
from pki.certificates.constraints import NameConstraints
from pki.certificates.loading import PrivateKey
from pki.errors import BadCertificate, NotIssued
from pki.keys import SigningKey
from pki.names import Subject
from pki.validity import BACKDATED, Validity, limit_to_issuer


def build_root(
    *,
    key_pem: SigningKey,
    subject: Subject,
    validity: Validity,
    serial: int,
    name_constraints: NameConstraints | None = None,
) -> str:
    """Return a new self-signed root certificate as PEM, or raise NotIssued."""
    key = loading.load_private_key(key_pem)
    name = subject.to_name()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = build.build_ca_certificate(
        key.public_key(), name, identifier.digest, identifier.digest
    )
    if name_constraints is not None:
        builder = builder.add_extension(name_constraints.to_extension(), critical=True)
    root = _sign(build.set_validity(builder.issuer_name(name), validity, serial), key)
    reading, facts = lint.ParsedCertificate.of(root), lint.IssuerFacts.of(root)
    lint.check_findings(lint.list_findings(reading, kind="root", issuer=facts))
    return build.to_pem(root)


def build_cross_certificate(
    *, issuer_pem: str, issuer_key_pem: SigningKey, subject_pem: str, serial: int, now: datetime
) -> str:
    """Return a cross-certificate as PEM: key and name of one root, signed by another root.

    With the old root as issuer it is NewWithOld, with the new root as issuer OldWithNew. It
    expires with the root that expires first, and has the name constraints of its subject. Raises
    NotIssued if a root has expired.

    See: RFC 4210 4.4; D-281
    """
    issuer, key = loading.load_pair(issuer_pem, issuer_key_pem)
    subject = loading.load_certificate(subject_pem)
    if not signatures.is_self_signed(subject):
        raise BadCertificate(_("A cross-certificate can be issued only for a self-signed root."))
    now = now.replace(microsecond=0)
    ends = min(issuer.not_valid_after_utc, subject.not_valid_after_utc)
    if ends <= now:
        raise NotIssued(
            _("A cross-certificate cannot be issued because one of the roots has expired.")
        )
    validity = limit_to_issuer(Validity(now - BACKDATED, ends), issuer_pem, now=now)
    facts = lint.IssuerFacts.of(issuer)
    builder = build.build_ca_certificate(
        loading.get_public_key(subject),
        subject.subject,
        build.get_key_identifier(subject),
        facts.key_id,
    )
    extension = constraints.get_extension(subject)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    certificate = _sign(
        build.set_validity(builder.issuer_name(issuer.subject), validity, serial), key
    )
    parsed = lint.ParsedCertificate.of(certificate)
    found = lint.list_findings(parsed, kind="cross-certificate", issuer=facts)
    # An external root might not have a common name.
    lint.check_findings([text for text in found if "common name" not in text])
    if not loading.has_same_subject(certificate, subject):
        raise NotIssued(
            _("The subject of the root cannot be encoded identically in a cross-certificate.")
        )
    return build.to_pem(certificate)


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, build.get_hash(key))
