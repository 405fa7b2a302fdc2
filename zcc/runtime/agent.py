"""Run commands of this host's agent, which manages its keys, and create its CA vault key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from faults import Unavailable
from pki.protection import sealing
from wire import server_files


def run_agent(home: Path, *arguments: str, stdin: str = "") -> str:
    """Run a `zac` command and return its output. Secrets are passed through stdin."""
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
        reason = done.stderr.strip()
        raise Unavailable(f"The agent command {arguments[0]} failed: {reason}")
    return done.stdout


def create_ca_vault_key(home: Path) -> None:
    """Create the key that decrypts the CA key, unless it exists. Only the worker can read it.

    A key from the location of an earlier release is moved. Raises Unavailable or UnsafeFile if
    this process is not allowed to write it.
    """
    private = server_files.ca_vault_key_path(home)
    public = home / server_files.CA_VAULT_PUBLIC
    try:
        for folder in (private.parent, public.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"Cannot write the CA vault key of this server: {error}.",
            action=(
                "Make this user the owner of the directory set in "
                "ZCC_CA_VAULT (see docs/deployment.md)."
            ),
        ) from error
    earlier = public.with_name(private.name)
    if earlier.exists() and not private.exists():
        sealing.write_private_file(private, sealing.read_private_file(earlier))
        earlier.unlink()
    sealing.load_or_create_vault_key(private, public)
