"""A real zone for a test: the launcher with all processes, in its own folder and network.

with running_zone(tmp_path, devices=3) as zone:
    zone.visitor().get("/")
    zone.kill("ps-01.worker")
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.harness import evidence
from tests.harness.places import loopback_network
from tests.harness.visitor import Visitor
from zcc.runtime import processes
from zcc.runtime.components import BASE_DIR
from zcc.runtime.layout import Host, Layout

UP_SECONDS = 180.0
UP_SECONDS_EACH = 1.0
DOWN_SECONDS = 20.0
READY = "ZCC is ready at "


def until(there: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until a condition is true; fail with its name after the timeout."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


class Zone:
    """One ZCC_HOME and, while it runs, its launcher."""

    def __init__(self, home: Path, plan: Layout, environment: dict[str, str]) -> None:
        self.home = home
        self.plan = plan
        self.code, self.launcher_module = BASE_DIR, "zcc.runtime.launcher"
        self._environment = environment
        self._launcher: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()

    # Up and down

    def start(self) -> None:
        """Start the launcher and wait until the zone is ready."""
        self.launch()
        seconds = UP_SECONDS + UP_SECONDS_EACH * len(self.hosts())
        until(self._is_ready, f"the zone is ready\n{self.said()}", seconds)

    def launch(self) -> None:
        """Start the launcher without waiting."""
        self._output.unlink(missing_ok=True)
        wanted = {
            "ZCC_HOME": str(self.home),
            "ZCC_ADDRESS_BASE": self.plan.base,
            "ZCC_PORT": str(self.plan.port),
            "ZCC_CONTENT_PORT": str(self.plan.content_port),
            "ZCC_PRIMARIES": str(self.plan.primaries),
            "ZCC_SATELLITES": str(self.plan.satellites),
            "ZCC_DEVICES": str(self.plan.devices),
        }
        usual = {name: value for name, value in os.environ.items() if name != "ZCC_TEST_DATABASE"}
        usual.pop("DJANGO_SETTINGS_MODULE", None)
        with self._output.open("ab") as output:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", self.launcher_module],
                env={**usual, **wanted, **self._environment},
                cwd=self.code,
                stdout=output,
                stderr=output,
                preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
            )

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """End the launcher as Ctrl-C does; returns its exit code."""
        assert self._launcher is not None
        self._note_processes()
        self._launcher.send_signal(number)
        return self._launcher.wait(DOWN_SECONDS)

    def close(self) -> None:
        """End it whatever happened before."""
        if self._launcher is None or self._launcher.poll() is not None:
            return
        try:
            self.interrupt(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self._launcher.kill()
            self._launcher.wait()

    def survivors(self) -> list[psutil.Process]:
        """Return processes of this zone that still run."""
        return [one for one in self._seen if one.is_running() and one.status() != "zombie"]

    def said(self) -> str:
        """Return what the launcher printed."""
        return self._output.read_text() if self._output.exists() else ""

    # Parts

    def hosts(self, role: str = "") -> list[Host]:
        """Return the hosts of the zone, or those of one role."""
        return [host for host in self.plan.hosts(self.home) if role in ("", host.role)]

    def pids(self) -> dict[str, int]:
        """Return the process id of each part, such as broker, beat, ps-01.web, device-01.agent."""
        return dict(json.loads((self.home / "processes.json").read_text()))

    def kill(self, name: str) -> None:
        """Kill a part (SIGKILL); the launcher starts it again."""
        os.kill(self.pids()[name], signal.SIGKILL)

    def kill_and_wait(self, name: str) -> None:
        """Kill a part and wait until the launcher has started it again."""
        before = self.pids()[name]
        self.kill(name)
        until(lambda: self.pids().get(name, before) != before, f"{name} runs again")

    def take_down(self, name: str) -> None:
        """Kill a part and keep it down until `bring_back`."""
        (self.home / "hold").mkdir(exist_ok=True)
        (self.home / "hold" / name).touch()
        self.kill(name)
        until(lambda: name not in self.pids(), f"{name} is down")

    def bring_back(self, name: str) -> None:
        """Let the launcher start a part again."""
        (self.home / "hold" / name).unlink()
        until(lambda: name in self.pids(), f"{name} runs again")

    def stop(self, name: str) -> None:
        """Freeze a part with its children (SIGSTOP)."""
        self._signal(name, signal.SIGSTOP)

    def cont(self, name: str) -> None:
        """Let a frozen part go on (SIGCONT)."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: int) -> None:
        main = psutil.Process(self.pids()[name])
        for one in (main, *main.children(recursive=True)):
            one.send_signal(number)

    def zac(self, host: Host, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of a host's agent."""
        command = [sys.executable, "-m", "zac", "--home", str(host.home), *arguments]
        return subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=False)

    # What can be seen

    @property
    def access(self) -> dict[str, str]:
        """Where and how to log in."""
        return dict(json.loads((self.home / "access.json").read_text()))

    def visitor(self, url: str = "") -> Visitor:
        """Return an administrator who has logged in, at the first server or at another one."""
        access = self.access
        visitor = Visitor(url or access["url"], Path(access["ca_file"]))
        visitor.log_in(access["username"], access["password"])
        return visitor

    def contacts(self) -> list[evidence.Contact]:
        """Return every contact that any agent has noted."""
        return evidence.contacts(self.home)

    def log(self, name: str) -> str:
        """Return what a part has printed since the last start."""
        return (self.home / "logs" / f"{name}.log").read_text(errors="replace")

    def memory(self) -> dict[str, float]:
        """Return the memory of each part with its children, in MB (PSS)."""
        return {name: _memory(pid) for name, pid in self.pids().items()}

    @property
    def _output(self) -> Path:
        return self.home.with_name(self.home.name + ".launcher.log")

    def _is_ready(self) -> bool:
        assert self._launcher is not None
        assert self._launcher.poll() is None, f"the launcher has ended:\n{self.said()}"
        return READY in self.said()

    def _note_processes(self) -> None:
        assert self._launcher is not None
        main = psutil.Process(self._launcher.pid)
        self._seen |= {main, *main.children(recursive=True)}


def _memory(pid: int) -> float:
    main = psutil.Process(pid)
    found = (main, *main.children(recursive=True))
    return float(sum(one.memory_full_info().pss for one in found)) / 2**20


@contextmanager
def zone_in(
    folder: Path,
    *,
    devices: int = 3,
    primaries: int = 2,
    satellites: int = 2,
    environment: dict[str, str] | None = None,
) -> Iterator[Zone]:
    """Yield a zone that is not started yet; stop it at the end."""
    with loopback_network() as base:
        plan = Layout(base=base, devices=devices, primaries=primaries, satellites=satellites)
        zone = Zone(folder / "zcc", plan, environment or {})
        try:
            yield zone
        finally:
            zone.close()


@contextmanager
def running_zone(folder: Path, **plan: Any) -> Iterator[Zone]:
    """Yield a running zone. The plan is that of zone_in."""
    with zone_in(folder, **plan) as zone:
        zone.start()
        yield zone
