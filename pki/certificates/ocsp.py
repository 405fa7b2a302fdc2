"""Parse OCSP requests, and build responses that are signed by the CA itself.

A response is about one certificate and has no nonce, so it can be signed in advance.

See: RFC 6960; RFC 5019; D-268
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from faults.texts import gettext as _
from pki.certificates import build, loading, signatures
from pki.certificates.revocation import RevokedSerial, get_reason
from pki.errors import BadRequest, CannotSign, PkiFault
from pki.keys import SigningKey

# RFC 5019 requires SHA-1 in the identifier of a certificate. Later clients use SHA-256. It is no
# part of what is signed, and a collision gives nothing: the serial number decides.
SHA1, SHA256 = "sha1", "sha256"
_HASHES = {SHA1: hashes.SHA1(), SHA256: hashes.SHA256()}  # nosec B303 # noqa: S303 - see above


class CertificateId(NamedTuple):
    """How an OCSP request names a certificate: hashes of its issuer, and its serial number."""

    algorithm: str
    issuer: bytes
    serial: int


class Unsupported(BadRequest):
    """A valid request to which this responder has no response."""


class ResponseTimes(NamedTuple):
    """From when until when a response is valid."""

    this_update: datetime
    next_update: datetime


def _build_error(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


MALFORMED = _build_error(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
TRY_LATER = _build_error(ocsp.OCSPResponseStatus.TRY_LATER)
UNAUTHORIZED = _build_error(ocsp.OCSPResponseStatus.UNAUTHORIZED)


def parse_request(der: bytes) -> CertificateId:
    """Return the certificate that an OCSP request is about.

    Raises BadRequest, or Unsupported if it is about several certificates, or uses another hash.
    """
    try:
        request = ocsp.load_der_ocsp_request(der)
        algorithm = request.hash_algorithm.name
        issuer = request.issuer_name_hash + request.issuer_key_hash
        serial = request.serial_number
    except (NotImplementedError, UnsupportedAlgorithm) as error:
        raise Unsupported(_("The OCSP request is not supported.")) from error
    except Exception as error:  # the library raises many types of errors for malformed requests
        raise BadRequest(_("The OCSP request cannot be parsed.")) from error
    if algorithm not in _HASHES:
        raise Unsupported(_("The OCSP request is not supported."))
    return CertificateId(algorithm, issuer, serial)


@lru_cache(maxsize=64)
def get_issuer_id(issuer_pem: str, algorithm: str) -> bytes:
    """Return the hashes of name and key of a CA, as requests contain them."""
    issuer = loading.load_certificate(issuer_pem)
    builder = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, _HASHES[algorithm])
    request = builder.build()
    return request.issuer_name_hash + request.issuer_key_hash


def get_serial(pem: str, *, issuer_pem: str) -> int | None:
    """Return the serial number of a certificate, None if the CA has not signed it.

    Raises BadCertificate.
    """
    certificate = loading.load_certificate(pem)
    is_issued = signatures.is_signed_by(certificate, loading.load_certificate(issuer_pem))
    return certificate.serial_number if is_issued else None


class Responder:
    """A CA that signs a batch of responses with its key and certificate in memory.

    Raises CannotSign if the key is not that of the CA.
    """

    def __init__(self, issuer_pem: str, key: SigningKey) -> None:
        try:
            self._issuer, self._key = loading.load_pair(issuer_pem, key)
        except PkiFault as fault:
            raise CannotSign(fault.explanation) from fault
        self._ids = {name: get_issuer_id(issuer_pem, name) for name in _HASHES}

    def sign(
        self, serial: int, times: ResponseTimes, revoked: RevokedSerial | None = None
    ) -> dict[str, bytes]:
        """Return the responses (DER) about a serial number, by the hash algorithm of requests."""
        return {name: self._sign(name, serial, times, revoked) for name in _HASHES}

    def _sign(
        self, algorithm: str, serial: int, times: ResponseTimes, revoked: RevokedSerial | None
    ) -> bytes:
        identifier, used = self._ids[algorithm], _HASHES[algorithm]
        status = ocsp.OCSPCertStatus
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=identifier[: used.digest_size],
                issuer_key_hash=identifier[used.digest_size :],
                serial_number=serial,
                algorithm=used,
                cert_status=status.GOOD if revoked is None else status.REVOKED,
                this_update=times.this_update,
                next_update=times.next_update,
                revocation_time=revoked.revoked_at if revoked is not None else None,
                revocation_reason=get_reason(revoked.reason) if revoked is not None else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self._issuer)
        )
        signed = builder.sign(self._key, build.get_hash(self._key))
        return signed.public_bytes(Encoding.DER)
