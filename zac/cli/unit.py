"""The systemd unit of the agent. The packages contain the same unit."""

from __future__ import annotations

import argparse
from typing import Sequence

from faults import Fault, Kind
from zac import archive
from zac.cli import exit_codes
from zac.host.home import DEFAULT
from zac.host.host import Host
from zac.updates.repository import SYSTEM_FOLDER

# The agent opens ports of its own and writes only its data directory, and the remint repository,
# from which it deletes the key after the activation. It runs as root because register, update, and
# recover are commands of root on the same files. MemoryDenyWriteExecute is not set: Java, which the
# agent starts to check whether it accepts a new root, cannot run with it.
UNIT = """\
[Unit]
Description=ZENworks agent: trusted roots and certificates of this device
After=network-online.target
Wants=network-online.target
ConditionPathExists=%(home)s/device.json

[Service]
Type=exec
ExecStart=%(program)s --home %(home)s run
Restart=always
RestartSec=5
TimeoutStopSec=15
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ReadWritePaths=%(home)s -%(repository)s
ProtectHome=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


class NotInstalled(Fault):
    """The agent runs from a checkout, so a unit could not start it."""

    kind = Kind.CONFLICT
    action = "Install the agent from a package, or as the zip application zac.pyz."


def build_unit(program: str, home: str = DEFAULT) -> str:
    """Return the unit that runs a program with a data directory."""
    return UNIT % {"program": program, "home": home, "repository": SYSTEM_FOLDER}


def build_drop_in(folders: Sequence[str]) -> str:
    """Return the part of the unit that lets the service write to further folders.

    A folder that does not exist is ignored. On Red Hat systems, folders of the trust store have no
    write permission, which only this capability overrides for root.
    """
    paths = " ".join("-" + folder for folder in folders)
    return "[Service]\nReadWritePaths=%s\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\n" % paths


def print_unit(host: Host, _args: argparse.Namespace) -> int:
    """Print the unit of the zip application that runs."""
    path = archive.find_path()
    if not path:
        raise NotInstalled("This agent is not a zip application. No unit was printed.")
    print(build_unit(path, host.home.path), end="")
    return exit_codes.OK
