"""Hosts that respond slowly or without end do not occupy the worker: each validation ends (D-330).

Each host sends until the console closes the connection. The hosts give up later than every limit,
so a validation without a limit fails the test instead of stopping it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dns.resolver
import pytest

from certificates.acme.problems import ValidationFailed
from certificates.acme.validation import addresses, challenges, limits

NAME, TOKEN, RESPONSE = "web.hosts.example", "token-1", "token-1.thumbprint"
LIMIT_SECONDS = 1.0
# How long a host continues, and how often it sends something.
HOST_SECONDS, PAUSE_SECONDS = 25.0, 0.1
OK_HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: Any) -> None:
    """All names are on loopback, and a validation has a second."""
    settings.ALLOW_LOOPBACK = True
    monkeypatch.setattr(limits, "TOTAL_SECONDS", LIMIT_SECONDS)

    def resolve(_name: str, port: int, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


class Host:
    """A host that sends a start and then pieces, until the console closes the connection."""

    def __init__(self, start: bytes, piece: bytes) -> None:
        self.start, self.piece = start, piece
        self.was_closed = False

    def run(self, listener: socket.socket) -> None:
        connection, _peer = listener.accept()
        with connection:
            connection.settimeout(PAUSE_SECONDS)
            end = time.monotonic() + HOST_SECONDS
            try:
                connection.sendall(self.start)
                while time.monotonic() < end:
                    connection.sendall(self.piece)
                    if self._is_closed(connection):
                        self.was_closed = True
                        return
            except ConnectionError:
                self.was_closed = True

    @staticmethod
    def _is_closed(connection: socket.socket) -> bool:
        try:
            return connection.recv(4096) == b""
        except TimeoutError:
            return False


@contextmanager
def running(run: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a host in a thread, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HOST_SECONDS)
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def check(method: str) -> ValidationFailed:
    with pytest.raises(ValidationFailed) as caught:
        challenges.check(method, NAME, TOKEN, RESPONSE)
    return caught.value


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"HTTP/1.1 2", b"0", id="status line"),
        pytest.param(OK_HEAD, b"X", id="header line"),
        pytest.param(OK_HEAD, b"X: y\r\n", id="header lines"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="100 Continue"),
        pytest.param(CHUNKED, b"0", id="chunk size line"),
        pytest.param(CHUNKED + b"0\r\n", b"X: y\r\n", id="trailer"),
        pytest.param(OK_HEAD + b"\r\n", b"x", id="body"),
        pytest.param(OK_HEAD + b"Content-Length: 900\r\n\r\n", b"x", id="body with length"),
    ],
)
def test_a_host_that_sends_slowly_is_disconnected(
    settings: Any, start: bytes, piece: bytes
) -> None:
    host = Host(start, piece)
    with running(host.run) as port:
        settings.ACME_HTTP_PORT = port
        assert check("http-01").type == "connection"
    assert host.was_closed


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, id="100 Continue"),
        pytest.param(b"X: y\r\n" * 1000, id="headers"),
        pytest.param(b"X" * 8000, id="header"),
    ],
)
def test_a_host_that_sends_too_much_is_disconnected(
    settings: Any, monkeypatch: Any, piece: bytes
) -> None:
    # Only the size ends it, not the time.
    monkeypatch.setattr(limits, "TOTAL_SECONDS", 10 * HOST_SECONDS)
    host = Host(b"HTTP/1.1 100 Continue\r\n", piece)
    with running(host.run) as port:
        settings.ACME_HTTP_PORT = port
        assert check("http-01").type == "connection"
    assert host.was_closed


def test_a_tls_handshake_that_does_not_end_is_disconnected(settings: Any) -> None:
    # A handshake record of 16 KiB, of which the host sends a byte at a time.
    host = Host(b"\x16\x03\x03\x40\x00\x02", b"\x00")
    with running(host.run) as port:
        settings.ACME_TLS_PORT = port
        assert check("tls-alpn-01").type == "tls"
    assert host.was_closed


def test_a_dns_server_that_does_not_respond_ends_the_validation(monkeypatch: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], silent.getsockname()[1]
        monkeypatch.setattr(challenges, "build_resolver", lambda: resolver)
        started = time.monotonic()
        assert check("dns-01").type == "dns"
        assert time.monotonic() - started < HOST_SECONDS


def test_a_name_whose_resolution_does_not_end_is_not_valid(monkeypatch: Any) -> None:
    ended, finished = threading.Event(), []

    def resolve(name: str, *_arguments: Any, **_options: Any) -> list[Any]:
        ended.wait(HOST_SECONDS)
        finished.append(name)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert check("http-01").type == "dns"
    assert not finished
    ended.set()


def test_the_number_of_resolutions_that_do_not_end_is_limited(monkeypatch: Any) -> None:
    monkeypatch.setattr(addresses, "_lookups", threading.BoundedSemaphore(1))
    ended, started = threading.Event(), []

    def resolve(name: str, *_arguments: Any, **_options: Any) -> list[Any]:
        started.append(name)
        ended.wait(HOST_SECONDS)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert check("http-01").type == "dns"
    assert check("http-01").type == "dns"
    assert started == [NAME]
    ended.set()
