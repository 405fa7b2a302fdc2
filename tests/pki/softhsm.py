"""A token of the test's own: SoftHSM in a folder, with its PIN in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pki.protection.pkcs11 import Token

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)
LABEL, PIN = "zcc", "47110815"


def library() -> str:
    """Return the library; scripts/test-tools installs it."""
    found = next((path for path in LIBRARIES if Path(path).exists()), "")
    assert found, "SoftHSM is not installed; scripts/test-tools says how to get it"
    return found


class SoftHSM:
    """Tokens below one folder; the library is told of it before it is first loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pin_file = folder / "pin"
        self.pin_file.write_text(PIN)
        self.tokens = folder / "tokens"
        self.tokens.mkdir()
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {self.tokens}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        begin = ["softhsm2-util", "--init-token", "--free", "--label", LABEL]
        subprocess.run(
            [*begin, "--pin", PIN, "--so-pin", "12345678"], check=True, capture_output=True
        )

    def token(self, pin: str = PIN, label: str = LABEL) -> Token:
        """Return the token, as the product names it."""
        return Token(library(), label, pin)

    def take_out(self) -> None:
        """Take the token away."""
        shutil.move(self.tokens, self.folder / "away")
        self.tokens.mkdir()
        self.token().close_sessions()

    def put_back(self) -> None:
        """Bring it back."""
        self.tokens.rmdir()
        shutil.move(self.folder / "away", self.tokens)
