"""P-6: a refresh without changes compared with a bare Django view on the same server.

Both go over TLS with keep-alive to one granian worker. Each request of a device is signed and
has a counter of its own; they are signed beforehand. CPU time is that of the web processes (and
of PostgreSQL, told apart); throughput is that of eight connections kept busy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bench import zone as bench_zone
from bench.processes import Family
from bench.results import Row, tell

CONNECTIONS = 8
AT = "127.0.0.1"
REFRESH = "/zac/v1/refresh"
BARE = "/zac/v1/bare"


class Connection:
    """A persistent TLS connection; responses have a Content-Length."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection((AT, port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain)

    def send(self, request: bytes) -> None:
        """Send one request."""
        self._socket.sendall(request)

    def take(self) -> None:
        """Take the answer to it; anything but 200 ends the benchmark."""
        data = self._socket.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        assert b" 200 " in head[:16], data
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        missing = int(lower[at:].split(b"\r\n", 1)[0]) - len(body)
        while missing > 0:
            missing -= len(self._socket.recv(65536))


def devices(count: int) -> list[tuple[str, str]]:
    """Register managed devices in one statement; return their IDs and secrets."""
    from django.utils import timezone

    from devices.identity import zone_keys
    from devices.models import Device

    made = [Device(name=f"pc-{n:06d}", role="managed", version="0.1.0", last_contact=timezone.now(),
                   features=["tls"], os="Linux", addresses=[f"10.1.{n >> 8 & 255}.{n & 255}"])
            for n in range(count)]  # fmt: skip
    Device.objects.bulk_create(made)
    ring = zone_keys.get_keyring()
    return [(str(device.pk), ring.device_secret(str(device.pk), 1)) for device in made]


def signed(known: list[tuple[str, str]]) -> Iterator[bytes]:
    """Yield refreshes, device after device, each with the next counter."""
    from wire import authentication, json_codec, messages

    body = json_codec.dump(messages.RefreshRequest(time=0.0, agent="0.1.0"))
    counter = 0
    while True:
        counter += 1
        for device, secret in known:
            credentials = authentication.sign(
                secret, device=device, counter=counter, method="POST", path=REFRESH, body=body
            )
            yield request(REFRESH, body, credentials.header())


def request(path: str, body: bytes, header: str = "") -> bytes:
    """Return the bytes of one request."""
    authorization = f"Authorization: {header}\r\n" if header else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {AT}\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def listener(home: Path, port: int, server: str) -> subprocess.Popen[bytes]:
    """Start the web server with the real listener and wait until it responds."""
    started = subprocess.Popen(
        [sys.executable, "-m", "zcc.runtime.listener", "--address", AT, "--port", str(port),
         "--home", server],
        env={**os.environ, "ZCC_SERVER_HOME": server},
        stdout=(home / "listener.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((AT, port), 1):
            return started
        time.sleep(0.1)
    started.kill()
    raise AssertionError((home / "listener.log").read_text())


def free_port() -> int:
    """Return an unused port."""
    with contextlib.closing(socket.socket()) as trial:
        trial.bind((AT, 0))
        return int(trial.getsockname()[1])


def postgresql_cpu() -> Callable[[], float]:
    """Return a function for the CPU seconds of PostgreSQL, 0.0 if the benchmark runs without it."""
    folder = os.environ.get("ZCC_TEST_POSTGRESQL_FOLDER")
    if folder is None:
        return lambda: 0.0
    pid = int((Path(folder) / "data" / "postmaster.pid").read_text().split()[0])
    return Family(pid).spent


def run(connections: list[Connection], requests: list[bytes]) -> None:
    """Keep every connection busy until all requests have a response."""
    waiting = iter(requests)
    for connection in connections:
        connection.send(next(waiting))
    turn = 0
    for following in waiting:
        connection = connections[turn % len(connections)]
        connection.take()
        connection.send(following)
        turn += 1
    for number in range(len(connections)):
        connections[(turn + number) % len(connections)].take()


def main() -> None:
    """Measure P-6 on the database of this process."""
    home = bench_zone.enter()
    from django.db import connection as database

    from tests.support import zone as support_zone

    founded = support_zone.found(home / "ps-01", refresh_seconds=43200)
    pem = home / "ps-01" / "security" / "gen-1" / "server.pem"
    pem.write_text(founded.first.key_pem + pem.read_text())
    count = bench_zone.size("REFRESHES", 3000)
    source = signed(devices(bench_zone.size("DEVICES", 1000)))
    database.close()
    port = free_port()
    server = listener(home, port, str(home / "ps-01"))
    try:
        measure(server, port, source, count)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def measure(server: Any, port: int, source: Iterator[bytes], count: int) -> None:
    """Send bare requests and refreshes in turn, and report the ratios."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connections = [Connection(port, context) for _ in range(CONNECTIONS)]
    bare = [request(BARE, b'{"t":0.0,"agent":"0.1.0"}')] * count
    run(connections, bare[:500])
    run(connections, list(islice(source, 1500)))
    web, behind = Family(server.pid).spent, postgresql_cpu()
    rounds: list[dict[str, float]] = []
    for _ in range(bench_zone.size("ROUNDS", 5)):
        taken: dict[str, float] = {}
        for name, requests in (("bare", bare), ("refresh", list(islice(source, count)))):
            cpu, wall, database = web(), time.perf_counter(), behind()
            run(connections, requests)
            taken[f"{name}_wall"] = (time.perf_counter() - wall) / count * 1e6
            taken[f"{name}_cpu"] = (web() - cpu) / count * 1e6
            taken[f"{name}_database"] = (behind() - database) / count * 1e6
        rounds.append(taken)
    middle = {f"{name}_us": median(taken[name] for taken in rounds) for name in rounds[0]}
    where, least = bench_zone.database(), {"SQLite": 0.45, "PostgreSQL": 0.30}
    rate = median(taken["bare_wall"] / taken["refresh_wall"] for taken in rounds)
    cpu = median(taken["bare_cpu"] / taken["refresh_cpu"] for taken in rounds)
    what = f"refresh that changes nothing, {where}: rate / rate of a bare view"
    tell(Row("P-6", what, rate, least[where], detail=middle))
    what = f"the same, {where}: CPU of the bare view / CPU of a refresh"
    tell(Row("P-6", what, cpu, detail=middle))


if __name__ == "__main__":
    main()
