"""Make roots and bridges, and issue server certificates (RFC 5280; docs/decisions.md D-7 to D-12).

Issuing has two steps: `prepare` checks the request against the profile and answers with a
token, `issue` redeems the token once. So whoever issues can store its intent in between.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pki import keys
from pki.certificates import build, lint, loading
from pki.certificates.loading import PrivateKey, PublicKey
from pki.errors import BadCertificate, CannotSign, NotIssued, PkiFault, WrongKey
from pki.formats.csr import Request
from pki.keys import SigningKey
from pki.names import Names, Subject, check_names
from pki.validity import BACKDATED, Validity, root_validity, server_validity, within

__all__ = [
    "Issuer",
    "Prepared",
    "Validity",
    "make_bridge",
    "make_root",
    "make_serial",
    "root_validity",
    "server_validity",
]

_RANDOM_BITS = lint.MAX_SERIAL_BITS - 1
_MAX_YEAR = 9999


def make_serial() -> int:
    """Return a new serial number: positive, 159 bits long, 158 of them random."""
    return secrets.randbits(_RANDOM_BITS) | 1 << _RANDOM_BITS


def make_root(*, key_pem: SigningKey, subject: Subject, validity: Validity, serial: int) -> str:
    """Return a self-signed root of the zone as PEM."""
    key = loading.load_private(key_pem)
    name = subject.to_name()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _authority(key.public_key(), name, identifier.digest, identifier.digest)
    root = _sign(build.dated(builder.issuer_name(name), validity, serial), key)
    reading, facts = lint.Reading.of(root), lint.IssuerFacts.of(root)
    _refuse_findings(lint.findings(reading, kind="root", issuer=facts))
    return build.pem(root)


def make_bridge(
    *, issuer_pem: str, issuer_key_pem: SigningKey, subject_pem: str, serial: int, now: datetime
) -> str:
    """Return the key and name of one root signed by another, as PEM (RFC 4210, 4.4).

    Old root as issuer and new root as subject make NewWithOld, the reverse OldWithNew. It is
    valid no longer than either root.
    """
    issuer, key = _matching(issuer_pem, issuer_key_pem)
    subject = loading.load_certificate(subject_pem)
    if not loading.is_self_signed(subject):
        raise BadCertificate("A bridge can only lead to a self-signed root.")
    now = now.replace(microsecond=0)
    ends = min(issuer.not_valid_after_utc, subject.not_valid_after_utc)
    if ends <= now:
        raise NotIssued("One of the two roots has expired: no bridge can be made.")
    validity = within(Validity(now - BACKDATED, ends), issuer_pem, now=now)
    facts = lint.IssuerFacts.of(issuer)
    builder = _authority(
        loading.public_key_of(subject),
        subject.subject,
        build.key_identifier(subject),
        facts.key_id,
    )
    bridge = _sign(build.dated(builder.issuer_name(issuer.subject), validity, serial), key)
    found = lint.findings(lint.Reading.of(bridge), kind="bridge", issuer=facts)
    # An external root may name itself as it likes, without any common name.
    _refuse_findings([text for text in found if "common name" not in text])
    if not loading.has_subject_of(bridge, subject):
        raise NotIssued("The name of the root cannot be repeated byte for byte in a bridge.")
    return build.pem(bridge)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A checked intent to sign one certificate; Issuer.issue redeems it once."""

    public_key: str | Request
    subject: Subject
    names: Names
    validity: Validity
    serial: int


class Draft(NamedTuple):
    """A token with its values as the library wants them."""

    token: Prepared
    key: PublicKey
    name: x509.Name
    alternatives: x509.SubjectAlternativeName


class Signed(NamedTuple):
    """What was signed and what it was to be; not checked yet."""

    draft: Draft
    certificate: x509.Certificate


