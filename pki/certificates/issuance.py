"""Issue server certificates.

Issuing has two steps: `Issuer.prepare` checks the request against the profile and returns a
token, and `Issuer.issue` accepts each token once. The caller can store the serial in between.

See: RFC 5280; docs/decisions.md D-7 to D-12
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from faults.texts import gettext as _
from pki import keys
from pki.certificates import build, lint, loading, signatures
from pki.certificates.loading import PrivateKey, PublicKey
from pki.errors import CannotSign, NotIssued, PkiFault
from pki.formats.csr import CertificateRequest
from pki.keys import SigningKey
from pki.names import Names, Subject, check_names
from pki.validity import Validity, get_root_validity, get_server_validity

__all__ = [
    "Issuer",
    "Prepared",
    "Validity",
    "generate_serial",
    "get_root_validity",
    "get_server_validity",
]

_RANDOM_BITS = lint.MAX_SERIAL_BITS - 1


def generate_serial() -> int:
    """Return a new positive serial number of 159 bits, 158 of them random."""
    return secrets.randbits(_RANDOM_BITS) | 1 << _RANDOM_BITS


@dataclass(frozen=True, eq=False)
class Prepared:
    """A checked request for one certificate. Issuer.issue accepts it once."""

    public_key: str | CertificateRequest
    subject: Subject
    names: Names
    validity: Validity
    serial: int


class Draft(NamedTuple):
    """A prepared request with its values as objects of `cryptography`."""

    token: Prepared
    key: PublicKey
    name: x509.Name
    alternatives: x509.SubjectAlternativeName


class Signed(NamedTuple):
    """A signed certificate and its draft, not yet compared."""

    draft: Draft
    certificate: x509.Certificate


class Issuer:
    """A CA that signs a batch of certificates with its key and certificate in memory."""

    def __init__(self, certificate: x509.Certificate, key: PrivateKey) -> None:
        self.pem = build.to_pem(certificate)
        self._key = key
        self._hash = build.get_hash(key)
        self._facts = lint.IssuerFacts.of(certificate)
        # The addresses of CRL and OCSP responder (http://...) in new certificates, "" for none.
        self.crl_url = self.ocsp_url = ""
        self._templates: dict[x509.KeyUsage, x509.CertificateBuilder] = {}
        self._drafts: dict[int, Draft] = {}
        self._serials: set[int] = set()

    @property
    def not_after(self) -> datetime:
        """The end of the validity of the CA."""
        return self._facts.not_after

    @classmethod
    def open(cls, chain_pem: str, key_pem: SigningKey, now: datetime) -> Issuer:
        """Return the CA of a key and chain after a self-check, or raise CannotSign."""
        certificate, key = _load_signer(chain_pem, key_pem)
        try:
            keys.check_key(key.public_key())
        except PkiFault as fault:
            raise CannotSign(fault.explanation) from fault
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise CannotSign(_("The zone CA has expired or is not yet valid."))
        if not loading.is_ca(certificate):
            raise CannotSign(_("The zone CA certificate is not a CA certificate."))
        if not loading.is_key_usable(key):
            raise CannotSign(_("Signatures by the CA key cannot be verified with its public key."))
        return cls(certificate, key)

    def prepare(
        self,
        *,
        public_key: str | CertificateRequest,
        subject: Subject,
        names: Names,
        validity: Validity,
        serial: int,
    ) -> Prepared:
        """Check all values of a certificate and return a token for `sign`, or raise NotIssued.

        `public_key` is PEM text or a parsed CSR.
        """
        given = public_key
        key = given.key if isinstance(given, CertificateRequest) else loading.load_public_key(given)
        keys.check_key(key)
        names = check_names(names, wildcard=True)
        if self._facts.rules is not None:
            self._facts.rules.check(names)
        if subject.common_name not in (*names.dns, *names.addresses):
            raise NotIssued(_("The common name must be one of the DNS names or IP addresses."))
        if not self._facts.not_before <= validity.not_before:
            raise NotIssued(_("The certificate's validity would start before that of its issuer."))
        if validity.not_after > self._facts.not_after:
            raise NotIssued(_("The certificate would expire after its issuer."))
        if not lint.MIN_SERIAL_BITS <= serial.bit_length() <= lint.MAX_SERIAL_BITS or serial < 0:
            raise NotIssued(_("The serial number is too short or too long."))
        if serial in self._serials:
            raise NotIssued(_("The serial number has already been used."))
        token = Prepared(public_key, subject, names, validity, serial)
        self._serials.add(serial)
        alternatives = build.build_alternative_names(names)
        self._drafts[serial] = Draft(token, key, subject.to_name(), alternatives)
        return token

    def issue(self, prepared: Prepared) -> str:
        """Sign a prepared request, check the certificate, and return it as PEM."""
        return self.check(self.sign(prepared))

    def sign(self, prepared: Prepared) -> Signed:
        """Sign a prepared request. The caller must pass the result to `check`."""
        draft = self._drafts.get(prepared.serial)
        if draft is None or draft.token is not prepared:
            raise NotIssued(
                _("This signing token has already been used or belongs to a different CA.")
            )
        # If two threads redeem the same token, only one of them gets the draft.
        if self._drafts.pop(prepared.serial, None) is None:
            raise NotIssued(_("This signing token has already been used."))
        return Signed(draft, self._server(draft).sign(self._key, self._hash))

    def check(self, signed: Signed) -> str:
        """Return a signed certificate as PEM, or raise NotIssued.

        It must comply with the profile and contain exactly the prepared values.
        """
        reading = lint.ParsedCertificate.of(signed.certificate)
        lint.check_findings(lint.list_findings(reading, kind="server", issuer=self._facts))
        if _get_requested_values(signed.draft) != _get_signed_values(reading):
            raise NotIssued(_("The signed certificate does not match the prepared certificate."))
        return build.to_pem(signed.certificate)

    def _template(self, usage: x509.KeyUsage) -> x509.CertificateBuilder:
        """Return the cached builder with the extensions that depend only on the key usage."""
        if usage not in self._templates:
            identifier = build.build_authority_identifier(self._facts.key_id)
            template = (
                x509.CertificateBuilder()
                .issuer_name(self._facts.name)
                .add_extension(build.END_ENTITY, critical=True)
                .add_extension(usage, critical=True)
                .add_extension(build.SERVER_AUTH, critical=False)
                .add_extension(identifier, critical=False)
            )
            self._templates[usage] = build.add_addresses(template, self.crl_url, self.ocsp_url)
        return self._templates[usage]

    def _server(self, draft: Draft) -> x509.CertificateBuilder:
        identifier = x509.SubjectKeyIdentifier.from_public_key(draft.key)
        builder = (
            self._template(build.get_server_key_usage(draft.key))
            .subject_name(draft.name)
            .public_key(draft.key)
            .add_extension(draft.alternatives, critical=False)
            .add_extension(identifier, critical=False)
        )
        return build.set_validity(builder, draft.token.validity, draft.token.serial)


def _get_requested_values(draft: Draft) -> tuple[object, ...]:
    return (
        draft.token.serial,
        draft.key,
        draft.name,
        draft.token.validity.not_before,
        draft.token.validity.not_after,
        draft.alternatives,
    )


def _get_signed_values(reading: lint.ParsedCertificate) -> tuple[object, ...]:
    certificate = reading.certificate
    return (
        certificate.serial_number,
        reading.key,
        certificate.subject,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        reading.extensions[ExtensionOID.SUBJECT_ALTERNATIVE_NAME].value,
    )


def _load_signer(chain_pem: str, key_pem: SigningKey) -> tuple[x509.Certificate, PrivateKey]:
    """Return the CA certificate for the key, preferably a root, and the loaded key."""
    try:
        # Issuer.open checks the match with the certificate and a test signature each time.
        key = loading.load_private_key(key_pem, is_known=True)
        chain = [loading.load_certificate(pem) for pem in loading.split(chain_pem)]
        own = [found for found in chain if loading.get_public_key(found) == key.public_key()]
    except PkiFault as fault:
        raise CannotSign(fault.explanation) from fault
    if not own:
        raise CannotSign(_("The CA key does not match the CA certificate."))
    return min(own, key=lambda found: not signatures.is_self_signed(found)), key
