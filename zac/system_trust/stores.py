"""Trust stores of operating systems: a folder for certificates, and the command that reads it.

The agent changes only files with names of its own, which contain the zone and the root. Files of
other zones and of administrators are not touched.

See: D-272; update-ca-certificates(8), update-ca-trust(8)
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from faults import Fault
from zac.host import files, processes

LIMIT_SECONDS = 60.0
READABLE = 0o644
# Other users could not read what the command writes with the umask of the agent.
WITH_USUAL_UMASK = ("/bin/sh", "-c", 'umask 022; exec "$@"', "sh")
_NAME = re.compile(r"zcc-([0-9a-f]{8})-[0-9a-f]{16}\.crt\Z")


class StoreNotUpdated(Fault):
    """The trust store of the system could not be changed."""

    action = "The agent tries again at its next refresh."


class SystemStore(NamedTuple):
    """A trust store: its name, the folder for additional roots, and its command."""

    name: str
    folder: str
    command: Tuple[str, ...]

    def is_installed(self) -> bool:
        """Return True if this host has the folder and the command."""
        return os.path.isdir(self.folder) and bool(processes.find_program(self.command[0]))

    def list_files(self, zone: str = "") -> List[str]:
        """Return the names of the files of a zone, by default of all zones."""
        prefix = _get_prefix(zone) if zone else ""
        found = [name for name in files.list_names(self.folder) if _NAME.match(name)]
        return [name for name in found if name.startswith(prefix)]

    def is_current(self, zone: str, wanted: Dict[str, str]) -> bool:
        """Return True if the folder contains exactly these files of a zone."""
        if self.list_files(zone) != sorted(wanted):
            return False
        paths = {os.path.join(self.folder, name): text for name, text in wanted.items()}
        return all(files.read(path) == text.encode() for path, text in paths.items())

    def update(self, zone: str, wanted: Dict[str, str]) -> None:
        """Replace the files of a zone, and run the command; raises StoreNotUpdated, NoSpace."""
        for name, text in wanted.items():
            files.write(os.path.join(self.folder, name), text.encode(), READABLE)
        for name in self.list_files(zone):
            if name not in wanted:
                files.remove(os.path.join(self.folder, name))
        self.run_command()

    def run_command(self) -> None:
        """Run the command that reads the folder; raises StoreNotUpdated."""
        program = processes.find_program(self.command[0]) or self.command[0]
        done = processes.run(
            [*WITH_USUAL_UMASK, program, *self.command[1:]], limit=LIMIT_SECONDS, environment={}
        )
        if done.exit_code:
            reason = done.last_line or "exit code %d" % done.exit_code
            raise StoreNotUpdated("%s failed: %s" % (self.command[0], reason))


# Red Hat and Fedora, SUSE, Debian and Ubuntu. A host can have folders of another system, too.
STORES = (
    SystemStore("ca-trust", "/etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract")),
    SystemStore("suse", "/etc/pki/trust/anchors", ("update-ca-certificates",)),
    SystemStore(
        "ca-certificates",
        "/usr/local/share/ca-certificates",
        # Without this option, links to removed files remain.
        ("update-ca-certificates", "--fresh"),
    ),
)
# What the commands write to, for the restrictions of the service.
WRITTEN = (
    *("/etc/pki/ca-trust", "/etc/pki/trust", "/var/lib/ca-certificates"),
    *("/usr/local/share/ca-certificates", "/etc/ssl/certs"),
)


def find_store() -> Optional[SystemStore]:
    """Return the trust store of this host, None if it has none of the known ones."""
    return next((store for store in STORES if store.is_installed()), None)


def get_file_name(zone: str, digest: str) -> str:
    """Return the name of the file with a root of a zone."""
    return "%s%s.crt" % (_get_prefix(zone), digest[:16])


def _get_prefix(zone: str) -> str:
    return "zcc-%s-" % re.sub("[^0-9a-f]", "", zone.lower()).ljust(8, "0")[:8]
