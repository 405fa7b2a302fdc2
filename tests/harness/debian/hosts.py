"""Hosts that run a bare Debian, and the network between them and this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.harness.containers.engine import Engine
from tests.harness.zone import until

DOMAIN = "example.com"
# The networks of all scenarios.
NETWORKS = "10.213.0.0/16"
WORKPLACE = "/srv"
# An administrator would confirm what apt-get installs. Not every kernel offers user namespaces,
# which units of Debian use.
PREPARE = """
systemctl is-system-running --wait >/dev/null || true
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/90yes
for broker in redis valkey; do
    mkdir -p /etc/systemd/system/$broker-server.service.d
    printf '[Service]\\nPrivateUsers=no\\n' >/etc/systemd/system/$broker-server.service.d/test.conf
done
systemctl daemon-reload
"""


class Host:
    """A running container with systemd. Its directory /dl is a folder of this machine."""

    def __init__(self, engine: Engine, container: str, name: str, address: str) -> None:
        self._engine, self._container = engine, container
        self.name, self.address, self.fqdn = name, address, f"{name}.{DOMAIN}"

    def run(
        self,
        script: str,
        *,
        seconds: float = 900,
        given: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as root in an empty directory, as an administrator enters it."""
        options = ["--interactive", "--workdir", WORKPLACE]
        for name, value in {"DEBIAN_FRONTEND": "noninteractive", **(variables or {})}.items():
            options += ["--env", f"{name}={value}"]
        return subprocess.run(
            ["podman", "exec", *options, self._container, "bash", "-e", "-c", script],
            env=self._engine.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def succeeds(
        self, script: str, *, given: str = "", variables: Mapping[str, str] | None = None
    ) -> str:
        """Run a script that must succeed; return its output."""
        done = self.run(script, given=given, variables=variables)
        assert done.returncode == 0, f"{self.name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def failed_units(self) -> str:
        """Return the names of units that are failed."""
        return self.succeeds("systemctl list-units --failed --plain --no-legend").strip()


class Network:
    """A bridge of this machine. Its hosts reach each other and this machine, and nothing else."""

    def __init__(self, engine: Engine, base: str, bridge: str, folder: Path) -> None:
        self._engine, self._bridge, self._folder = engine, bridge, folder
        self.base = base
        self._addresses: dict[str, str] = {}
        self._containers: list[str] = []

    def reserve(self, *names: str) -> None:
        """Give addresses to the hosts that will be started. All hosts can resolve their names."""
        for name in names:
            self._addresses[name] = f"{self.base}.{11 + len(self._addresses)}"

    def start(self, name: str, image: str) -> Host:
        """Start a host. It is deleted together with the network."""
        container = f"{self._bridge}-{name}"
        options = ["--name", container, "--hostname", f"{name}.{DOMAIN}", "--network", "none"]
        for other, address in self._addresses.items():
            options += ["--add-host", f"{other}.{DOMAIN}:{address}"]
        options += ["--volume", f"{self._folder}:/dl:ro", "--systemd=always"]
        # What systemd needs for the restrictions of the units, and nsenter to look at them.
        options += ["--cap-add", "SYS_ADMIN,SYS_PTRACE", "--security-opt", "seccomp=unconfined"]
        self._containers.append(container)
        self._engine.run("run", "--detach", *options, image, "/sbin/init", seconds=120)
        self._connect(container, self._addresses[name])
        host = Host(self._engine, container, name, self._addresses[name])
        until(lambda: host.run("systemctl list-units").returncode == 0, "systemd is running")
        host.succeeds(PREPARE)
        return host

    def _connect(self, container: str, address: str) -> None:
        pid = str(self._engine.inspect(container)["State"]["Pid"])
        cable = f"zcv{pid}"
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", pid)
        _ip("link", "set", cable, "master", self._bridge, "up")
        inside = ("nsenter", "--target", pid, "--net", "ip")
        for arguments in (("address", "add", f"{address}/24"), ("link", "set", "up")):
            subprocess.run([*inside, *arguments, "dev", "eth0"], check=True)

    def close(self) -> None:
        """Delete the hosts and the bridge."""
        for container in self._containers:
            self._engine.succeeds("rm", "--force", "--time", "1", "--volumes", container)
        _ip("link", "delete", self._bridge)


@contextmanager
def private_network(engine: Engine, folder: Path) -> Iterator[Network]:
    """Create a network that no other test uses. Its hosts can read a folder as /dl."""
    bridge = f"zcc{os.getpid()}"
    _ip("link", "add", "name", bridge, "type", "bridge")
    base = f"10.213.{os.getpid() % 254 + 1}"
    network = Network(engine, base, bridge, folder)
    try:
        _ip("address", "add", f"{base}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        yield network
    finally:
        network.close()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10)
