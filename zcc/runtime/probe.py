"""Check a component: `python -m zcc.runtime.probe web|worker|beat|agent`; exit code 0 if healthy.

For health checks of containers and services. A component is healthy while it is waiting for a zone.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import ssl
import sys
from collections.abc import Callable

import django
from django.utils import timezone

from zcc import start
from zcc.runtime import environment

TIMEOUT_SECONDS = 8.0


def web() -> str:
    """Request /livez. Return the reason if the web server is not healthy, else ""."""
    address = environment.text("ZCC_LISTEN_ADDRESS", "127.0.0.1")
    address = "127.0.0.1" if address == environment.ALL_ADDRESSES else address
    port = environment.ports()["port"]
    # The request goes to a process on this host, so its certificate is not verified.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        address, port, timeout=TIMEOUT_SECONDS, context=context
    )
    try:
        connection.request("GET", "/livez")
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no response from {address}:{port}: {error}"
    return "" if response.status == http.HTTPStatus.OK else text


def worker() -> str:
    """Ping the worker of this host through the broker."""
    if not _is_registered():
        return ""
    from zcc.celery import app  # noqa: PLC0415 - only this component needs the queue

    name = environment.text("ZCC_SERVER_NAME") or socket.gethostname().partition(".")[0]
    try:
        responses = app.control.ping(destination=[f"worker@{name}"], timeout=TIMEOUT_SECONDS / 2)
    except OSError as error:
        return f"the broker is not responding: {error}"
    return "" if responses else f"worker@{name} is not responding"


def beat() -> str:
    """Check when the last periodic task ran, which also requires a worker."""
    django.setup()
    from certificates.monitoring import workers  # noqa: PLC0415 - needs the settings
    from devices.models import Zone  # noqa: PLC0415 - as above

    if Zone.objects.exists() and workers.is_worker_down(timezone.now()):
        return "no recent periodic task: the scheduler or all workers have stopped"
    return ""


def agent() -> str:
    """Check whether the agent holds its lock."""
    if not _is_registered():
        return ""
    try:
        with (start.get_server_home() / "run.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ""
    except OSError as error:
        return f"cannot read the agent's lock file: {error}"
    return "no agent is running in this directory"


def _is_registered() -> bool:
    return (start.get_server_home() / "device.json").exists()


PROBES: dict[str, Callable[[], str]] = {
    "web": web,
    "worker": worker,
    "beat": beat,
    "agent": agent,
}


def main() -> int:
    """Print why a component is not healthy, and return the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")
    probe = PROBES.get(" ".join(sys.argv[1:]))
    if probe is None:
        sys.stderr.write(f"usage: zcc.runtime.probe {'|'.join(PROBES)}\n")
        return 2
    reason = probe()
    if reason:
        sys.stderr.write(f"{reason}\n")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
