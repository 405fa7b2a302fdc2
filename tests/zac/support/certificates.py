"""Certificates for the tests of the agent: roots, servers and bridges, of any dates."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = 86400.0


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def now() -> float:
    return dt.datetime.now(dt.UTC).timestamp()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _when(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


@dataclass
class Root:
    """A root with its key; `begin` and `days` count from now; `ids`: key identifiers."""

    name: str = "Zone CA"
    begin: float = -1.0
    days: float = 3650.0
    ids: bool = True
    limits: x509.NameConstraints | None = None

    def __post_init__(self) -> None:
        self.key = new_key()
        self.certificate = self._sign(
            _name(self.name), self.key.public_key(), ca=True, days=(self.begin, self.days)
        )
        self.pem = pem(self.certificate)
        self.sha256 = self.certificate.fingerprint(hashes.SHA256()).hex()

    def server(
        self,
        *names: str,
        key: ec.EllipticCurvePrivateKey | None = None,
        days: tuple[float, float] = (-1.0, 365.0),
    ) -> str:
        """Return key and certificate of a server in one PEM text."""
        key = key or new_key()
        return key_pem(key) + self.leaf(key.public_key(), *names, days=days)

    def leaf(
        self,
        public: ec.EllipticCurvePublicKey,
        *names: str,
        days: tuple[float, float] = (-1.0, 365.0),
    ) -> str:
        """Return a server certificate for a public key."""
        return pem(self._sign(_name(names[0]), public, ca=False, days=days, names=names))

    def nameless(self, common_name: str) -> str:
        """Return key and certificate of a server that has a common name only."""
        key = new_key()
        made = self._sign(_name(common_name), key.public_key(), ca=False, days=(-1.0, 365.0))
        return key_pem(key) + pem(made)

    def sign_csr(self, csr: str, *names: str) -> str:
        """Return a server certificate for the key of a request."""
        public = x509.load_pem_x509_csr(csr.encode()).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return self.leaf(public, *names)

    def bridge(self, other: Root) -> str:
        """Return the other root's key signed by this one."""
        return pem(
            self._sign(
                other.certificate.subject, other.key.public_key(), ca=True, days=(-1.0, self.days)
            )
        )

    def _sign(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        *,
        ca: bool,
        days: tuple[float, float],
        names: tuple[str, ...] = (),
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name(self.name))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_when(now() + days[0] * DAY))
            .not_valid_after(_when(now() + days[1] * DAY))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ca and self.limits is not None:
            builder = builder.add_extension(self.limits, critical=True)
        if self.ids:
            own = x509.SubjectKeyIdentifier.from_public_key(public)
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(own, critical=False)
            builder = builder.add_extension(issuer, critical=False)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(one) for one in names]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
