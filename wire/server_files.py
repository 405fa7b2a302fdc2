"""Files in the data directory of a Primary Server's agent that the console also uses.

The private CA vault key has its own folder (ZCC_CA_VAULT), which in production only the worker can
read. Its public half is stored with the vault key, where all processes can read it.
"""

import os
from pathlib import Path

VAULT_KEY = "vault/vault.key"
VAULT_PUBLIC = "vault/vault.key.pub"
CA_VAULT_PUBLIC = "vault/ca-vault.key.pub"


def ca_vault_key_path(home: "str | os.PathLike[str]") -> Path:
    """Return the path of the private CA vault key of the server with this data directory."""
    folder = os.environ.get("ZCC_CA_VAULT")
    return Path(folder or Path(home) / "ca-vault") / "ca-vault.key"
