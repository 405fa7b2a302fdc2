"""The web server of one address: `python -m zcc.runtime.listener --address A --port P --home H`.

It shows the certificate that the host's agent put in force: `security/current` in the home names
a generation, whose `server.pem` holds key and chain. When `current` moves on, a fresh worker with
the new certificate takes over, and no connection is lost: all workers share one listening socket
that stays open, the old worker first stops to accept and then has time to finish, and the
application is loaded before the fork, so that a new worker is there at once.
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
from collections.abc import Callable
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

from zcc.runtime import environment, processes
from zcc.runtime.gateway import Gateway

log = logging.getLogger("zcc.runtime.listener")
# Granian's lines go where all others go.
LOGGERS = {
    name: {"handlers": [], "propagate": True, "level": "INFO"}
    for name in ("_granian", "granian.access")
}
LOOK_SECONDS = 0.1
FIRST_LOOK_SECONDS = 0.5
BACKLOG = 1024
CONNECTIONS = 512
# How long a worker that accepts no more may wait for the first request of what it accepted, and
# how long requests may then take to finish.
DRAIN_SECONDS = 1.0
FINISH_SECONDS = 6
STOP_ACCEPTING = signal.SIGUSR1


class Listener(MPServer):
    """Granian with one listening socket for all its workers, and a certificate that may change."""

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
            backpressure=CONNECTIONS,
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
        # By default each worker opens a socket of its own (SO_REUSEPORT): what waits in the queue
        # of a worker that ends is lost, and a second server could take the same port unnoticed.
        family = socket.AF_INET6 if ":" in self.bind_addr else socket.AF_INET
        self._sso = socket.socket(family, socket.SOCK_STREAM)
        self._sso.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sso.bind((self.bind_addr, self.bind_port))
        self._sso.listen(BACKLOG)
        self._sso.settimeout(0)
        self._sfd = self._sso.fileno()
        holder: Any = SocketHolder
        self._shd = holder(self._sfd, False, BACKLOG)  # noqa: FBT003 - it takes no names
        self._ssp = None

    def _respawn_workers(
        self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        # Told to end, a worker closes what it accepted and has not heard from yet. So it accepts
        # no more from here on; what comes meanwhile waits in the queue for its successor.
        for worker in [self.wrks[index].inner for index in workers]:
            if worker.is_alive():
                os.kill(worker.pid, STOP_ACCEPTING)
        super()._respawn_workers(workers, spawn_target, target_loader, delay)

    def watch(self, current: Path) -> None:
        """Take over each certificate that `current` comes to name, until the process ends."""
        while True:
            time.sleep(LOOK_SECONDS)
            newest = certificate_in(current)
            if newest is not None and newest != self._certificate:
                self._take(newest)

    def _take(self, certificate: Path) -> None:
        self._certificate = certificate
        try:
            self.build_ssl_context(
                certificate, certificate, None, SSLProtocols.tls12, None, [], client_verify=False
            )
        except (OSError, ssl.SSLError) as error:
            # What is served goes on being served; the agent's own handshake finds out.
            log.error("%s cannot be served: %s", certificate, error)  # noqa: TRY400 - no bug
            return
        log.info("%s is served from now on", certificate)
        self.reload_signal = True
        self.main_loop_interrupt.set()


def certificate_in(current: Path) -> Path | None:
    """Return the key-and-chain file of the generation that `current` names now, if it has one."""
    try:
        found = current.resolve(strict=True) / "server.pem"
    except OSError:
        return None
    return found if found.exists() else None


def first_certificate(home: Path, current: Path, port: int) -> Path:
    """Return the first certificate once it is in force, or a temporary one to found a zone with."""
    django.setup()
    from zcc.setup import first_run  # noqa: PLC0415 - its settings need the environment

    said = False
    while True:
        found = certificate_in(current)
        if found is not None:
            first_run.forget(home)
            return found
        wanted = first_run.is_wanted(home)
        connections.close_all()  # this process forks, and a connection must not be shared
        if wanted:
            return first_run.offer(home, port, timezone.now())
        if not said:
            log.info("waiting for the first certificate in %s", current)
            said = True
        time.sleep(FIRST_LOOK_SECONDS)


def load_application() -> Any:
    """Return the application with all that its first request would load, ready to be forked."""
    from django import urls  # noqa: PLC0415 - its settings need the environment

    from zcc.wsgi import application  # noqa: PLC0415 - as above

    _ = urls.get_resolver().url_patterns
    gc.collect()
    gc.freeze()  # so that collecting does not touch, and thereby copy, what workers share
    return application


def loader(parent: int, address: tuple[str, int], application: Any) -> Callable[[], Any]:
    """Return what a worker calls to get the application, which was loaded before the fork."""

    def load() -> Any:
        processes.die_with(parent)
        signal.signal(STOP_ACCEPTING, lambda *_: stop_accepting(address))
        return application

    return load


def stop_accepting(address: tuple[str, int]) -> None:
    """Let this process accept no more at an address, and leave the queue to other processes.

    The listening socket is shared, so it must not be closed for all. In this process alone a
    socket that nobody ever connects to takes its place.
    """
    nobody = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    nobody.bind("")
    nobody.listen(1)
    nobody.settimeout(0)
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as found:
            listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and found.getsockname()[:2] == address:
                os.dup2(nobody.fileno(), descriptor)
    nobody.close()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="zcc.runtime.listener", description="The web server.")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="home of this server's agent")
    told = parser.parse_args()
    processes.harden()
    os.environ.setdefault("ZCC_SERVER_HOME", str(told.home.absolute()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")
    logging.config.dictConfig(settings.LOGGING)
    current = told.home.absolute() / "security" / "current"
    certificate = first_certificate(told.home.absolute(), current, told.port)
    threads = environment.number("ZCC_WEB_THREADS", 4, least=1, most=64)
    server = Listener(told.address, told.port, certificate)
    gateway = Gateway(load_application(), threads)
    load = loader(os.getpid(), (told.address, told.port), gateway)
    watcher = threading.Thread(target=server.watch, args=(current,), daemon=True)
    server.on_startup(watcher.start)
    server.serve(target_loader=load, wrap_loader=False)


if __name__ == "__main__":
    main()
