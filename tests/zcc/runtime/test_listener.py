"""The web server's change of certificate (docs/operations.md, Web server; P-11: none is lost)."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.harness.places import free_port, loopback_network
from tests.zcc.trust_generations import Security
from zcc.runtime import listener
from zcc.runtime.components import BASE_DIR

PATIENCE = 60.0
REQUEST = b"GET /contact HTTP/1.1\r\nHost: zcc\r\nConnection: close\r\n\r\n"


class Web:
    """A listener process of a home, and clients for it."""

    def __init__(self, home: Path, address: str) -> None:
        self.address, self.port = address, free_port(address)
        self.home = home
        self.security = Security(home / "security", address)
        self.output = home / "web.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        place = ["--address", self.address, "--port", str(self.port), "--home", str(self.home)]
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "zcc.runtime.listener", *place],
                env={**os.environ, "ZCC_HOME": str(self.home)},
                cwd=BASE_DIR,
                stdout=output,
                stderr=output,
            )

    def certificate(self, context: ssl.SSLContext, pause: float = 0) -> str:
        """Make a new connection, ask something, return the certificate that was shown.

        A slow client pauses between the handshake and its request.
        """
        with (
            socket.create_connection((self.address, self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=self.address) as line,
        ):
            shown = line.getpeercert(binary_form=True)
            time.sleep(pause)
            line.sendall(REQUEST)
            answer = b""
            while part := line.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        assert shown is not None
        return shown.hex()

    def shows(self, wanted: str) -> bool:
        try:
            return self.certificate(self.security.context()) == wanted
        except OSError:
            return False

    def says(self, text: str) -> bool:
        return text in self.output.read_text()


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def running(web: Web) -> Iterator[subprocess.Popen[bytes]]:
    process = web.start()
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with loopback_network() as base:
        yield Web(tmp_path, f"{base}.11")


def test_no_new_connection_fails_while_certificates_change(web: Web) -> None:
    made = {name: web.security.make(name) for name in ("gen-1", "gen-2", "gen-3", "gen-4")}
    order = list(made.values())
    web.security.use("gen-1")
    seen: list[int] = []
    failed: list[Exception] = []
    ended = threading.Event()
    context = web.security.context()

    def connect(pause: float) -> None:
        while not ended.is_set():
            try:
                seen.append(order.index(web.certificate(context, pause)))
            except Exception as error:
                failed.append(error)

    with running(web):
        until(lambda: web.shows(made["gen-1"]))
        # A connection that has not asked yet is the easiest one to lose.
        pauses = (0, 0, 0.2, 0.2, 0.2, 0.2)
        clients = [threading.Thread(target=connect, args=(pause,)) for pause in pauses]
        for client in clients:
            client.start()
        for name in ("gen-2", "gen-3", "gen-4"):
            web.security.use(name)
            until(lambda name=name: order.index(made[name]) in seen)  # type: ignore[misc]
            count = len(seen)
            until(lambda count=count: len(seen) > count + 200)  # type: ignore[misc]
        ended.set()
        for client in clients:
            client.join()
    assert failed == []
    # The last ones of all clients are new: no old one comes back.
    assert set(seen[-50:]) == {3}


def test_it_waits_for_the_first_certificate(web: Web) -> None:
    made = web.security.make("gen-1")
    with running(web):
        until(lambda: web.output.exists() and web.says("waiting for the first certificate"))
        time.sleep(3 * listener.FIRST_POLL_SECONDS)
        assert web.output.read_text().count("waiting for") == 1, "a reason is logged once"
        web.security.use("gen-1")
        until(lambda: web.shows(made))


def test_it_goes_on_with_the_old_certificate_when_key_and_new_certificate_do_not_fit(
    web: Web,
) -> None:
    first, second = web.security.make("gen-1"), web.security.make("gen-2")
    third = web.security.make("gen-3")
    key = (web.security.folder / "gen-1" / "server.pem").read_bytes().split(b"-----BEGIN CERT")[0]
    other = (web.security.folder / "gen-2" / "server.pem").read_bytes()
    wrong = key + other[other.index(b"-----BEGIN CERT") :]
    web.security.write("gen-wrong", wrong)
    web.security.use("gen-1")
    with running(web):
        until(lambda: web.shows(first))
        web.security.use("gen-wrong")
        until(lambda: web.says("cannot serve certificate"))
        assert web.shows(first)
        assert not web.shows(second)
        web.security.use("gen-3")
        until(lambda: web.shows(third))


def test_it_speaks_tls_1_2_and_1_3(web: Web) -> None:
    made = web.security.make("gen-1")
    web.security.use("gen-1")
    with running(web):
        until(lambda: web.shows(made))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = web.security.context()
            context.minimum_version = context.maximum_version = version
            assert web.certificate(context) == made


def test_a_killed_worker_is_replaced(web: Web) -> None:
    made = web.security.make("gen-1")
    web.security.use("gen-1")
    with running(web) as process:
        until(lambda: web.shows(made))
        worker = psutil.Process(process.pid).children()[0]
        worker.kill()
        worker.wait(20)
        until(lambda: web.shows(made))


def test_no_worker_remains_when_the_listener_is_killed(web: Web) -> None:
    made = web.security.make("gen-1")
    web.security.use("gen-1")
    with running(web) as process:
        until(lambda: web.shows(made))
        worker = psutil.Process(process.pid).children()[0]
        process.kill()
        worker.wait(20)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((web.address, web.port))


def test_a_second_listener_at_the_same_address_exits_with_an_error(web: Web) -> None:
    made = web.security.make("gen-1")
    web.security.use("gen-1")
    with running(web):
        until(lambda: web.shows(made))
        with running(web) as second:
            assert second.wait(PATIENCE) != 0


def test_it_dumps_no_core_and_ends_on_sigterm(web: Web) -> None:
    made = web.security.make("gen-1")
    web.security.use("gen-1")
    with running(web) as process:
        until(lambda: web.shows(made))
        for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children()):
            assert one.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_every_line_is_json_also_those_of_the_server_library(web: Web) -> None:
    made = {name: web.security.make(name) for name in ("gen-1", "gen-2")}
    web.security.use("gen-1")
    with running(web):
        until(lambda: web.shows(made["gen-1"]))
        web.security.use("gen-2")
        until(lambda: web.shows(made["gen-2"]))
    lines = [json.loads(line) for line in web.output.read_text().splitlines()]
    assert {line["part"] for line in lines} == {"web"}
    assert {"_granian", "zcc.runtime.listener"} <= {line["logger"] for line in lines}


def test_the_certificate_is_that_of_the_directory_to_which_the_link_leads(tmp_path: Path) -> None:
    current = tmp_path / "current"
    (tmp_path / "gen-1").mkdir()
    assert listener.get_certificate_path(current) is None, "there is no link"
    current.symlink_to("gen-1")
    assert listener.get_certificate_path(current) is None, "there is no certificate"
    (tmp_path / "gen-1" / "server.pem").touch()
    assert listener.get_certificate_path(current) == tmp_path / "gen-1" / "server.pem"
    current.unlink()
    current.symlink_to(tmp_path / "gen-2")
    assert listener.get_certificate_path(current) is None, "the link leads nowhere"
