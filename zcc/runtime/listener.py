"""Run the web server: `python -m zcc.runtime.listener --address A --port P --home H`.

It serves the certificate that the agent has activated: `security/current` in the data directory is
a link to a directory with `server.pem` (key and chain). When the link changes, a new worker process
with the new certificate replaces the old one, and no connection is lost: all workers share one
listening socket, the old worker stops accepting and finishes its requests, and the application is
loaded before the fork, so that a new worker starts quickly.
"""

from __future__ import annotations

import argparse
import gc
import logging
import logging.config
import os
import signal
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connections
from django.utils import timezone
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from console.requests import logs
from console.requests.networks import get_network
from console.requests.proxies import Network, is_trusted
from zcc.runtime import environment, processes
from zcc.runtime.gateway import Gateway

log = logging.getLogger("zcc.runtime.listener")
# Granian logs through the same handlers as everything else.
LOGGERS = {
    name: {"handlers": [], "propagate": True, "level": "INFO"}
    for name in ("_granian", "granian.access")
}
POLL_SECONDS = 0.1
FIRST_POLL_SECONDS = 0.5
BACKLOG = 1024
MAX_CONNECTIONS = 512
# If more connections than this are open, idle ones of addresses with too many are closed.
BUSY_CONNECTIONS = 256
CONNECTIONS_PER_ADDRESS = 64
IDLE_SECONDS, LIMIT_SECONDS = 0.5, 0.25
# Time for the first request on connections that a worker accepted before it stopped accepting, and
# time for requests to finish after that.
DRAIN_SECONDS = 1.0
FINISH_SECONDS = 6
STOP_ACCEPTING = signal.SIGUSR1


