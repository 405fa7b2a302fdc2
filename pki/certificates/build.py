"""The pieces that requests and certificates are built of (RFC 5280, 4.2; inside `pki` only)."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.certificates import loading
from pki.certificates.loading import PrivateKey, PublicKey
from pki.errors import NotIssued
from pki.names import Names, read_address
from pki.validity import Validity

SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
END_ENTITY = x509.BasicConstraints(ca=False, path_length=None)
# No path length: a length of 0 on the old root would kill the bridge at the next remint.
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


def _key_usage(*purposes: str) -> x509.KeyUsage:
    known = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{purpose: purpose in purposes for purpose in known})


SIGNS_CERTIFICATES = _key_usage("key_cert_sign", "crl_sign")
_SIGNS = _key_usage("digital_signature")
_SIGNS_AND_ENCIPHERS = _key_usage("digital_signature", "key_encipherment")


def server_key_usage(key: PublicKey) -> x509.KeyUsage:
    """Return the key usage of a server: keyEncipherment is for RSA alone (RFC 8446, RFC 5480)."""
    return _SIGNS_AND_ENCIPHERS if loading.is_rsa(key) else _SIGNS


def hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash to sign with: SHA-384 for P-384, else SHA-256."""
    is_p384 = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp384r1"
    return hashes.SHA384() if is_p384 else hashes.SHA256()


def alternative_names(names: Names) -> x509.SubjectAlternativeName:
    """Return names, which check_names has normalised, as the extension."""
    return x509.SubjectAlternativeName(
        [
            *map(x509.DNSName, names.dns),
            *(x509.IPAddress(read_address(address)) for address in names.addresses),
        ]
    )


def names_of(found: Iterable[x509.GeneralName]) -> Names:
    """Return the DNS names and addresses of the extension; other kinds are left out."""
    # By type, not isinstance: the classes are abstract ones, and a batch feels it.
    return Names(
        dns=tuple([str(name.value) for name in found if type(name) is x509.DNSName]),
        addresses=tuple([str(name.value) for name in found if type(name) is x509.IPAddress]),
    )


def key_identifier(certificate: x509.Certificate) -> bytes:
    """Return the key identifier that a certificate states, else the one of RFC 5280, 4.2.1.2."""
    try:
        stated = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = certificate.public_key()
        return x509.SubjectKeyIdentifier.from_public_key(key).digest
    return stated.value.digest


def authority_identifier(key_id: bytes) -> x509.AuthorityKeyIdentifier:
    """Return the extension with the key identifier alone: issuer and serial break a renewal."""
    return x509.AuthorityKeyIdentifier(key_id, None, None)


def pem(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return a certificate or request as PEM text."""
    return thing.public_bytes(serialization.Encoding.PEM).decode("ascii")


def dated(
    builder: x509.CertificateBuilder, validity: Validity, serial: int
) -> x509.CertificateBuilder:
    """Return the builder with dates and serial number, or raise NotIssued."""
    try:
        return (
            builder.serial_number(serial)
            .not_valid_before(validity.not_before)
            .not_valid_after(validity.not_after)
        )
    except ValueError as error:
        raise NotIssued(f"Serial number or dates are out of bounds: {error}.") from error
