"""A host whose operating system has a trust store and programs of its own.

The agent has no options for them. So the processes of the host run in a mount namespace, in which
folders of a test are in place of those of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pki.certificates import details
from pki.chains import chains

ROOTS = Path("/usr/local/share/ca-certificates")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CONFIGURATION = Path("/etc/ca-certificates.conf")
# The first folder in which the agent looks for programs.
PROGRAMS = Path("/usr/local/sbin")
# What the command calls at its end would inform the package manager of this machine.
HOOKS = Path("/etc/ca-certificates/update.d")
NEEDED = ("unshare", "update-ca-certificates", "curl")
MOUNT = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift'
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class PrivateSystem:
    """The folders of one host, empty at first. `roots` and `programs` can be filled by a test."""

    def __init__(self, folder: Path) -> None:
        self.roots, self.programs = folder / "roots", folder / "programs"
        self._bundle = folder / "certs" / BUNDLE.name
        configuration = folder / CONFIGURATION.name
        self._places = {
            self.roots: ROOTS,
            self._bundle.parent: BUNDLE.parent,
            self.programs: PROGRAMS,
            folder / "hooks": HOOKS,
            configuration: CONFIGURATION,
        }
        for own in set(self._places) - {configuration}:
            own.mkdir(parents=True)
        configuration.write_text("# No certificates of the distribution\n")

    def find_obstacle(self) -> str:
        """Return why a host cannot run like this on this machine, "" if it can."""
        if os.geteuid() != 0:
            return "root is required."
        missing = [str(place) for place in self._places.values() if not place.exists()]
        missing += [name for name in NEEDED if not shutil.which(name)]
        if missing:
            return f"{', '.join(missing)}: not found."
        done = self.run("true")
        return done.stderr.strip() if done.returncode else ""

    def build_command(self, *command: str) -> list[str]:
        """Return the command that runs another one on this host, in the same process."""
        places = [str(path) for pair in self._places.items() for path in pair]
        enter = ["unshare", "--mount", "/bin/sh", "-c", f'{MOUNT}; exec "$@"', "sh"]
        return [*enter, *places, "--", *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program on this host, with an environment of its own."""
        return subprocess.run(
            self.build_command(*command),
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def add_program(self, name: str, script: str) -> None:
        """Install a program that is found before another one of the same name."""
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o755)

    def list_trusted(self) -> set[str]:
        """Return the digests of the roots that programs of this host trust."""
        return {details.get_digest(pem) for pem in chains.split(self._bundle.read_text())}
