"""Who belongs to an embedded zone and where each one lives: names, addresses, ports, homes."""

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
# The Primary Server that the satellites belong to.
FIRST_PARENT = 1
DOMAIN = "demo.zcc.example"
FILE = "layout.json"


@dataclass(frozen=True)
class Host:
    """One host of the zone, with an agent of its own."""

    name: str
    role: str
    address: str
    home: Path
    parent: str = ""
    port: int = 0
    content_port: int = 0
    rehearsal_port: int = 0

    @property
    def fqdn(self) -> str:
        """The name that its certificate carries beside its address."""
        return f"{self.name}.{DOMAIN}"

    @property
    def url(self) -> str:
        """Where its TLS listener answers."""
        return f"https://{self.address}:{self.port}"

    @property
    def joined(self) -> bool:
        """Whether its agent has registered."""
        return (self.home / "device.json").exists()

    def ports(self) -> list[int]:
        """Return the ports it opens at its address."""
        return [port for port in (self.port, self.content_port, self.rehearsal_port) if port]

    def facts(self) -> list[str]:
        """Return what a command must know of it, as arguments."""
        said = ["--name", self.name, "--fqdn", self.fqdn, "--address", self.address]
        for option in ("port", "content_port", "rehearsal_port"):
            if getattr(self, option):
                said += [f"--{option.replace('_', '-')}", str(getattr(self, option))]
        return said


@dataclass(frozen=True)
class Layout:
    """The size of an embedded zone and the addresses it uses on the loopback network."""

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
                rehearsal_port=self.port + 1,
            )
            for number in range(self.primaries)
        ]

    def _satellites(self, home: Path) -> list[Host]:
        return [self._satellite(home, number) for number in range(self.satellites)]

    def _satellite(self, home: Path, number: int) -> Host:
        # Authentication and Content take turns, the first one is for authentication.
        authenticates = number % 2 == 0
        name = f"{'as' if authenticates else 'cs'}-{number // 2 + 1:02}"
        return Host(
            name=name,
            role=AUTHENTICATION_SATELLITE if authenticates else CONTENT_SATELLITE,
            address=f"{self.base}.{FIRST_SATELLITE + number}",
            home=home / "satellites" / name,
            parent=f"ps-{FIRST_PARENT:02}",
            port=self.port if authenticates else 0,
            content_port=0 if authenticates else self.content_port,
            rehearsal_port=self.port + 1 if authenticates else 0,
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


def decide(home: Path) -> Layout:
    """Return the layout that the environment asks for, else the one of an earlier start.

    A zone keeps its addresses and ports, since its certificates name them; raises Refused when
    the environment asks for others.
    """
    path = home / FILE
    earlier = Layout(**json.loads(path.read_text())) if path.exists() else None
    asked = _asked(earlier or Layout())
    if (
        earlier is not None
        and replace(
            earlier, primaries=asked.primaries, satellites=asked.satellites, devices=asked.devices
        )
        != asked
    ):
        raise Refused(
            f"The zone in {home} was made for {earlier.base}.* with port {earlier.port} and"
            f" content port {earlier.content_port}; its certificates name them."
            " Nothing was started.",
            action="Start it as it was made, or choose another ZCC_HOME for another zone.",
        )
    return asked


def keep(home: Path, layout: Layout) -> None:
    """Remember the layout for the next start."""
    new = home / f"{FILE}.new"
    new.write_text(json.dumps(asdict(layout), indent=2))
    new.replace(home / FILE)


def _asked(usual: Layout) -> Layout:
    return Layout(
        base=_base(os.environ.get("ZCC_ADDRESS_BASE") or usual.base),
        port=env.number("ZCC_PORT", usual.port, least=1, most=65534),
        content_port=env.number("ZCC_CONTENT_PORT", usual.content_port, least=1, most=65535),
        primaries=env.number("ZCC_PRIMARIES", usual.primaries, least=1, most=20),
        satellites=env.number("ZCC_SATELLITES", usual.satellites, least=0, most=20),
        devices=env.number("ZCC_DEVICES", usual.devices, least=0, most=200),
    )


def _base(text: str) -> str:
    if not re.fullmatch(r"127(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){2}", text):
        raise Invalid(
            f"ZCC_ADDRESS_BASE is {text!r}. Nothing was started.",
            action="Give the first three numbers of a loopback network, such as 127.0.0.",
        )
    return text
