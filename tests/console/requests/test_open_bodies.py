"""Limits of request bodies that are being read: the slowest one of an address is rejected."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from console.requests import open_bodies
from tests.zcc.runtime.test_gateway import Client, Echo, body, scope, wait_for
from zcc.runtime import gateway
from zcc.runtime.gateway import Gateway


def test_one_address_has_a_limited_number_of_bodies_and_others_go_through(monkeypatch):
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.3)

    async def attack() -> tuple[list[int | None], int | None]:
        app = Gateway(Echo(), 1)
        stalled = [Client([], stalls=True) for _ in range(open_bodies.BODIES_PER_ADDRESS + 3)]
        tasks = [asyncio.create_task(app(scope(9), one.receive, one.send)) for one in stalled]
        await asyncio.sleep(0.05)
        other = Client(body(b"abc"))
        request = {**scope(3), "client": ("127.0.0.10", 1)}
        await asyncio.wait_for(app(request, other.receive, other.send), 2)
        await asyncio.gather(*tasks)
        return [one.status for one in stalled], other.status

    attackers, other = wait_for(attack())
    assert other == 200
    assert attackers.count(429) == 3
    assert attackers.count(408) == open_bodies.BODIES_PER_ADDRESS


class Dripping(Client):
    """A request whose body arrives slowly and never ends."""

    async def receive(self) -> Any:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}


class Honest(Client):
    """A request whose body arrives in several pieces."""

    def __init__(self) -> None:
        super().__init__(body(*3 * [b"x" * 100_000]))

    async def receive(self) -> Any:
        found = await super().receive()
        if len(self.messages) < 3:
            await asyncio.sleep(0.01)
        return found


def test_a_fleet_goes_on_while_connections_of_the_same_address_are_slow(monkeypatch):
    monkeypatch.setattr(open_bodies, "NEW_SECONDS", 0.1)
    monkeypatch.setattr(gateway, "BODY_SECONDS", 600.0)
    drips = open_bodies.BODIES_PER_ADDRESS + 8

    async def drip(app: Gateway, statuses: list[int | None]) -> None:
        while True:
            client = Dripping([])
            await app(scope(100_000), client.receive, client.send)
            statuses.append(client.status)
            await asyncio.sleep(0.005)

    async def send(app: Gateway) -> int | None:
        client = Honest()
        await app(scope(300_000), client.receive, client.send)
        return client.status

    async def attack() -> tuple[list[int | None], list[int | None]]:
        app, statuses = Gateway(Echo(), 2), list[int | None]()
        tasks = [asyncio.create_task(drip(app, statuses)) for _ in range(drips)]
        await asyncio.sleep(0.2)
        fleet: list[int | None] = []
        for _ in range(20):
            fleet += await asyncio.gather(*(send(app) for _ in range(8)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return fleet, statuses

    fleet, attackers = wait_for(attack())
    assert fleet == [200] * 160
    assert set(attackers) == {429}


@pytest.mark.parametrize("slow_first", [True, False])
def test_the_slowest_body_of_an_address_is_rejected(monkeypatch, slow_first):
    monkeypatch.setattr(open_bodies, "BODIES_PER_ADDRESS", 2)
    monkeypatch.setattr(open_bodies, "NEW_SECONDS", 0.0)
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.5)

    async def send() -> tuple[int | None, ...]:
        app = Gateway(Echo(), 1)
        slow, fast = (Client(body(b"x" * size)[:1], stalls=True) for size in (1, 1000))
        tasks = []
        for client in (slow, fast) if slow_first else (fast, slow):
            tasks.append(asyncio.create_task(app(scope(9000), client.receive, client.send)))
            await asyncio.sleep(0.01)
        other = Client(body(b"abc"))
        await app(scope(3), other.receive, other.send)
        await asyncio.gather(*tasks)
        return slow.status, fast.status, other.status

    assert wait_for(send()) == (429, 408, 200)


@pytest.mark.parametrize(
    ("sizes", "statuses"),
    [
        ((1, 1, 1), [429, 408, 408]),
        ((1000, 1, 1), [408, 429, 408]),
        ((1, 1000, 0), [429, 408, 408]),
    ],
)
def test_of_new_bodies_the_one_with_the_least_data_is_rejected(monkeypatch, sizes, statuses):
    """Otherwise, an address that opens many connections a second would keep all others out."""
    monkeypatch.setattr(open_bodies, "BODIES_PER_ADDRESS", 2)
    monkeypatch.setattr(open_bodies, "NEW_SECONDS", 60.0)
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.3)

    async def send() -> list[int | None]:
        app = Gateway(Echo(), 1)
        clients = [Client(body(b"x" * size)[:1], stalls=True) for size in sizes]
        await asyncio.gather(*(app(scope(9000), one.receive, one.send) for one in clients))
        return [one.status for one in clients]

    assert wait_for(send()) == statuses


def test_all_addresses_together_have_a_limited_number_of_bodies(monkeypatch):
    monkeypatch.setattr(open_bodies, "BODIES", 2)
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.3)

    async def send() -> list[int | None]:
        app = Gateway(Echo(), 1)
        clients = [Client([], stalls=True) for _ in range(3)]
        calls = [
            app({**scope(9), "client": (f"127.0.1.{number}", 1)}, one.receive, one.send)
            for number, one in enumerate(clients)
        ]
        await asyncio.gather(*calls)
        return [one.status for one in clients]

    assert wait_for(send()) == [408, 408, 429]
