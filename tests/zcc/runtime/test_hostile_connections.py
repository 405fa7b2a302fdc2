"""Hostile connections do not stop the web server: others are answered, the CPU comes to rest."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.places import loopback_network
from tests.zcc.runtime.test_listener import Web, running, until

HEAD = b"POST /zac/v1/hello HTTP/1.1\r\nHost: zcc\r\nContent-Length: 100000\r\n\r\n"
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return an HTTP/2 frame (RFC 9113, 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def no_body(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(HEAD)
    stop.wait()


def half_body(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(HEAD + b"x" * 50_000)
    stop.wait()


def drip(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(HEAD)
    while not stop.wait(0.5):
        line.sendall(b"x")


def close(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(HEAD + b"x" * 10)
    stop.wait(0.2)


def reset(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(HEAD + b"x" * 10)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    stop.wait(0.2)


def goaway(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(H2_PREFACE + frame(4, 0, 0, b"") + frame(7, 0, 0, b"\x00" * 8))
    stop.wait()


def continuation_flood(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(H2_PREFACE + frame(4, 0, 0, b"") + frame(1, 0, 1, b"\x82"))
    while not stop.wait(0.02):
        line.sendall(frame(9, 0, 1, b"\x40\x01a\x01b" * 100))


def rapid_reset(line: ssl.SSLSocket, stop: threading.Event) -> None:
    line.sendall(H2_PREFACE + frame(4, 0, 0, b""))
    stream = 1
    while not stop.wait(0.01):
        line.sendall(
            frame(1, 5, stream, b"\x82\x84\x87") + frame(3, 0, stream, b"\x00\x00\x00\x08")
        )
        stream += 2


KINDS: list[Callable[[ssl.SSLSocket, threading.Event], None]] = [
    *(no_body, half_body, drip, close, reset, goaway, continuation_flood, rapid_reset),
]


def attack(web: Any, kind: Callable[..., None], stop: threading.Event, source: str = "") -> None:
    """Open one hostile connection after the other until the end, from one address or any."""
    place = (source, 0) if source else None
    context = web.security.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    while not stop.is_set():
        with (
            suppress(OSError),
            socket.create_connection((web.address, web.port), 5, place) as plain,
            context.wrap_socket(plain, server_hostname=web.address) as line,
        ):
            kind(line, stop)
        stop.wait(0.1)


def cpu_seconds(pid: int) -> float:
    process = psutil.Process(pid)
    every = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in every)


# A page takes less than a second, or as long as on a server that nobody attacks. Other work on the
# same machine delays both servers.
MAX_SECONDS, MAX_RATIO = 1.0, 3.0


@pytest.mark.parametrize(
    ("connections", "seconds"), [(48, 6), pytest.param(200, 60, marks=pytest.mark.long)]
)
def test_others_are_answered_as_fast_as_without_an_attack(
    tmp_path: Path, connections: int, seconds: int
) -> None:
    """Eight kinds of hostile connections; pages are fetched from another address meanwhile."""
    with loopback_network() as base, ExitStack() as stack:
        attacked, peer = (start(stack, tmp_path / n, f"{base}.{n}") for n in ("11", "12"))
        stop = threading.Event()
        attackers = [
            threading.Thread(target=attack, args=(attacked[0], KINDS[n % len(KINDS)], stop))
            for n in range(connections)
        ]
        for one in attackers:
            one.start()
        slowest, slowest_of_peer = fetch_pages(attacked[0], peer[0], seconds)
        stop.set()
        for one in attackers:
            one.join()
        time.sleep(5)
        used, used_by_peer = measure_processors(attacked[1], peer[1])
    assert slowest < max(MAX_SECONDS, MAX_RATIO * slowest_of_peer), (slowest, slowest_of_peer)
    assert used < used_by_peer + 0.1


def start(stack: ExitStack, home: Path, address: str) -> tuple[Web, int]:
    """Start a web server; return it with the ID of its process."""
    home.mkdir()
    web = Web(home, address)
    web.security.make("gen-1")
    web.security.use("gen-1")
    process = stack.enter_context(running(web))
    until(lambda: listens(web))
    return web, process.pid


def fetch_pages(attacked: Web, peer: Web, seconds: float) -> tuple[float, float]:
    """Fetch a page from both servers in turn; return the longest time of each."""
    slowest, slowest_of_peer = 0.0, 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slowest = max(slowest, fetch_page(attacked))
        slowest_of_peer = max(slowest_of_peer, fetch_page(peer))
        time.sleep(0.05)
    return slowest, slowest_of_peer


def fetch_page(web: Web) -> float:
    """Fetch a page over a new connection; return how long it took."""
    begin = time.monotonic()
    web.certificate(web.security.context())
    return time.monotonic() - begin


def measure_processors(*pids: int) -> list[float]:
    """Return how many processors each process uses, with its children, in two seconds."""
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(2)
    return [(cpu_seconds(pid) - used) / 2 for pid, used in zip(pids, before, strict=True)]


def listens(web: Web) -> bool:
    with suppress(OSError), socket.create_connection((web.address, web.port), timeout=1):
        return True
    return False
