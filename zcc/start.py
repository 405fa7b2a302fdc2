"""Run one component of a Primary Server: `python -m zcc.start web|worker|beat|agent`.

The settings are environment variables (docs/deployment.md). Worker and agent start when this host
has joined a zone. The web process can create one. `migrate` applies the migrations of the database,
and the components that use the database wait for it. `join URL` registers this host in a zone.
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

import django
from django.core.exceptions import ImproperlyConfigured

from console.requests import logs
from faults import Fault
from wire.messages import PRIMARY
from zcc.installation import database
from zcc.runtime import agent as runtime_agent
from zcc.runtime import components, environment, processes
from zcc.runtime.components import BASE_DIR

log = logging.getLogger("zcc.start")
POLL_SECONDS = 1.0


def web() -> list[str]:
    """Return the command line of the web server."""
    address = environment.text("ZCC_LISTEN_ADDRESS", environment.ALL_ADDRESSES)
    return components.web(address, environment.ports()["port"], get_server_home())


def worker() -> list[str]:
    """Return the command line of the worker when this host has joined a zone."""
    runtime_agent.create_ca_vault_key(get_server_home())
    _wait_for_registration()
    concurrency = environment.number("ZCC_WORKER_CONCURRENCY", 2, minimum=1, maximum=64)
    return components.worker(get_server_home(), _get_server_name(), concurrency)


def beat() -> list[str]:
    """Return the command line of the scheduler. Several servers can run it."""
    return components.beat()


def agent() -> list[str]:
    """Return the command line of the agent when this host has joined a zone."""
    _wait_for_registration()
    return components.agent(get_server_home())


def migrate() -> list[str]:
    """Return the command line that applies migrations, when the database responds."""
    _set_up_django()
    database.wait_for_database()
    return [sys.executable, str(BASE_DIR / "manage.py"), "migrate", "--noinput"]


def join(url: str) -> list[str]:
    """Return the command line that registers a Primary Server. It reads the key from stdin."""
    arguments = ["register", url, "--key", "-", "--role", PRIMARY, "--name", _get_server_name()]
    arguments += ["--fqdn", environment.text("ZCC_SERVER_FQDN")]
    for address in environment.items("ZCC_SERVER_ADDRESSES"):
        arguments += ["--address", address]
    for option, port in environment.ports().items():
        arguments += [f"--{option.replace('_', '-')}", str(port)]
    return components.agent(get_server_home(), *arguments)


COMPONENTS: dict[str, Callable[[], list[str]]] = {
    "web": web,
    "worker": worker,
    "beat": beat,
    "agent": agent,
    "migrate": migrate,
}
# Components that start when the migrations have been applied.
USE_DATABASE = ("web", "worker", "beat")


def get_server_home() -> Path:
    """Return the data directory of this server's agent."""
    folder = environment.text("ZCC_SERVER_HOME")
    if not folder:
        raise ImproperlyConfigured(
            "ZCC_SERVER_HOME must be set to the data directory of this server's agent."
        )
    return Path(folder).absolute()


def _get_server_name() -> str:
    return environment.text("ZCC_SERVER_NAME") or socket.gethostname().partition(".")[0]


def _wait_for_registration() -> None:
    is_logged = False
    while not (get_server_home() / "device.json").exists():
        if not is_logged:
            log.info("waiting for this host to join a zone (%s)", get_server_home())
            is_logged = True
        time.sleep(POLL_SECONDS)


def _configure_logging(part: str) -> None:
    """Set format and component of the log lines, also for the process that replaces this one."""
    kind = environment.log_format()
    logs.configure(kind, part)
    os.environ |= {"ZCC_LOG_FORMAT": kind, environment.PART: part}


def _set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")
    django.setup()


def main() -> None:
    """Replace this process with the requested component."""
    parser = argparse.ArgumentParser(
        prog="zcc.start", description="Run a component of a Primary Server."
    )
    parser.add_argument("component", choices=[*COMPONENTS, "join"])
    parser.add_argument("url", nargs="?", default="", help="with join: URL of a server in the zone")
    args = parser.parse_args()
    if (args.component == "join") != bool(args.url):
        parser.error("a server URL is required with join and not allowed with other components")
    processes.harden()
    os.chdir(BASE_DIR)
    try:
        _configure_logging(args.component)
        command = join(args.url) if args.component == "join" else COMPONENTS[args.component]()
        if args.component in USE_DATABASE:
            _set_up_django()
            database.wait_for_migrations()
    except (ImproperlyConfigured, Fault) as error:
        log.error("%s", error)  # noqa: TRY400 - not a bug
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - our own programs, as a list


if __name__ == "__main__":
    main()
