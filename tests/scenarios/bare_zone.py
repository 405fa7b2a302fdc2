"""A zone on bare Debian hosts, installed by the commands of the manual and of Add Devices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.harness.debian.hosts import DOMAIN, Host, Network
from tests.harness.visitor import Page, Visitor
from tests.harness.zone import until
from tests.scenarios.production import LATER
from tests.scenarios.running_zone import LOOK
from tests.scenarios.test_add_devices import PAGE as ADD_DEVICES
from tests.scenarios.test_add_devices import POLL, commands
from tests.scenarios.test_production import ADMIN, PASSWORD, QUICK
from tests.support.code_blocks import Block
from wire.messages import MANAGED

CERTIFICATES = "/configuration/certificates/"
CONSOLE, SATELLITE, DEVICE = "ps-01", "as-01", "pc-01"
BROKERS = {"bookworm": "redis-server", "trixie": "valkey-server"}
SERVICES = ("zcc-web", "zcc-worker", "zcc-beat", "zcc-agent")
# The change that an administrator makes: none, because the settings of this host are right.
EDITOR = "printf '#!/bin/sh\\ncat \"$1\"\\n' >/usr/bin/editor; chmod +x /usr/bin/editor"
TOKEN = "setup token"
LINUX = "linux"
PACKAGE_INDEX = "[global]\\nno-index = true\\nfind-links = /dl/wheels\\n"


@dataclass
class BareZone:
    """The hosts of a zone, and its administrator."""

    network: Network
    image: str
    suite: str
    folder: Path
    hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def console(self) -> Host:
        """The Primary Server."""
        return self.hosts[CONSOLE]

    @property
    def url(self) -> str:
        """The URL of the console."""
        return f"https://{self.console.address}:8443"

    def start_host(self, name: str) -> Host:
        """Start a bare Debian."""
        self.hosts[name] = self.network.start(name, self.image)
        return self.hosts[name]

    # The console

    def install_console(self, block: Block, variables: Mapping[str, str] | None = None) -> str:
        """Install the first server with the commands of the page; return what they print."""
        self.console.succeeds(EDITOR)
        script = block.commands.replace("valkey-server", BROKERS[self.suite])
        said = self.console.succeeds(script, variables=variables)
        assert f"ZCC_SERVER_NAME={CONSOLE}" in said, "the editor shows the settings"
        assert f"ZCC_SERVER_ADDRESSES={self.console.address}\n" in said
        until(lambda: TOKEN in self._logs("zcc-web"), "the setup token is shown", 120)
        return said

    def put_package(self, file: Path) -> None:
        """Download a package, which replaces the one that was downloaded before."""
        self.console.succeeds(f"rm -f zcc-console_*.deb; ln -s /dl/{file.name} .")

    def create_zone(self, block: Block) -> Visitor:
        """Create the zone with the commands of the page, and open its setup link."""
        said = self.console.succeeds(block.commands)
        assert "Created zone ACME" in said
        assert "The audit log is intact" in said
        code = re.findall(r"/setup-link/#(\S+)", said)[0]
        until(lambda: self._health() == "ok", "all components are healthy", 180)
        visitor = self.log_in()
        page = visitor.submit(visitor.get("/setup-link/"), {"code": code})
        page = visitor.submit(page, {"new_password": PASSWORD, "again": PASSWORD})
        assert page.path == "/", page.text[:2000]
        self.shell(QUICK)
        return visitor

    def log_in(self, password: str = "") -> Visitor:
        """Return a browser session that trusts the roots of the zone."""
        trusted = self.folder / "trusted.pem"
        path = "/var/lib/zcc/server/security/current/ca.pem"
        trusted.write_text(self.console.succeeds(f"cat {path}"))
        visitor = Visitor(self.url, trusted)
        if password:
            visitor.log_in(ADMIN, password)
        return visitor

    def shell(self, code: str) -> str:
        """Run a piece of the code of the console on its server."""
        return self.console.succeeds('zcc-manage shell --verbosity 0 -c "$(cat)"', given=code)

    def is_well(self) -> None:
        """Check that all services run and that no unit of systemd is failed."""
        until(lambda: self._health() == "ok", "all components are healthy", 180)
        active = self.console.succeeds(f"systemctl is-active {' '.join(SERVICES)}").split()
        assert active == ["active"] * len(SERVICES)
        for host in self.hosts.values():
            assert host.failed_units() == "", host.name

    def _health(self) -> str:
        shown = self.console.run(f"curl -sk {self.url}/healthz").stdout
        return str(json.loads(shown)["status"]) if shown.startswith("{") else shown

    def _logs(self, unit: str) -> str:
        return self.console.succeeds(f"journalctl --no-pager --unit {unit}")

    # Devices

    def add_device(self, visitor: Visitor, name: str, role: str, system: str) -> None:
        """Install and register an agent with the commands that Add Devices shows."""
        host = self.start_host(name)
        form = {"label": name, "role": role, "uses": "1", "days": "1"}
        if role != MANAGED:
            form |= {"approves": "on", "domains": DOMAIN, "networks": f"{self.network.base}.0/24"}
        page = visitor.post(
            f"{ADD_DEVICES}?role={role}&system={system}", form | {"password": PASSWORD}
        )
        assert page.status == 201, page.text[:2000]
        if system == LINUX and role != MANAGED:
            assert "python3-venv" in page.text
            host.succeeds("apt-get install python3-venv")
            host.succeeds(f"printf '{PACKAGE_INDEX}' >/etc/pip.conf")
        for block in commands(page.text):
            named = block.replace("FQDN", host.fqdn).replace("IP_ADDRESS", host.address)
            host.succeeds(named)
        until(lambda: _is_in_contact(visitor.get(POLL), name), f"{name} is in contact", 120)

    # Operations

    def start_remint(self, visitor: Visitor, name: str) -> None:
        """Start a Remint CA in its dialog, an hour from now."""
        place = f"{CERTIFICATES}remint-ca/"
        time = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M}"
        changes = {"confirm": "on", "common_name": name, "activates_at": time, "password": PASSWORD}
        done = visitor.submit(visitor.get(place), changes, action=place)
        assert done.status < 300, done.text[:2000]

    def look(self) -> dict[str, Any]:
        """Return the newest operation. Devices are named after their hosts, without the domain."""
        seen: dict[str, Any] = json.loads(self.shell(LOOK).splitlines()[-1])
        states = seen.get("assigned", {})
        seen["assigned"] = {name.removesuffix(f".{DOMAIN}"): one for name, one in states.items()}
        return seen

    def all_apply(self) -> None:
        """Wait until every host trusts the new root and has a new certificate."""

        def applied() -> bool:
            states = self.look().get("assigned", {})
            return states.keys() == self.hosts.keys() and set(states.values()) == {"applied"}

        until(applied, "all hosts have applied the update", 300)

    def completes(self) -> dict[str, Any]:
        """Activate the operation soon, and wait until it is completed on every host."""
        self.shell(LATER.format(always=True))
        until(lambda: self.look()["state"] == "completed", "the operation is completed", 400)
        seen = self.look()
        assert seen["assigned"] == dict.fromkeys(self.hosts, "activated")
        return seen


def _is_in_contact(page: Page, name: str) -> bool:
    rows = [row for row in page.text.split("<tr>") if name in row]
    return any("In contact" in row for row in rows)
