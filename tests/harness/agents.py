"""Satellites and devices of an installation: agents in folders and with addresses of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from tests.harness.evidence import contacts
from tests.harness.installation import keep
from tests.harness.places import free_port
from wire.messages import CERTIFIED_ROLES, MANAGED
from zcc.runtime.components import BASE_DIR

KEY = """
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import key_limits, keys
public_key = zone_keys.get_public_key(Zone.objects.get_zone())
domains = () if {role!r} == "managed" else ("acme.example",)
limits = key_limits.KeyLimits(domains, ({network!r},))
print(keys.create_registration_key(
    public_key, label={name!r}, role={role!r}, uses=1, approves=True, expires_at=None,
    limits=limits))
"""


class Console(Protocol):
    """A Primary Server at which an agent can register."""

    @property
    def url(self) -> str: ...

    def shell(self, code: str) -> str: ...


class Agent:
    """A satellite or managed device that registers at one Primary Server."""

    def __init__(self, folder: Path, name: str, address: str, *, role: str = MANAGED) -> None:
        self.name, self.address, self.role = name, address, role
        self.place = folder / "agents"
        self.home = self.place / name
        self.log = folder / f"{name}.agent.log"

    def join(
        self, server: Console, stack: ExitStack, *, parent: str = "", network: str = "127.0.0.0/8"
    ) -> None:
        """Register at a server, and start."""
        self.home.mkdir(parents=True, exist_ok=True)
        facts = ["--name", self.name, "--fqdn", f"{self.name}.acme.example"]
        facts += ["--address", self.address, "--role", self.role]
        if self.role != MANAGED:
            facts += ["--content-port", str(free_port(self.address))]
        if self.role in CERTIFIED_ROLES:
            facts += ["--port", str(free_port(self.address))]
        if parent:
            facts += ["--parent", parent]
        zac = [sys.executable, "-m", "zac", "--home", str(self.home)]
        code = KEY.format(name=self.name, role=self.role, network=network)
        key = server.shell(code).strip()
        done = subprocess.run(
            [*zac, "reg", server.url, "--key", "-", *facts],
            input=key,
            cwd=BASE_DIR,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        keep(stack, [*zac, "run"], self.log, env=dict(os.environ), cwd=BASE_DIR)

    def is_in_contact(self, since: float, server: str = "") -> bool:
        """Return True if it has made a verified contact after a time, with any or one server."""
        return any(
            one.ok and one.t > since and server in ("", one.server)
            for one in contacts(self.place.parent)
            if one.host == self.name
        )
