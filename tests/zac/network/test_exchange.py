"""The agent's own HTTP: what it sends, and that nothing half or foreign passes for an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from zac.network.exchange import MAX_HEADER_BYTES, Exchange, InvalidResponse


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[Exchange, list[bytes]]]:
    """Yield an exchange with a server that says one thing, and what the server heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as line:
                heard.append(line.recv(1 << 16))
                line.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        exchange = Exchange("127.0.0.1", listener.getsockname()[1], 5.0)
        try:
            yield exchange, heard
        finally:
            exchange.close()
            server.join()


def test_a_request_is_written_whole_and_its_answer_read_to_its_length() -> None:
    said = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 1-5\r\n\r\n"
    with answering(said + b"hello and more") as (exchange, heard):
        assert exchange.request("POST", "/a?b=c", {"Range": "bytes=1-"}, b"body") == 206
        assert exchange.headers["content-range"] == "bytes 1-5"
        assert exchange.read_all(100) == b"hello"
    lines = heard[0].split(b"\r\n")
    assert lines[0] == b"POST /a?b=c HTTP/1.0"
    assert lines[1].startswith(b"Host: 127.0.0.1:")
    assert lines[2:] == [b"Range: bytes=1-", b"Content-Length: 4", b"", b"body"]


def test_without_a_length_the_answer_ends_with_the_connection() -> None:
    with answering(b"HTTP/1.0 200 OK\n\nall of it") as (exchange, _):
        assert exchange.request("GET", "", {}) == 200
        assert exchange.read(4) == b"all "
        assert exchange.read_all(100) == b"of it"
        assert exchange.read(4) == b""


def test_no_more_is_read_than_is_wanted() -> None:
    with answering(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n123456789") as (exchange, _):
        exchange.request("GET", "/", {})
        assert exchange.read_all(4) == b"1234"


def test_an_incomplete_response_is_rejected() -> None:
    with answering(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n1234") as (exchange, _):
        exchange.request("GET", "/", {})
        with pytest.raises(InvalidResponse, match="incomplete"):
            exchange.read_all(100)


def test_the_received_part_of_an_incomplete_response_can_be_kept() -> None:
    with answering(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n1234") as (exchange, _):
        exchange.request("GET", "/", {})
        assert exchange.read(100) == b"1234"
        with pytest.raises(InvalidResponse, match="incomplete"):
            exchange.read(100)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\nLonely: 1",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.0 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nX: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n" + b"X: x\r\n" * MAX_HEADER_BYTES + b"\r\n",
    ],
)
def test_an_invalid_response_is_rejected(said: bytes) -> None:
    with answering(said) as (exchange, _), pytest.raises(OSError):  # noqa: PT011 - reset or Broken
        exchange.request("GET", "/", {})


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nX: y", {}),
        ("/\u00e4", {}),
        ("/", {"Authorization": "a\r\nX: y"}),
        ("/", {"A": "\u00e4"}),
    ],
)
def test_nothing_can_be_slipped_into_a_request(target: str, headers: dict[str, str]) -> None:
    with answering(b"") as (exchange, heard), pytest.raises(InvalidResponse):
        exchange.request("GET", target, headers)
    assert heard == [b""]