class Issuer:
    """A CA that can sign: its key and certificate stay in memory for a whole batch."""

    def __init__(self, certificate: x509.Certificate, key: PrivateKey) -> None:
        self.pem = build.pem(certificate)
        self._key = key
        self._hash = build.hash_for(key)
        self._facts = lint.IssuerFacts.of(certificate)
        self._templates: dict[x509.KeyUsage, x509.CertificateBuilder] = {}
        self._drafts: dict[int, Draft] = {}
        self._serials: set[int] = set()

    @property
    def not_after(self) -> datetime:
        """The last second of the CA."""
        return self._facts.not_after

    @classmethod
    def open(cls, chain_pem: str, key_pem: SigningKey, now: datetime) -> Issuer:
        """Return the CA that key and chain make, after its self-check, or raise CannotSign."""
        certificate, key = _signer(chain_pem, key_pem)
        try:
            keys.check_loaded(key.public_key())
        except PkiFault as fault:
            raise CannotSign(fault.explanation) from fault
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise CannotSign("The zone CA has expired or is not yet valid.")
        if not loading.may_sign_certificates(certificate):
            raise CannotSign("The certificate of the zone CA is not that of a CA.")
        if not loading.key_works(key):
            raise CannotSign("The CA key does not sign what its public key verifies.")
        return cls(certificate, key)

    def prepare(
        self,
        *,
        public_key: str | Request,
        subject: Subject,
        names: Names,
        validity: Validity,
        serial: int,
    ) -> Prepared:
        """Check everything that is to be signed and return the token for it.

        The key is given as PEM, or as the request that was read and brings it.
        """
        given = public_key
        key = given.key if isinstance(given, Request) else loading.load_public(given)
        keys.check_loaded(key)
        names = check_names(names, wildcard=True)
        if subject.common_name not in (*names.dns, *names.addresses):
            raise NotIssued("The common name must be one of the DNS names or addresses.")
        if not self._facts.not_before <= validity.not_before:
            raise NotIssued("The certificate would be valid before its issuer is.")
        if validity.not_after > self._facts.not_after:
            raise NotIssued("The certificate would outlive its issuer.")
        if not lint.MIN_SERIAL_BITS <= serial.bit_length() <= lint.MAX_SERIAL_BITS or serial < 0:
            raise NotIssued("The serial number is too short or too long.")
        if serial in self._serials:
            raise NotIssued("The serial number has been used before.")
        token = Prepared(public_key, subject, names, validity, serial)
        self._serials.add(serial)
        alternatives = build.alternative_names(names)
        self._drafts[serial] = Draft(token, key, subject.to_name(), alternatives)
        return token

    def issue(self, prepared: Prepared) -> str:
        """Sign what was prepared, check what was signed and return it as PEM."""
        return self.check(self.sign(prepared))

    def sign(self, prepared: Prepared) -> Signed:
        """Sign what was prepared; `check` makes a certificate of it that may leave the CA."""
        draft = self._drafts.get(prepared.serial)
        if draft is None or draft.token is not prepared:
            raise NotIssued("This token was redeemed before, or is another CA's.")
        # Of two threads only one gets it.
        if self._drafts.pop(prepared.serial, None) is None:
            raise NotIssued("This token was redeemed before.")
        return Signed(draft, self._server(draft).sign(self._key, self._hash))

    def check(self, signed: Signed) -> str:
        """Return as PEM what was signed, if it keeps to the profile and is what was prepared."""
        reading = lint.Reading.of(signed.certificate)
        _refuse_findings(lint.findings(reading, kind="server", issuer=self._facts))
        if _intent(signed.draft) != _outcome(reading):
            raise NotIssued("What was signed is not what was prepared.")
        return build.pem(signed.certificate)

    def _template(self, usage: x509.KeyUsage) -> x509.CertificateBuilder:
        """Return what all server certificates of one kind of key have in common, made once."""
        if usage not in self._templates:
            identifier = build.authority_identifier(self._facts.key_id)
            self._templates[usage] = (
                x509.CertificateBuilder()
                .issuer_name(self._facts.name)
                .add_extension(build.END_ENTITY, critical=True)
                .add_extension(usage, critical=True)
                .add_extension(build.SERVER_AUTH, critical=False)
                .add_extension(identifier, critical=False)
            )
        return self._templates[usage]

    def _server(self, draft: Draft) -> x509.CertificateBuilder:
        identifier = x509.SubjectKeyIdentifier.from_public_key(draft.key)
        builder = (
            self._template(build.server_key_usage(draft.key))
            .subject_name(draft.name)
            .public_key(draft.key)
            .add_extension(draft.alternatives, critical=False)
            .add_extension(identifier, critical=False)
        )
        return build.dated(builder, draft.token.validity, draft.token.serial)


def _intent(draft: Draft) -> tuple[object, ...]:
    return (
        draft.token.serial,
        draft.key,
        draft.name,
        draft.token.validity.not_before,
        draft.token.validity.not_after,
        draft.alternatives,
    )


def _outcome(reading: lint.Reading) -> tuple[object, ...]:
    certificate = reading.certificate
    return (
        certificate.serial_number,
        reading.key,
        certificate.subject,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        reading.extensions[ExtensionOID.SUBJECT_ALTERNATIVE_NAME].value,
    )


def _authority(
    key: PublicKey, name: x509.Name, key_id: bytes, issuer_key_id: bytes
) -> x509.CertificateBuilder:
    keys.check_loaded(key)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .add_extension(build.AUTHORITY, critical=True)
        .add_extension(build.SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier(key_id), critical=False)
        .add_extension(build.authority_identifier(issuer_key_id), critical=False)
    )


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, build.hash_for(key))


def _refuse_findings(found: list[str]) -> None:
    if found:
        raise NotIssued("What would be issued breaks the profile: " + " ".join(found))


def _matching(pem: str, key_pem: SigningKey) -> tuple[x509.Certificate, PrivateKey]:
    certificate, key = loading.load_certificate(pem), loading.load_private(key_pem)
    if loading.public_key_of(certificate) != key.public_key():
        raise WrongKey("The private key is not that of the CA certificate.")
    return certificate, key


def _signer(chain_pem: str, key_pem: SigningKey) -> tuple[x509.Certificate, PrivateKey]:
    """Return the certificate of the chain that the key belongs to, a root before a bridge."""
    try:
        # Its match with the certificate and a trial signature are checked each time (`open`).
        key = loading.load_private(key_pem, is_known=True)
        chain = [loading.load_certificate(pem) for pem in loading.split(chain_pem)]
        own = [found for found in chain if loading.public_key_of(found) == key.public_key()]
    except PkiFault as fault:
        raise CannotSign(fault.explanation) from fault
    if not own:
        raise CannotSign("The CA key is not that of the CA certificate.")
    return min(own, key=lambda found: not loading.is_self_signed(found)), key
