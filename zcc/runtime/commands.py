"""The command lines of the parts of a Primary Server: the same ones everywhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def web(address: str, port: int, home: Path) -> list[str]:
    """Serve web pages and calls; it waits for the first certificate, or offers to found a zone."""
    place = ["--address", address, "--port", str(port), "--home", str(home)]
    return [sys.executable, "-m", "zcc.runtime.listener", *place]


def worker(home: Path, name: str, concurrency: int) -> list[str]:
    """Do the work of the shared queue and of the one of this Primary Server."""
    guid = json.loads((home / "device.json").read_text())["id"]
    queues = ["-Q", f"shared,server.{guid}", "-n", f"worker@{name}"]
    size = ["--pool", "prefork", "--concurrency", str(concurrency)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [*_celery("worker"), *queues, *size, *quiet]


def beat() -> list[str]:
    """Start a sweep every few seconds; it keeps no file that a kill could damage."""
    return [*_celery("beat"), "-S", "celery.beat:Scheduler", "--pidfile="]


def agent(home: Path, *command: str) -> list[str]:
    """Run the agent of a host, or one of its commands."""
    return [sys.executable, "-m", "zac", "--home", str(home), *(command or ("run",))]


def _celery(command: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "zcc", command]
