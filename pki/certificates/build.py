"""Extensions and builders of CSRs and certificates. For use inside `pki` only.

See: RFC 5280 4.2
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from faults.texts import gettext as _
from pki import keys
from pki.certificates import loading
from pki.certificates.loading import PrivateKey, PublicKey
from pki.errors import NotIssued
from pki.names import Names, parse_address
from pki.validity import Validity

SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
END_ENTITY = x509.BasicConstraints(ca=False, path_length=None)
# No path length: 0 on the old root would invalidate the cross-certificate of the next remint.
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


def get_server_key_usage(key: PublicKey) -> x509.KeyUsage:
    """Return the key usage of a server: keyEncipherment for RSA only (RFC 8446, RFC 5480)."""
    return _SIGNS_AND_ENCIPHERS if loading.is_rsa(key) else _SIGNS


def get_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the signature hash: SHA-384 for P-384, otherwise SHA-256."""
    is_p384 = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp384r1"
    return hashes.SHA384() if is_p384 else hashes.SHA256()


def build_ca_certificate(
    key: PublicKey, name: x509.Name, key_id: bytes, issuer_key_id: bytes
) -> x509.CertificateBuilder:
    """Return a builder of a CA certificate: subject, key and extensions, but no issuer."""
    keys.check_key(key)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .add_extension(AUTHORITY, critical=True)
        .add_extension(SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier(key_id), critical=False)
        .add_extension(build_authority_identifier(issuer_key_id), critical=False)
    )


def build_distribution_point(url: str) -> x509.CRLDistributionPoints:
    """Return the extension with the address of the CRL (RFC 5280 4.2.1.13)."""
    address = x509.UniformResourceIdentifier(url)
    return x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)])


def build_information_access(url: str) -> x509.AuthorityInformationAccess:
    """Return the extension with the address of the OCSP responder (RFC 5280 4.2.2.1)."""
    address = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)]
    )


def add_addresses(
    builder: x509.CertificateBuilder, crl_url: str, ocsp_url: str
) -> x509.CertificateBuilder:
    """Return the builder with the addresses of CRL and OCSP responder, if they are not ""."""
    if crl_url:
        builder = builder.add_extension(build_distribution_point(crl_url), critical=False)
    if ocsp_url:
        builder = builder.add_extension(build_information_access(ocsp_url), critical=False)
    return builder


def build_alternative_names(names: Names) -> x509.SubjectAlternativeName:
    """Return names normalized by check_names as a subject alternative name extension."""
    return x509.SubjectAlternativeName(
        [
            *map(x509.DNSName, names.dns),
            *(x509.IPAddress(parse_address(address)) for address in names.addresses),
        ]
    )


def parse_alternative_names(found: Iterable[x509.GeneralName]) -> Names:
    """Return the DNS names and IP addresses of the extension, without names of other types."""
    # type() is faster here than isinstance, because the classes are abstract base classes.
    return Names(
        dns=tuple([str(name.value) for name in found if type(name) is x509.DNSName]),
        addresses=tuple([str(name.value) for name in found if type(name) is x509.IPAddress]),
    )


def get_key_identifier(certificate: x509.Certificate) -> bytes:
    """Return the subject key identifier, or the one computed by RFC 5280 4.2.1.2."""
    try:
        stated = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = certificate.public_key()
        return x509.SubjectKeyIdentifier.from_public_key(key).digest
    return stated.value.digest


def build_authority_identifier(key_id: bytes) -> x509.AuthorityKeyIdentifier:
    """Return the extension with only the key identifier: issuer and serial break a renewal."""
    return x509.AuthorityKeyIdentifier(key_id, None, None)


def to_pem(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return a certificate or CSR as PEM text."""
    return thing.public_bytes(serialization.Encoding.PEM).decode("ascii")


def set_validity(
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
        raise NotIssued(
            _("The serial number or validity dates are out of range: %(error)s.") % {"error": error}
        ) from error
