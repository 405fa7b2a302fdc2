"""The commands that install an agent on a new device and register it.

The digests are part of the page, which the browser has received over a verified connection. So the
files are verified even though the device does not know the zone yet.

See: D-182
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Role
from devices.registration import keys as registration_keys
from systemupdates.downloads import agent
from systemupdates.downloads.publication import PublishedFile

ROOTS_FILE = "zone-ca.pem"
PROGRAM = "/usr/local/bin/zac"
ENVIRONMENT = "/opt/zac"
# The first version of the library that the agent of an Authentication Satellite works with.
CRYPTOGRAPHY = "cryptography>=43"
READ_FROM_INPUT = "-"


class System(models.TextChoices):
    """The system of a new device."""

    LINUX = "linux", gettext_lazy("Any Linux with Python 3.8 or later")
    DEBIAN = "debian", gettext_lazy("Debian or Ubuntu (.deb)")
    RED_HAT = "red-hat", gettext_lazy("RHEL or SUSE (.rpm)")


SUFFIXES = {System.DEBIAN: ".deb", System.RED_HAT: ".rpm"}


@dataclass(frozen=True)
class Step:
    """Commands for one purpose, in a block that is copied as a whole."""

    title: str
    commands: tuple[str, ...]
    note: str = ""

    @property
    def text(self) -> str:
        """The commands as one text. A command runs only if the one before it succeeded."""
        return " && \\\n".join(self.commands)


@dataclass(frozen=True)
class Source:
    """A Primary Server, the digest of its roots, and the files that it offers."""

    url: str
    roots_sha256: str
    files: Sequence[PublishedFile]


def list_systems(role: str, files: Iterable[PublishedFile]) -> list[System]:
    """Return the systems for which this server offers the agent."""
    names = [file.name for file in files]
    packaged = [
        system
        for system, suffix in SUFFIXES.items()
        if any(name.endswith(suffix) for name in names)
    ]
    systems = [System.LINUX] if agent.NAME in names else []
    return systems + (packaged if role != Role.PRIMARY else [])


def list_steps(system: str, role: str, key: str, source: Source) -> list[Step]:
    """Return the steps for a device. An empty `key` is read when the command runs."""
    if role == Role.PRIMARY:
        return [_join(key)]
    files = _select_files(system, role, source.files)
    program = PROGRAM if system == System.LINUX else "zac"
    return [
        _download(source, files),
        _install(system, role, files),
        _register(program, role, key),
        _start(system),
    ]


def _select_files(system: str, role: str, files: Iterable[PublishedFile]) -> list[PublishedFile]:
    if system == System.LINUX:
        return [file for file in files if file.name == agent.NAME]
    suffix = SUFFIXES[System(system)]
    found = [file for file in files if file.name.endswith(suffix)]
    is_server = role == Role.AUTHENTICATION_SATELLITE
    return [file for file in found if is_server or not file.name.startswith("zcc-agent-server")]


def _download(source: Source, files: list[PublishedFile]) -> Step:
    """Return the download. The roots come first, unverified, and are compared with their digest."""
    commands = [
        f"curl -fsSk -o {ROOTS_FILE} {source.url}/roots.pem",
        _check(source.roots_sha256, ROOTS_FILE),
    ]
    for file in files:
        address = f"{source.url}/zenworks-setup/{file.name}"
        commands += [
            f"curl -fsS --cacert {ROOTS_FILE} -O {address}",
            _check(file.sha256, file.name),
        ]
    note = _("The digests are those of this zone. If a command reports FAILED, stop here.")
    return Step(_("Download and verify"), tuple(commands), note)


def _check(digest: str, name: str) -> str:
    return f"echo '{digest}  {name}' | sha256sum -c -"


def _install(system: str, role: str, files: list[PublishedFile]) -> Step:
    names = " ".join(f"./{file.name}" for file in files)
    if system == System.DEBIAN:
        return Step(_("Install"), (f"sudo apt-get install -y {names}",))
    if system == System.RED_HAT:
        note = _("With SUSE, enter: %s") % f"sudo zypper install --allow-unsigned-rpm {names}"
        return Step(_("Install"), (f"sudo dnf install -y {names}",), note)
    commands = [f"sudo install -m 0755 {agent.NAME} {PROGRAM}"]
    if role != Role.AUTHENTICATION_SATELLITE:
        return Step(_("Install"), tuple(commands))
    commands += [
        f"sudo python3 -m venv {ENVIRONMENT}",
        f"sudo {ENVIRONMENT}/bin/pip install {shlex.quote(CRYPTOGRAPHY)}",
    ]
    note = _(
        "A server with a certificate needs Python 3.11 or later. On Debian and Ubuntu, also "
        "install the package python3-venv."
    )
    return Step(_("Install"), tuple(commands), note)


def _register(program: str, role: str, key: str) -> Step:
    command = registration_keys.build_registration_command(key or READ_FROM_INPUT, role)
    rest = command.partition(" ")[2].removeprefix("reg ")
    notes = []
    if not key:
        notes.append(_("The command reads the registration key. Paste it, and press Enter."))
    if role != Role.MANAGED:
        notes.append(_("Replace FQDN and IP_ADDRESS with the name and address of the server."))
    return Step(_("Register"), (f"sudo {program} register {rest}",), " ".join(notes))


def _start(system: str) -> Step:
    enable = "sudo systemctl enable --now zac"
    if system != System.LINUX:
        return Step(_("Start the service"), (enable,))
    unit = "/etc/systemd/system/zac.service"
    commands = (
        f"{PROGRAM} unit | sudo tee {unit} >/dev/null",
        "sudo systemctl daemon-reload",
        enable,
    )
    note = _("Without systemd, run this program as a service: %s") % f"{PROGRAM} run"
    return Step(_("Start the service"), commands, note)


def _join(key: str) -> Step:
    """Return the step of a Primary Server, which runs the whole console and not only an agent."""
    url = registration_keys.get_primary_server_url()
    given = f"echo {shlex.quote(key)} |" if key else ""
    command = f"{given} docker compose run --rm -T zac python -m zcc.start join {url}".strip()
    note = _(
        "A Primary Server runs the console, a worker, and an agent. Install it as described in the "
        "section Add Primary Servers of the deployment documentation, and enter this command in "
        "its directory. It reads the registration key from standard input. With systemd, enter "
        "sudo zcc-manage instead of docker compose run --rm -T zac python -m zcc.start."
    )
    return Step(_("Join the zone"), (command,), note)
