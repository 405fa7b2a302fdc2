"""Check a component: `python -m zcc.runtime.probe web|worker|beat|agent`; exit code 0 if healthy.

For health checks of containers and services. A part that rightly waits for a zone is well.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import socket
import ssl
import sys
from collections.abc import Callable

import django
from django.utils import timezone

from zcc import start
from zcc.runtime import environment

ANSWER_SECONDS = 8.0


def web() -> str:
    """Ask /healthz; returns why it is not well, "" if it is."""
    address = environment.text("ZCC_LISTEN_ADDRESS", "127.0.0.1")
    address = "127.0.0.1" if address == environment.EVERYWHERE else address
    port = environment.number("ZCC_PORT", 8443, least=1, most=65535)
    # It asks the process beside it: whose certificate that is does not matter here.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    line = http.client.HTTPSConnection(address, port, timeout=ANSWER_SECONDS, context=context)
    try:
        line.request("GET", "/healthz")
        answer = line.getresponse()
        told = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer at {address}:{port}: {error}"
    return "" if answer.status == http.HTTPStatus.OK else json.dumps(told)


def worker() -> str:
    """Ask the worker of this host itself, by way of the broker."""
    if not _belongs():
        return ""
    from zcc.celery import app  # noqa: PLC0415 - only this part needs the queue

    name = environment.text("ZCC_SERVER_NAME") or socket.gethostname().partition(".")[0]
    try:
        answers = app.control.ping(destination=[f"worker@{name}"], timeout=ANSWER_SECONDS / 2)
    except OSError as error:
        return f"the broker does not answer: {error}"
    return "" if answers else f"worker@{name} does not answer"


def beat() -> str:
    """Look when the last sweep ran; that needs a worker, too, and says so."""
    django.setup()
    from certificates.monitoring import health  # noqa: PLC0415 - needs the settings
    from devices.models import Zone  # noqa: PLC0415 - as above

    if Zone.objects.exists() and health.is_sweep_missed(timezone.now()):
        return "no sweep was done lately: beat or every worker stands still"
    return ""


def agent() -> str:
    """Look whether the agent holds its lock."""
    if not _belongs():
        return ""
    try:
        with (start.home() / "run.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ""
    except OSError as error:
        return f"its lock cannot be read: {error}"
    return "no agent runs in this home"


def _belongs() -> bool:
    return (start.home() / "device.json").exists()


PROBES: dict[str, Callable[[], str]] = {
    "web": web,
    "worker": worker,
    "beat": beat,
    "agent": agent,
}


def main() -> int:
    """Print why a part is not well; returns the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")
    probe = PROBES.get(" ".join(sys.argv[1:]))
    if probe is None:
        sys.stderr.write(f"usage: zcc.runtime.probe {'|'.join(PROBES)}\n")
        return 2
    why = probe()
    if why:
        sys.stderr.write(f"{why}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
