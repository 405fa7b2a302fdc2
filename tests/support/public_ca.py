"""A real external certificate authority: root, intermediates, and keys.

It signs the requests it is given and answers in the formats that such CAs answer in. What a good
CA would never sign it signs too, when asked: `sign(request, dns=["else.example"], ends=...)`.
As a service: `with PublicCA("Acme").front() as url:` then POST a CSR to `url/sign?form=p7b`.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
FORMS = ("pem", "chain", "der", "p7b", "p7b-pem", "base64", "crlf", "bom", "text")
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@dataclass(frozen=True)
class Signer:
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return text(self.certificate)


def text(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(PEM).decode()


def make_key(kind: str = "ec256") -> Any:
    """Return a private key: ec256, ec384, ec224, ec192, rsa2048, rsa1024 and so on."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    curves: dict[str, ec.EllipticCurve] = {
        "ec192": ec.SECP192R1(),
        "ec224": ec.SECP224R1(),
        "ec256": ec.SECP256R1(),
        "ec384": ec.SECP384R1(),
    }
    return ec.generate_private_key(curves[kind])


def make_csr(key: Any, fqdn: str) -> str:
    """Return a CSR for a key, as an agent or an administrator creates it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(fqdn))
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM).decode()


def name_of(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Public CA"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def self_signed(
    name: str, key: Any, *, begins: datetime, ends: datetime, path_length: int | None = None
) -> Signer:
    """Return a root."""
    own = name_of(name)
    built = _authority(own, own, key, key, begins=begins, ends=ends, path_length=path_length)
    return Signer(built, key)


def _authority(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    signer: Any,
    *,
    begins: datetime,
    ends: datetime,
    path_length: int | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (usage, True),
        *_identifiers(key.public_key(), signer.public_key()),
        *more,
    ]
    dates = (begins, ends)
    return _sign(subject, issuer, key.public_key(), signer, dates, extensions)


def _identifiers(own: Any, issuer: Any) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.SubjectKeyIdentifier.from_public_key(own), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False),
    ]


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    public: Any,
    signer: Any,
    dates: tuple[datetime, datetime],
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(dates[0])
        .not_valid_after(dates[1])
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


class PublicCA:
    """A root and any number of intermediates; the last one signs server certificates."""

    def __init__(
        self,
        name: str = "Public",
        *,
        depth: int = 1,
        now: datetime | None = None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        path_length: int | None = None,
        key: str = "ec256",
        constraints: x509.NameConstraints | None = None,
    ) -> None:
        self.now = (now or datetime.now(UTC)).replace(microsecond=0)
        begins, ends = begins or self.now - 30 * DAY, ends or self.now + 20 * YEAR
        self.root = self_signed(
            f"{name} Root", make_key(key), begins=begins, ends=ends, path_length=path_length
        )
        self.intermediates: list[Signer] = []
        for number in range(depth):
            above = self.issuer
            own = make_key()
            more = [(constraints, True)] if constraints is not None else []
            built = _authority(
                name_of(f"{name} Issuing {number + 1}"),
                above.certificate.subject,
                own,
                above.key,
                begins=begins,
                ends=ends - DAY,
                more=more,
            )
            self.intermediates.append(Signer(built, own))

    @property
    def issuer(self) -> Signer:
        """Return the CA that signs servers."""
        return self.intermediates[-1] if self.intermediates else self.root

    @property
    def chain(self) -> list[str]:
        """Return the intermediates, the lowest first."""
        return [one.pem for one in reversed(self.intermediates)]

    def sign(
        self,
        request: str | bytes,
        *,
        dns: Sequence[str] | None = None,
        addresses: Sequence[str] = (),
        common_name: str | None = None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        purposes: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
        is_ca: bool = False,
        key: Any = None,
        by: Signer | None = None,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> str:
        """Sign a request; by default for the name in it. `dns=[]` leaves the SAN out."""
        data = request.encode() if isinstance(request, str) else request
        csr = x509.load_pem_x509_csr(data)
        asked = str(csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        public = key.public_key() if key is not None else csr.public_key()
        signer = by or self.issuer
        names: list[x509.GeneralName] = [x509.DNSName(n) for n in ([asked] if dns is None else dns)]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=is_ca, path_length=None), True),
            *_identifiers(public, signer.key.public_key()),
            *more,
        ]
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        if purposes is not None:
            extensions.append((x509.ExtendedKeyUsage(list(purposes)), False))
        built = _sign(
            name_of(common_name or asked),
            signer.certificate.subject,
            public,
            signer.key,
            (begins or self.now - DAY, ends or self.now + YEAR),
            extensions,
        )
        return text(built)

    def certify(
        self,
        request: str,
        *,
        ends: datetime | None = None,
        subject: x509.Name | None = None,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> list[str]:
        """Sign the CSR of a subordinate CA; return its certificate, the chain, and the root."""
        csr = x509.load_pem_x509_csr(request.encode())
        above = self.issuer
        built = _authority(
            subject or csr.subject,
            above.certificate.subject,
            csr,
            above.key,
            begins=self.now - DAY,
            ends=ends or self.now + 5 * YEAR,
            path_length=0,
            more=more,
        )
        return [text(built), *self.chain, self.root.pem]

    def answer(self, request: str | bytes, form: str = "pem", **bad: Any) -> bytes:
        """Sign a request and return certificate and chain in one of FORMS."""
        return written([self.sign(request, **bad), *self.chain], form, root=self.root.pem)

    @contextmanager
    def front(self) -> Iterator[str]:
        """Answer POST /sign?form=pem on a loopback port of its own; GET /root gives the root."""
        ca = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send("".join([ca.root.pem, *ca.chain]).encode())

            def do_POST(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._send(ca.answer(body, asked.get("form", ["pem"])[0]))

            def _send(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Stay silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)


def written(pems: list[str], form: str, *, root: str = "") -> bytes:
    """Write certificates, the server's first, in one of FORMS."""
    loaded = [x509.load_pem_x509_certificate(pem.encode()) for pem in pems]
    whole = "".join([*pems, root])
    der = loaded[0].public_bytes(DER)
    # The set of a PKCS#7 has no order: the server's certificate does not come first.
    unordered = [x509.load_pem_x509_certificate(root.encode())] if root else []
    unordered += loaded[::-1]
    forms: dict[str, Callable[[], bytes]] = {
        "pem": lambda: "".join(pems).encode(),
        "chain": whole.encode,
        "der": lambda: der,
        "base64": lambda: base64.encodebytes(der),
        "p7b": lambda: pkcs7.serialize_certificates(unordered, DER),
        "p7b-pem": lambda: pkcs7.serialize_certificates(unordered, PEM),
        "crlf": lambda: whole.replace("\n", "\r\n").encode(),
        "bom": lambda: b"\xef\xbb\xbf" + whole.encode(),
        "text": lambda: "".join(f"Subject: a line of prose\n{pem}" for pem in pems).encode(),
    }
    return forms[form]()


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return files as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
