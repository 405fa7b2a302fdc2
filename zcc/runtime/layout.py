"""The hosts of a demo zone: names, addresses, ports, and data directories."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from faults import Invalid, Refused
from wire.messages import AUTHENTICATION_SATELLITE, CONTENT_SATELLITE, MANAGED, PRIMARY
from zcc.runtime import environment as env

FIRST_PRIMARY, FIRST_SATELLITE, FIRST_DEVICE = 11, 31, 51
DOMAIN = "demo.zcc.example"
FILE = "layout.json"


@dataclass(frozen=True)
class Host:
    """A host of the zone with its own agent."""

    name: str
    role: str
    address: str
    home: Path
    parent: str = ""
    port: int = 0
    content_port: int = 0
    preflight_port: int = 0

    @property
    def fqdn(self) -> str:
        """The DNS name in its certificate."""
        return f"{self.name}.{DOMAIN}"

    @property
    def url(self) -> str:
        """The URL of its web server."""
        return f"https://{self.address}:{self.port}"

    @property
    def is_registered(self) -> bool:
        """True if its agent has registered."""
        return (self.home / "device.json").exists()

    def ports(self) -> list[int]:
        """Return the ports on which it listens."""
        return [port for port in (self.port, self.content_port, self.preflight_port) if port]

    def arguments(self) -> list[str]:
        """Return the command-line arguments that describe it."""
        arguments = ["--name", self.name, "--fqdn", self.fqdn, "--address", self.address]
        for option in ("port", "content_port", "preflight_port"):
            if getattr(self, option):
                arguments += [f"--{option.replace('_', '-')}", str(getattr(self, option))]
        return arguments


@dataclass(frozen=True)
class Layout:
    """The size of a demo zone and its addresses on the loopback network."""

    base: str = "127.0.0"
    port: int = 8443
    content_port: int = 8080
    primaries: int = 2
    satellites: int = 2
    devices: int = 10

    def hosts(self, home: Path) -> list[Host]:
        """Return every host: Primary Servers first, then satellites, then managed devices."""
        return [*self._primaries(home), *self._satellites(home), *self._devices(home)]

    def _primaries(self, home: Path) -> list[Host]:
        return [
            Host(
                name=f"ps-{number + 1:02}",
                role=PRIMARY,
                address=f"{self.base}.{FIRST_PRIMARY + number}",
                home=home / "servers" / f"ps-{number + 1:02}",
                port=self.port,
                content_port=self.content_port,
                preflight_port=self.port + 1,
            )
            for number in range(self.primaries)
        ]

    def _satellites(self, home: Path) -> list[Host]:
        return [self._satellite(home, number) for number in range(self.satellites)]

    def _satellite(self, home: Path, number: int) -> Host:
        # Authentication and Content satellites alternate.
        authenticates = number % 2 == 0
        name = f"{'as' if authenticates else 'cs'}-{number // 2 + 1:02}"
        return Host(
            name=name,
            role=AUTHENTICATION_SATELLITE if authenticates else CONTENT_SATELLITE,
            address=f"{self.base}.{FIRST_SATELLITE + number}",
            home=home / "satellites" / name,
            parent="ps-01",
            port=self.port if authenticates else 0,
            content_port=0 if authenticates else self.content_port,
            preflight_port=self.port + 1 if authenticates else 0,
        )

    def _devices(self, home: Path) -> list[Host]:
        parents = [f"cs-{number + 1:02}" for number in range(self.satellites // 2)]
        return [
            Host(
                name=f"device-{number + 1:02}",
                role=MANAGED,
                address=f"{self.base}.{FIRST_DEVICE + number}",
                home=home / "devices" / f"device-{number + 1:02}",
                parent=parents[number % len(parents)] if parents else "",
            )
            for number in range(self.devices)
        ]


def get_layout(home: Path) -> Layout:
    """Return the layout from the environment, or else of an earlier start.

    Raises a fault if the addresses or ports differ from those of an earlier start, because the
    certificates are issued for them.
    """
    path = home / FILE
    earlier = Layout(**json.loads(path.read_text())) if path.exists() else None
    requested = _read_environment(earlier or Layout())
    if (
        earlier is not None
        and replace(
            earlier,
            primaries=requested.primaries,
            satellites=requested.satellites,
            devices=requested.devices,
        )
        != requested
    ):
        raise Refused(
            f"The zone in {home} was created for {earlier.base}.* with port "
            f"{earlier.port} and content port {earlier.content_port}. Its "
            "certificates are valid only for these addresses. Nothing was "
            "started.",
            action=(
                "Start the zone with its original settings, or set ZCC_HOME "
                "to a different directory to create another zone."
            ),
        )
    return requested


def save_layout(home: Path, layout: Layout) -> None:
    """Save the layout for the next start."""
    new = home / f"{FILE}.new"
    new.write_text(json.dumps(asdict(layout), indent=2))
    new.replace(home / FILE)


def _read_environment(default: Layout) -> Layout:
    return Layout(
        base=_check_address_base(os.environ.get("ZCC_ADDRESS_BASE") or default.base),
        port=env.number("ZCC_PORT", default.port, minimum=1, maximum=65534),
        content_port=env.number("ZCC_CONTENT_PORT", default.content_port, minimum=1, maximum=65535),
        primaries=env.number("ZCC_PRIMARIES", default.primaries, minimum=1, maximum=20),
        satellites=env.number("ZCC_SATELLITES", default.satellites, minimum=0, maximum=20),
        devices=env.number("ZCC_DEVICES", default.devices, minimum=0, maximum=200),
    )


def _check_address_base(text: str) -> str:
    if not re.fullmatch(r"127(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){2}", text):
        raise Invalid(
            f"{text} is not a valid value for ZCC_ADDRESS_BASE. Nothing was started.",
            action=("Enter the first three octets of a loopback network, for example 127.0.0."),
        )
    return text
