"""Makers for the tests of pki: keys once per run, CAs, servers, and certificates with faults."""

from __future__ import annotations

import functools
import inspect
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki import keys
from pki.certificates.ca_certificates import build_cross_certificate, build_root
from pki.certificates.constraints import NameConstraints
from pki.certificates.issuance import (
    Issuer,
    Validity,
    generate_serial,
    get_root_validity,
    get_server_validity,
)
from pki.names import Names, Subject

# The present, because certtool knows no other time.
NOW = datetime.now(UTC).replace(microsecond=0)
FQDN = "one.zone.example"
NAMES = Names(dns=(FQDN,), addresses=("10.0.0.1",))


@functools.cache
def key(length: int = 256, which: int = 0) -> str:
    """Return a key; the same for the same arguments."""
    return keys.generate_key(length)


@dataclass(frozen=True)
class CA:
    key: str
    pem: str


@functools.cache
def ca(
    name: str = "Zone",
    *,
    length: int = 256,
    which: int = 0,
    epoch: str = "",
    name_constraints: NameConstraints | None = None,
) -> CA:
    """Return a root and its key; the same for the same arguments."""
    own = key(length, 1000 + which)
    subject = Subject(name, serial_number=epoch)
    validity = get_root_validity(NOW, 10)
    root = build_root(
        key_pem=own,
        subject=subject,
        validity=validity,
        serial=generate_serial(),
        name_constraints=name_constraints,
    )
    return CA(own, root)


def server(
    authority: CA,
    *,
    names: Names = NAMES,
    key_pem: str = "",
    validity: Validity | None = None,
    now: datetime = NOW,
) -> str:
    """Return a server certificate of a CA."""
    issuer = Issuer.open(authority.pem, authority.key, now)
    common_name = (names.dns or names.addresses)[0]
    prepared = issuer.prepare(
        public_key=keys.get_public_key(key_pem or key()),
        subject=Subject(common_name),
        names=names,
        validity=validity or get_server_validity(now, 365, authority.pem),
        serial=generate_serial(),
    )
    return issuer.issue(prepared)


def server_with_addresses(ca: CA, *, crl_url: str = "", ocsp_url: str = "") -> str:
    """Return a server certificate that names the CRL or the OCSP responder of its CA."""
    issuer = Issuer.open(ca.pem, ca.key, NOW)
    issuer.crl_url, issuer.ocsp_url = crl_url, ocsp_url
    prepared = issuer.prepare(
        public_key=keys.get_public_key(key()),
        subject=Subject(FQDN),
        names=NAMES,
        validity=get_server_validity(NOW, 365, ca.pem),
        serial=generate_serial(),
    )
    return issuer.issue(prepared)


def cross_certificate(issuer: CA, subject: CA) -> str:
    """Return the key of the subject, signed by the issuer."""
    return build_cross_certificate(
        issuer_pem=issuer.pem,
        issuer_key_pem=issuer.key,
        subject_pem=subject.pem,
        serial=generate_serial(),
        now=NOW,
    )


def private(pem: str) -> Any:
    return serialization.load_pem_private_key(pem.encode(), None)


def loaded(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(certificate: Any) -> str:
    return str(certificate.public_bytes(serialization.Encoding.PEM).decode())


def usage(*purposes: str) -> x509.KeyUsage:
    nothing = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False)
    return x509.KeyUsage(**(nothing | dict.fromkeys(purposes, True)))


CA_USAGE = usage("key_cert_sign", "crl_sign")
SERVER_USAGE = usage("digital_signature")
SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def certificate(
    subject: x509.Name | str,
    own: Any,
    issuer: x509.Name | str,
    signer: Any,
    extensions: list[tuple[x509.ExtensionType, bool]],
    *,
    serial: int | None = None,
    begins: datetime = NOW - timedelta(hours=24),
    ends: datetime = NOW + timedelta(days=365),
    algorithm: Any = None,
) -> str:
    """Return a certificate built by hand: nothing in it is checked."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if isinstance(subject, x509.Name) else name(subject))
        .issuer_name(issuer if isinstance(issuer, x509.Name) else name(issuer))
        .public_key(own.public_key() if hasattr(own, "public_key") else own)
        .serial_number(serial or generate_serial())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return pem(builder.sign(signer, algorithm or hashes.SHA256()))


def identifiers(own: Any, signer: Any) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]


def ca_extensions(
    own: Any, signer: Any, *, path_length: int | None = None
) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (CA_USAGE, True),
        *identifiers(own, signer),
    ]


def server_extensions(own: Any, signer: Any, *names: str) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (SERVER_USAGE, True),
        (SERVER_AUTH, False),
        (alternatives(*(names or (FQDN, "10.0.0.1"))), False),
        *identifiers(own, signer),
    ]


def alternatives(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general(one) for one in names])


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@dataclass(frozen=True)
class Family:
    """An external root, an intermediate and a server below it."""

    root: str
    middle: str
    leaf: str
    leaf_key: str
    root_key: Any
    middle_key: Any


@functools.cache
def family(*, path_length: int | None = None, middle_length: int | None = None) -> Family:
    """Return an external CA with one intermediate and a server certificate of it."""
    root_key, middle_key = private(key(256, 50)), private(key(256, 51))
    leaf_pem = key(256, 52)
    leaf_key = private(leaf_pem)
    root = certificate(
        "Ext Root",
        root_key,
        "Ext Root",
        root_key,
        ca_extensions(root_key, root_key, path_length=path_length),
        ends=NOW + timedelta(days=3000),
    )
    middle = certificate(
        "Ext Sub",
        middle_key,
        "Ext Root",
        root_key,
        ca_extensions(middle_key, root_key, path_length=middle_length),
        ends=NOW + timedelta(days=2000),
    )
    leaf = certificate(
        FQDN, leaf_key, "Ext Sub", middle_key, server_extensions(leaf_key, middle_key)
    )
    return Family(root, middle, leaf, leaf_pem, root_key, middle_key)
