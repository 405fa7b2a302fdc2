"""An agent of the swarm: its data directory, its registration, and its service."""

from __future__ import annotations

import time
from pathlib import Path

from bench.swarm.calls import Contexts, MeasuredTransport, Record
from bench.swarm.service import NEW, ScheduledService
from faults import Fault
from zac.cli.commands import LOCK_WAIT, MAX_BUSY_SECONDS, MIN_BUSY_SECONDS
from zac.host import files, locks
from zac.host.clock import Clock
from zac.host.home import Home
from zac.host.host import Host
from zac.network.errors import ServerBusy
from zac.registration import registration
from zac.registration.registration import RegistrationOptions
from zac.service import RANDOM

RETRY_SECONDS = 5.0


class Agent:
    """One managed device. It does nothing until it is enrolled, and while it is away."""

    def __init__(self, number: int, folder: Path, contexts: Contexts, record: Record) -> None:
        self.number = number
        self.is_returning = False
        self._home = str(folder / f"{number:06d}")
        self._contexts, self._record = contexts, record
        self._url = self._key = ""
        self._service: ScheduledService | None = None
        self._register_at = time.monotonic()

    @property
    def due(self) -> float:
        """When `run_due` must be called (monotonic clock)."""
        return self._register_at if self._service is None else self._service.due

    @property
    def stage(self) -> str:
        """How far it is: see bench.swarm.service."""
        return NEW if self._service is None else self._service.stage

    @property
    def is_silent(self) -> bool:
        """True if its last refresh failed."""
        return self._service is not None and self._service.is_silent

    def enroll(self, url: str, key: str) -> None:
        """Register at a server as soon as it is scheduled."""
        self._url, self._key = url, key
        self._register_at = time.monotonic()

    def start(self) -> None:
        """Start the service, as after the registration or after a start of the device."""
        self._service = ScheduledService(self._open_host())

    def settle(self) -> None:
        """Move the next refresh to any time in an interval."""
        if self._service is not None:
            self._service.settle()

    def run_due(self) -> None:
        """Register, or do what is due."""
        if self._service is None:
            self._register()
        else:
            self._service.run_due()

    def _register(self) -> None:
        """Register as `zac register` does."""
        files.make_folder(self._home)
        host = self._open_host()
        options = RegistrationOptions(
            url=self._url,
            key=self._key,
            name=get_name(self.number),
            addresses=[get_address(self.number)],
        )
        try:
            with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
                registration.register(host, options)
        except ServerBusy as fault:
            seconds = min(max(fault.retry_after, MIN_BUSY_SECONDS), MAX_BUSY_SECONDS)
            self._register_at = time.monotonic() + seconds * RANDOM.uniform(1.0, 1.5)
        except Fault:
            # The call is in the results. An administrator would repeat the command.
            self._register_at = time.monotonic() + RETRY_SECONDS
        else:
            self.start()

    def _open_host(self) -> Host:
        home = Home(self._home)
        clock = Clock(home.path_to("clock.json"))
        return Host(
            home, clock=clock, transport=MeasuredTransport(clock, self._contexts, self._record)
        )


def get_name(number: int) -> str:
    """Return the name of a device."""
    return f"swarm-{number:06d}"


def get_address(number: int) -> str:
    """Return the IP address that a device reports, another one for each."""
    inner = number + 1
    return f"10.{inner >> 16 & 255}.{inner >> 8 & 255}.{inner & 255}"
