"""Certificate signing requests (CSRs), PKCS #10 (RFC 2986)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.x509.oid import NameOID

from faults.texts import gettext as _
from pki import keys
from pki.certificates import build, loading
from pki.certificates.constraints import NameConstraints
from pki.certificates.loading import PublicKey
from pki.errors import BadRequest, PkiFault
from pki.keys import SigningKey
from pki.names import MAX_TEXT, Names, Subject, check_names

MAX_REQUEST = 64 * 1024


@dataclass(frozen=True)
class CertificateRequest:
    """A CSR whose sender has proven possession of the private key.

    Only the key is used for issuing. Subject and names are untrusted and parsed on access.
    """

    loaded: x509.CertificateSigningRequest
    """The CSR as an object of `cryptography`. For use inside `pki` only, like the key."""
    key: PublicKey

    # Encoded on access only, because encoding is measurable when a batch is signed.
    @cached_property
    def pem(self) -> str:
        """The CSR, reencoded as PEM."""
        return build.to_pem(self.loaded)

    @cached_property
    def public_key(self) -> str:
        """The public key as SubjectPublicKeyInfo PEM."""
        return loading.serialize_public_key(self.key)

    @property
    def key_length(self) -> int:
        """The length of the key in bits."""
        return self.key.key_size

    @cached_property
    def names(self) -> Names:
        """The requested alternative names. Empty if they cannot be parsed."""
        try:
            found = loading.get_extension(self.loaded, x509.SubjectAlternativeName)
        except PkiFault:
            return Names()
        if not isinstance(found, x509.SubjectAlternativeName):
            return Names()
        return build.parse_alternative_names(found)

    @cached_property
    def has_other_names(self) -> bool:
        """Return True if there are alternative names that are no DNS names or IP addresses."""
        try:
            found = loading.get_extension(self.loaded, x509.SubjectAlternativeName)
        except PkiFault:
            return True
        if not isinstance(found, x509.SubjectAlternativeName):
            return False
        return any(type(name) not in (x509.DNSName, x509.IPAddress) for name in found)

    @cached_property
    def common_name(self) -> str:
        """The common name of the subject, "" if there is none. Raises BadRequest."""
        try:
            found = self.loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except (TypeError, ValueError) as error:
            raise BadRequest(_("The subject of the CSR cannot be parsed.")) from error
        return str(found[-1].value) if found else ""


def choose_common_name(name: str, names: Names) -> str:
    """Return the common name for a server: its name, or a shorter one if it is too long (D-163).

    Only the alternative names are verified. A common name must be one of them and has at most 64
    characters (X.520), so a shorter DNS name or an IP address takes the place of a long name.
    """
    candidates = (name, *names.dns, *names.addresses)
    return next((found for found in candidates if 0 < len(found) <= MAX_TEXT), name[:MAX_TEXT])


def build_csr(key_pem: str, subject: Subject, names: Names) -> str:
    """Return a CSR for these names, signed with the key, as PEM."""
    key = loading.load_private_key(key_pem)
    keys.check_key(key.public_key())
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.to_name())
    if names.dns or names.addresses:
        builder = builder.add_extension(
            build.build_alternative_names(check_names(names)), critical=False
        )
    request = builder.sign(key, build.get_hash(key))
    return build.to_pem(request)


def build_ca_csr(
    key_pem: SigningKey, subject: Subject, name_constraints: NameConstraints | None = None
) -> str:
    """Return a CSR for a CA, signed with the key, as PEM. The issuer decides about extensions."""
    key = loading.load_private_key(key_pem)
    keys.check_key(key.public_key())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject.to_name())
        .add_extension(build.AUTHORITY, critical=True)
        .add_extension(build.SIGNS_CERTIFICATES, critical=True)
        .add_extension(identifier, critical=False)
    )
    if name_constraints is not None:
        builder = builder.add_extension(name_constraints.to_extension(), critical=True)
    return build.to_pem(builder.sign(key, build.get_hash(key)))


def parse_csr(data: str | bytes) -> CertificateRequest:
    """Parse a CSR in PEM or DER, and check its signature and key, or raise PkiFault."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if len(raw) > MAX_REQUEST:
        raise BadRequest(_("The CSR is too large."))
    request, key = _parse(raw)
    keys.check_key(key)
    _check_signature(request)
    return CertificateRequest(request, key)


def _parse(raw: bytes) -> tuple[x509.CertificateSigningRequest, PublicKey]:
    request = loading.load_request(raw)
    return request, loading.get_public_key(request)


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    try:
        known = loading.is_strong_hash(request.signature_hash_algorithm)
        good = known and request.is_signature_valid
    except Exception as error:
        raise BadRequest(_("The CSR signature cannot be verified.")) from error
    if not known:
        raise BadRequest(_("The CSR must be signed with SHA-256, SHA-384, or SHA-512."))
    if not good:
        raise BadRequest(
            _("The CSR signature is invalid, so possession of the private key is not proven.")
        )
