"""Idle connections of one address do not close the port of the web server for others."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.places import loopback_network
from tests.zcc.runtime.test_hostile_connections import MAX_RATIO, MAX_SECONDS, fetch_page, start
from zcc.runtime import listener
from zcc.runtime.listener import ConnectionLimiter

OPENED, ALLOWED = 6, 2


class Port:
    """A listening socket in this process, and connections to it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._socket = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.number = self._socket.getsockname()[1]

    def open(self, count: int, source: str) -> list[socket.socket]:
        """Open connections from an address; return their ends on the server."""
        ends = []
        for _number in range(count):
            client = socket.create_connection(
                ("127.0.0.1", self.number), timeout=5, source_address=(source, 0)
            )
            self._stack.enter_context(client)
            ends.append(self._stack.enter_context(self._socket.accept()[0]))
        return ends


def is_open(end: socket.socket) -> bool:
    end.settimeout(0)
    try:
        return end.recv(1) != b""
    except BlockingIOError:
        return True


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    monkeypatch.setattr(listener, "BUSY_CONNECTIONS", OPENED)
    monkeypatch.setattr(listener, "CONNECTIONS_PER_ADDRESS", ALLOWED)
    monkeypatch.setattr(listener, "IDLE_SECONDS", 0)
    with ExitStack() as stack:
        yield Port(stack)


def build(port: Port, active: Any = (), trusted: Any = ()) -> ConnectionLimiter:
    return ConnectionLimiter(port.number, active, trusted)


def test_the_oldest_idle_connections_of_an_address_with_many_are_closed(port: Port) -> None:
    limiter = build(port)
    first = port.open(OPENED, "127.0.0.2")
    assert limiter.limit() == 0, "the server is not busy"
    others = port.open(ALLOWED, "127.0.0.3")
    newest = port.open(1, "127.0.0.2")
    assert limiter.limit() == OPENED + 1 - ALLOWED
    assert [is_open(end) for end in first] == [False] * (OPENED + 1 - ALLOWED) + [True]
    assert all(is_open(end) for end in [*others, *newest])


def test_a_connection_with_a_request_is_never_closed(port: Port) -> None:
    """Many devices can have the same address."""
    ends = port.open(OPENED + 2, "127.0.0.2")
    assert build(port, {end.getpeername() for end in ends[1:]}).limit() == 1
    assert [is_open(end) for end in ends] == [False] + [True] * (OPENED + 1)


def test_connections_of_a_trusted_proxy_are_not_limited(port: Port) -> None:
    port.open(OPENED + 2, "127.0.0.2")
    assert build(port, trusted=[ipaddress.ip_network("127.0.0.2/32")]).limit() == 0


def test_a_new_connection_has_time_to_send_its_request(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "IDLE_SECONDS", 60)
    port.open(OPENED + 2, "127.0.0.2")
    assert build(port).limit() == 0


def test_descriptors_are_not_read_while_no_address_can_have_too_many(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    port.open(OPENED + 2, "127.0.0.2")
    few = psutil.Process().num_fds() + 1
    monkeypatch.setattr(listener, "CONNECTIONS_PER_ADDRESS", few)
    with monkeypatch.context() as patched:
        patched.setattr("zcc.runtime.processes.list_sockets", pytest.fail)
        assert build(port).limit() == 0
    monkeypatch.setattr(listener, "CONNECTIONS_PER_ADDRESS", ALLOWED)
    assert build(port).limit() == OPENED + 2 - ALLOWED


def test_no_descriptor_is_left_open(port: Port) -> None:
    port.open(OPENED, "127.0.0.2")
    limiter = build(port)
    before = psutil.Process().num_fds()
    for _time in range(3):
        limiter.limit()
    assert psutil.Process().num_fds() == before


def test_a_page_is_served_while_one_address_holds_all_connections(tmp_path: Path) -> None:
    with loopback_network() as base, ExitStack() as stack:
        attacked, peer = (start(stack, tmp_path / n, f"{base}.{n}")[0] for n in ("11", "12"))
        context = attacked.security.context()
        for _number in range(listener.MAX_CONNECTIONS + 20):
            plain = socket.create_connection((attacked.address, attacked.port), timeout=10)
            stack.enter_context(context.wrap_socket(plain, server_hostname=attacked.address))
        for _number in range(3):
            limit = max(MAX_SECONDS, MAX_RATIO * fetch_page(peer))
            assert fetch_page(attacked) < limit
