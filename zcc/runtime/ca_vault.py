"""The CA vault key of this host: its worker makes and reads it; no other part need see it."""

from __future__ import annotations

from pathlib import Path

from faults import Unavailable
from pki.protection import sealing
from wire import paths


def keep(home: Path) -> None:
    """Make the key unless it is there; one in the vault of an earlier release is taken over.

    Raises Unavailable, or UnsafeFile, where this process may not write it.
    """
    private = paths.ca_vault_key(home)
    public = home / paths.CA_VAULT_PUBLIC
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
