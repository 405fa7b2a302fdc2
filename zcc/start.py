"""One part of a Primary Server in production: `python -m zcc.start web|worker|beat|agent|join`.

What it needs to know is in the environment (docs/deployment.md). Worker and agent wait until this
host belongs to a zone; the web process offers to found one.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from faults import Fault
from wire.messages import PRIMARY
from zcc.runtime import agent as runtime_agent
from zcc.runtime import environment, parts, processes
from zcc.runtime.parts import BASE_DIR

log = logging.getLogger("zcc.start")
LOOK_SECONDS = 1.0


def web() -> list[str]:
    """Serve web pages and calls at the port of this server."""
    address = environment.text("ZCC_LISTEN_ADDRESS", environment.EVERYWHERE)
    return parts.web(address, _port("ZCC_PORT", 8443), home())


def worker() -> list[str]:
    """Do the work of the shared queue and of the one of this server, once it belongs to a zone."""
    runtime_agent.keep(home())
    _await_identity()
    concurrency = environment.number("ZCC_WORKER_CONCURRENCY", 2, least=1, most=64)
    return parts.worker(home(), _name(), concurrency)


def beat() -> list[str]:
    """Start a sweep every few seconds; any number of these may run."""
    return parts.beat()


def agent() -> list[str]:
    """Run the agent of this host, once it belongs to a zone."""
    _await_identity()
    return parts.agent(home())


def join(url: str) -> list[str]:
    """Ask an existing zone to take this host in as a Primary Server; the key comes from stdin."""
    said = ["register", url, "--key", "-", "--role", PRIMARY, "--name", _name()]
    said += ["--fqdn", environment.text("ZCC_SERVER_FQDN")]
    for address in environment.items("ZCC_SERVER_ADDRESSES"):
        said += ["--address", address]
    ports = (("port", 8443), ("content-port", 8080), ("rehearsal-port", 8444))
    for option, usual in ports:
        name = f"ZCC_{option.replace('-', '_').upper()}"
        said += [f"--{option}", str(_port(name, usual))]
    return parts.agent(home(), *said)


PARTS: dict[str, Callable[[], list[str]]] = {
    "web": web,
    "worker": worker,
    "beat": beat,
    "agent": agent,
}


def home() -> Path:
    """Return the home of this server's agent."""
    folder = environment.text("ZCC_SERVER_HOME")
    if not folder:
        raise ImproperlyConfigured("ZCC_SERVER_HOME must name the home of this server's agent.")
    return Path(folder).absolute()


def _port(name: str, usual: int) -> int:
    return environment.number(name, usual, least=1, most=65535)


def _name() -> str:
    return environment.text("ZCC_SERVER_NAME") or socket.gethostname().partition(".")[0]


def _await_identity() -> None:
    said = False
    while not (home() / "device.json").exists():
        if not said:
            log.info("waiting until this host belongs to a zone (%s)", home())
            said = True
        time.sleep(LOOK_SECONDS)


def main() -> None:
    """Become the part that is asked for."""
    parser = argparse.ArgumentParser(prog="zcc.start", description="A part of a Primary Server.")
    parser.add_argument("part", choices=[*PARTS, "join"])
    parser.add_argument("url", nargs="?", default="", help="with join: a server of the zone")
    told = parser.parse_args()
    if (told.part == "join") != bool(told.url):
        parser.error("join, and only join, takes the URL of a server")
    processes.harden()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.chdir(BASE_DIR)
    try:
        line = join(told.url) if told.part == "join" else PARTS[told.part]()
    except (ImproperlyConfigured, Fault) as error:
        sys.exit(f"zcc.start: {error}")
    os.execv(line[0], line)  # noqa: S606 - our own programs, the line is a list


if __name__ == "__main__":
    main()