class Listener(MPServer):
    """Granian with one listening socket for all workers, and a certificate that can change."""

    _sso: Any
    _sfd: Any
    _shd: Any
    _ssp: Any

    def __init__(self, address: str, port: int, certificate: Path) -> None:
        self._certificate = certificate
        super().__init__(
            "zcc.wsgi:application",
            address=address,
            port=port,
            interface=Interfaces.ASGINL,
            # HTTP/2 gains nothing here: a page has six requests, and an agent sends one.
            http=HTTPModes.http1,
            workers=1,
            backlog=BACKLOG,
            backpressure=MAX_CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=20_000),
            ssl_cert=certificate,
            ssl_key=certificate,
            ssl_protocol_min=SSLProtocols.tls12,
            respawn_failed_workers=True,
            respawn_interval=DRAIN_SECONDS,
            workers_kill_timeout=FINISH_SECONDS,
            websockets=False,
            log_dictconfig={"formatters": {}, "handlers": {}, "loggers": dict(LOGGERS)},
        )

    def _init_shared_socket(self) -> None:
        # By default, each worker opens its own socket (SO_REUSEPORT). Connections in the queue of a
        # worker that ends would be lost, and a second server could use the same port unnoticed.
        family = socket.AF_INET6 if ":" in self.bind_addr else socket.AF_INET
        self._sso = socket.socket(family, socket.SOCK_STREAM)
        self._sso.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sso.bind((self.bind_addr, self.bind_port))
        self._sso.listen(BACKLOG)
        self._sso.settimeout(0)
        self._sfd = self._sso.fileno()
        holder: Any = SocketHolder
        self._shd = holder(self._sfd, False, BACKLOG)  # noqa: FBT003 - no keyword arguments
        self._ssp = None

    def _respawn_workers(
        self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        # A worker that ends closes idle connections. So it must stop accepting first; new
        # connections are queued for its successor.
        for worker in [self.wrks[index].inner for index in workers]:
            if worker.is_alive():
                os.kill(worker.pid, STOP_ACCEPTING)
        super()._respawn_workers(workers, spawn_target, target_loader, delay)

    def watch(self, current: Path) -> None:
        """Reload the certificate whenever `current` changes. Does not return."""
        while True:
            time.sleep(POLL_SECONDS)
            newest = get_certificate_path(current)
            if newest is not None and newest != self._certificate:
                self._replace_certificate(newest)

    def _replace_certificate(self, certificate: Path) -> None:
        self._certificate = certificate
        try:
            self.build_ssl_context(
                certificate, certificate, None, SSLProtocols.tls12, None, [], client_verify=False
            )
        except (OSError, ssl.SSLError) as error:
            # The old certificate stays in use. The agent notices this when it verifies the server.
            log.error("cannot serve certificate %s: %s", certificate, error)  # noqa: TRY400 - no bug
            return
        log.info("now serving certificate %s", certificate)
        self.reload_signal = True
        self.main_loop_interrupt.set()


def get_certificate_path(current: Path) -> Path | None:
    """Return the key-and-chain file in the directory that `current` links to, or None."""
    try:
        # Resolving the path would read each of its directories, ten times a second.
        found = current.parent / current.readlink() / "server.pem"
    except OSError:
        return None
    return found if found.exists() else None


def wait_for_certificate(home: Path, current: Path, port: int) -> Path:
    """Return the active certificate, or a temporary one if this console can create a zone."""
    django.setup()
    from zcc.setup import first_run  # noqa: PLC0415 - needs the environment

    logged = None
    while True:
        found = get_certificate_path(current)
        if found is not None:
            first_run.delete_setup_files(home)
            return found
        obstacle = first_run.find_obstacle(home)
        connections.close_all()  # this process forks, and a connection must not be shared
        if not obstacle:
            return first_run.open_setup(home, port, timezone.now())
        if obstacle != logged:
            log.warning("waiting for the first certificate in %s: %s", current, obstacle)
            logged = obstacle
        time.sleep(FIRST_POLL_SECONDS)


def load_application() -> Any:
    """Return the application with everything loaded that its first request needs."""
    from django import urls  # noqa: PLC0415 - needs the environment

    from zcc.wsgi import application  # noqa: PLC0415 - as above

    _ = urls.get_resolver().url_patterns
    gc.collect()
    gc.freeze()  # so that garbage collection does not copy memory that workers share
    return application


def build_loader(parent: int, address: tuple[str, int], application: Any) -> Callable[[], Any]:
    """Return a function that returns the application in a worker process."""

    def load() -> Any:
        processes.end_with_parent(parent)
        signal.signal(STOP_ACCEPTING, lambda *_: stop_accepting(address))
        limiter = ConnectionLimiter(address[1], application.active, settings.TRUSTED_PROXIES)
        threading.Thread(target=limiter.run, daemon=True).start()
        return application

    return load


def stop_accepting(address: tuple[str, int]) -> None:
    """Stop accepting connections at an address in this process only.

    The listening socket is shared with other processes. So its descriptor in this process is
    replaced by a socket to which no one can connect.
    """
    unused = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unused.bind("")
    unused.listen(1)
    unused.settimeout(0)
    for descriptor, found in processes.list_sockets(address[1]):
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if listens and found.getsockname()[:2] == address:
            os.dup2(unused.fileno(), descriptor)
    unused.close()


class ConnectionLimiter:
    """Closes idle connections of addresses that keep many of them open.

    Granian accepts no connection while MAX_CONNECTIONS are open, and waits 20 seconds for the head
    of a request. So one host could close the port for all others. A connection with a request is
    never closed, because many devices can have the same address. Trusted proxies are not limited.
    """

    def __init__(self, port: int, active: Collection[Any], trusted: Sequence[Network]) -> None:
        self._port, self._active, self._trusted = port, active, trusted
        self._opened: dict[Any, float] = {}

    def run(self) -> None:
        """Limit connections as long as this process runs."""
        while True:
            time.sleep(LIMIT_SECONDS)
            self.limit()

    def limit(self) -> int:
        """Close idle connections if there are too many, and return their number."""
        if processes.count_descriptors() <= CONNECTIONS_PER_ADDRESS:
            # No address can have too many. Reading each descriptor costs more than counting them.
            self._opened = {}
            return 0
        now = time.monotonic()
        opened: dict[Any, float] = {}
        networks: dict[str, list[Any]] = defaultdict(list)
        for _descriptor, found in processes.list_sockets(self._port):
            with suppress(OSError):
                peer = found.getpeername()[:2]
                opened[peer] = self._opened.get(peer, now)
                networks[get_network(peer[0])].append(peer)
        self._opened = opened
        if len(opened) <= BUSY_CONNECTIONS:
            return 0
        surplus: set[Any] = set()
        for network, peers in networks.items():
            if not is_trusted(network, self._trusted):
                idle = [peer for peer in peers if self._is_idle(peer, now)]
                idle.sort(key=lambda peer: opened[peer])
                surplus.update(idle[: max(0, len(peers) - CONNECTIONS_PER_ADDRESS)])
        for _descriptor, found in processes.list_sockets(self._port) if surplus else ():
            with suppress(OSError):
                if found.getpeername()[:2] in surplus:
                    found.shutdown(socket.SHUT_RDWR)
        return len(surplus)

    def _is_idle(self, peer: Any, now: float) -> bool:
        return peer not in self._active and now - self._opened[peer] >= IDLE_SECONDS


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="zcc.runtime.listener", description="Run the web server.")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--home", type=Path, required=True, help="data directory of this server's agent"
    )
    args = parser.parse_args()
    processes.harden()
    os.environ.setdefault("ZCC_SERVER_HOME", str(args.home.absolute()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")
    logs.configure(environment.log_format(), os.environ.setdefault(environment.PART, "web"))
    logging.config.dictConfig(settings.LOGGING)
    current = args.home.absolute() / "security" / "current"
    certificate = wait_for_certificate(args.home.absolute(), current, args.port)
    threads = environment.number("ZCC_WEB_THREADS", 4, minimum=1, maximum=64)
    server = Listener(args.address, args.port, certificate)
    gateway = Gateway(load_application(), threads)
    load = build_loader(os.getpid(), (args.address, args.port), gateway)
    watcher = threading.Thread(target=server.watch, args=(current,), daemon=True)
    server.on_startup(watcher.start)
    server.serve(target_loader=load, wrap_loader=False)


if __name__ == "__main__":
    main()
