"""Files of a Primary Server's agent that the console's parts use, too.

The private CA vault key has a folder of its own, which production gives to the worker alone
(ZCC_CA_VAULT); its public half lies with the vault key, where the others find it.
"""

import os
from pathlib import Path

VAULT_KEY = "vault/vault.key"
VAULT_PUBLIC = "vault/vault.key.pub"
CA_VAULT_PUBLIC = "vault/ca-vault.key.pub"


def ca_vault_key(home: "str | os.PathLike[str]") -> Path:
    """Return the path of the private CA vault key of the server with this home."""
    folder = os.environ.get("ZCC_CA_VAULT")
    return Path(folder or Path(home) / "ca-vault") / "ca-vault.key"
