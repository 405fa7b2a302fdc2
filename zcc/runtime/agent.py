"""Call this host's agent as a program: it alone touches the host's keys and certificates.

The CA vault key of this host: its worker makes and reads it; no other part need see it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from faults import Unavailable
from pki.protection import sealing
from wire import server_files


def run(home: Path, *arguments: str, stdin: str = "") -> str:
    """Run one `zac` command for a home and return what it prints; secrets go through stdin."""
    done = subprocess.run(  # noqa: S603 - our own program, arguments are a list
        [sys.executable, "-m", "zac", "--home", str(home), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=settings.BASE_DIR,
    )
    if done.returncode != 0:
        why = done.stderr.strip()
        raise Unavailable(f"The agent could not do its part ({arguments[0]}): {why}")
    return done.stdout


def keep(home: Path) -> None:
    """Make the key unless it is there; one in the vault of an earlier release is taken over.

    Raises Unavailable, or UnsafeFile, where this process may not write it.
    """
    private = server_files.ca_vault_key(home)
    public = home / server_files.CA_VAULT_PUBLIC
    try:
        for folder in (private.parent, public.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"The CA vault key of this server cannot be written: {error}.",
            action="Give this user the folder that ZCC_CA_VAULT names (docs/deployment.md).",
        ) from error
    earlier = public.with_name(private.name)
    if earlier.exists() and not private.exists():
        sealing.write_private_file(private, sealing.read_private_file(earlier))
        earlier.unlink()
    sealing.keep_vault_key(private, public)
