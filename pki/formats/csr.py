"""Certification requests, PKCS#10 (RFC 2986)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cryptography import x509

from pki import keys
from pki.certificates import build, loading
from pki.certificates.loading import PublicKey
from pki.errors import BadRequest, PkiFault
from pki.names import Names, Subject, check_names, shown, subject_of

MAX_REQUEST = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A request whose sender has proved to hold the private key.

    Only the key counts: subject and names are what the sender wished for and may be hostile.
    They are read when somebody looks at them.
    """

    loaded: x509.CertificateSigningRequest
    """The request as an object of `cryptography` (inside `pki` only), like its key."""
    key: PublicKey

    # Text is made where it is wanted: a batch that only signs feels every encoding.
    @cached_property
    def pem(self) -> str:
        """The request as PEM, encoded anew."""
        return build.pem(self.loaded)

    @cached_property
    def public_key(self) -> str:
        """The key as SubjectPublicKeyInfo PEM."""
        return loading.public_pem(self.key)

    @property
    def key_length(self) -> int:
        """The length of the key in bits."""
        return self.key.key_size

    @cached_property
    def subject_text(self) -> str:
        """The subject that the sender wished for, escaped; empty if it cannot be read."""
        try:
            return shown(subject_of(self.loaded.subject))
        except Exception:  # a wish that cannot be read is no wish
            return ""

    @cached_property
    def names(self) -> Names:
        """The names that the sender wished for; none if they cannot be read."""
        try:
            found = loading.extension(self.loaded, x509.SubjectAlternativeName)
        except PkiFault:
            return Names()
        if not isinstance(found, x509.SubjectAlternativeName):
            return Names()
        return build.names_of(found)


def make_csr(key_pem: str, subject: Subject, names: Names) -> str:
    """Return a request for these names, signed with the key, as PEM."""
    key = loading.load_private(key_pem)
    keys.check_loaded(key.public_key())
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.to_name())
    if names.dns or names.addresses:
        builder = builder.add_extension(build.alternative_names(check_names(names)), critical=False)
    request = builder.sign(key, build.hash_for(key))
    return build.pem(request)


def read_csr(data: str | bytes) -> Request:
    """Read a request, PEM or DER; its own signature and the key policy are checked."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if len(raw) > MAX_REQUEST:
        raise BadRequest("The CSR is too large.")
    request, key = _parse(raw)
    keys.check_loaded(key)
    _check_signature(request)
    return Request(request, key)


def _parse(raw: bytes) -> tuple[x509.CertificateSigningRequest, PublicKey]:
    request = loading.load_request(raw)
    return request, loading.public_key_of(request)


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    try:
        known = loading.is_strong(request.signature_hash_algorithm)
        good = known and request.is_signature_valid
    except Exception as error:
        raise BadRequest("The signature of the CSR cannot be checked.") from error
    if not known:
        raise BadRequest("The CSR is not signed with SHA-256, SHA-384 or SHA-512.")
    if not good:
        raise BadRequest("The signature of the CSR is wrong: its sender did not prove its key.")
