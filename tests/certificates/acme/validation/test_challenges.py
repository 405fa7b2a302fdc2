"""The challenges, against real servers on loopback."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.resolver
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certificates.acme.problems import ValidationFailed
from certificates.acme.validation import challenges
from tests.support import factories
from tests.support.http_server import serving

NAME, TOKEN, RESPONSE = "web.hosts.example", "token-1", "token-1.thumbprint"


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: Any) -> None:
    """All names are on loopback, which is allowed for the test."""
    settings.ALLOW_LOOPBACK = True

    def resolve(_name: str, port: int, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def check(method: str) -> str:
    """Return the type of the problem, "" if the challenge is fulfilled."""
    try:
        challenges.check(method, NAME, TOKEN, RESPONSE)
    except ValidationFailed as fault:
        return fault.type
    return ""


@contextmanager
def http_host(status: int, body: bytes, **headers: str) -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_right = self.path == f"/.well-known/acme-challenge/{TOKEN}"
            assert self.headers["Host"] == NAME
            self.send_response(status if is_right else 404)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield server


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, RESPONSE.encode(), ""),
        (200, RESPONSE.encode() + b"\n", ""),
        (200, b"other", "unauthorized"),
        (200, RESPONSE.encode() + b"x" * 5000, "unauthorized"),
        (404, RESPONSE.encode(), "unauthorized"),
        (302, RESPONSE.encode(), "unauthorized"),
    ],
)
def test_http(settings: Any, status: int, body: bytes, problem: str) -> None:
    with http_host(status, body, Location="http://127.0.0.1:1/") as server:
        settings.ACME_HTTP_PORT = server.server_port
        assert check("http-01") == problem


def test_a_host_that_is_not_reached_is_not_valid(settings: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.ACME_HTTP_PORT = settings.ACME_TLS_PORT = unused.getsockname()[1]
        assert check("http-01") == "connection"
        assert check("tls-alpn-01") == "connection"


@contextmanager
def dns_server(texts: list[str]) -> Iterator[int]:
    """Answer each query with TXT records."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def run() -> None:
            query_data, peer = server.recvfrom(4096)
            query = dns.message.from_wire(query_data)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.RA
            name = query.question[0].name
            assert name.to_text() == f"_acme-challenge.{NAME}."
            if texts:
                response.answer.append(dns.rrset.from_text(name, 1, "IN", "TXT", *texts))
            server.sendto(response.to_wire(), peer)

        thread = threading.Thread(target=run)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_dns(monkeypatch: Any) -> None:
    digest = base64.urlsafe_b64encode(hashlib.sha256(RESPONSE.encode()).digest())
    right = digest.decode().rstrip("=")
    for texts, problem in (
        ([f'"{right}"'], ""),
        (['"other"', f'"{right}"'], ""),
        (['"other"'], "unauthorized"),
        ([], "dns"),
    ):
        with dns_server(texts) as port:
            resolver = dns.resolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = ["127.0.0.1"], port
            monkeypatch.setattr(challenges, "build_resolver", lambda found=resolver: found)
            assert check("dns-01") == problem


def build_tls_alpn(folder: Path, name: str, response: str, *, critical: bool = True) -> Path:
    """Write a certificate with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), factories.now()
    digest = hashlib.sha256(response.encode()).digest()
    subject = x509.Name([])
    identifier = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"), b"\x04\x20" + digest
    )
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 5)
        .not_valid_before(now)
        .not_valid_after(now + factories.YEAR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(identifier, critical=critical)
        .sign(key, hashes.SHA256())
    )
    path = folder / "tls.pem"
    encoding = serialization.Encoding.PEM
    plain = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(plain + certificate.public_bytes(encoding))
    return path


@contextmanager
def tls_host(path: Path, protocol: str) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.set_alpn_protocols([protocol])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def run() -> None:
            connection, _peer = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("name", "response", "critical", "protocol", "problem"),
    [
        (NAME, RESPONSE, True, "acme-tls/1", ""),
        (NAME, RESPONSE, False, "acme-tls/1", "unauthorized"),
        (NAME, "other", True, "acme-tls/1", "unauthorized"),
        ("other.hosts.example", RESPONSE, True, "acme-tls/1", "unauthorized"),
        (NAME, RESPONSE, True, "http/1.1", "tls"),
    ],
)
def test_tls_alpn(
    settings: Any,
    tmp_path: Path,
    name: str,
    response: str,
    critical: bool,
    protocol: str,
    problem: str,
) -> None:
    path = build_tls_alpn(tmp_path, name, response, critical=critical)
    with tls_host(path, protocol) as port:
        settings.ACME_TLS_PORT = port
        assert check("tls-alpn-01") == problem
