"""The ACME client certbot, with its own directories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SECONDS = 300


class Certbot:
    """The program certbot on a host. It responds to http-01 validations at an address and port.

    `roots` is the file with the roots that it trusts, "" for those of the system.
    """

    def __init__(
        self, folder: Path, url: str, port: int, *, address: str = "", roots: str = ""
    ) -> None:
        self.folder = folder
        self._roots = roots
        self.server = ["--server", f"{url}/acme/directory"]
        folders = [f"--{name}-dir={folder / name}" for name in ("config", "work", "logs")]
        self._options = [*folders, "--non-interactive"]
        self._listen = [f"--http-01-port={port}"]
        if address:
            self._listen.append(f"--http-01-address={address}")

    def run(self, *words: str) -> str:
        """Run a command, and return its output."""
        program = Path(sys.executable).with_name("certbot")
        environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
        if self._roots:
            environment["REQUESTS_CA_BUNDLE"] = self._roots
        done = subprocess.run(
            [program, *words, *self._options],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=environment,
        )
        log = self.folder / "logs" / "letsencrypt.log"
        written = log.read_text()[-3000:] if log.exists() else ""
        assert done.returncode == 0, done.stdout + done.stderr + written
        return done.stdout + done.stderr

    def request(self, key_id: str, hmac_key: str, *names: str, lineage: str = "web") -> None:
        """Register an account with an account key if there is none, and request a certificate."""
        account = [f"--eab-kid={key_id}", f"--eab-hmac-key={hmac_key}"]
        account += ["--register-unsafely-without-email"]
        dns = [word for name in names for word in ("-d", name)]
        self.run(
            *("certonly", "--standalone", *self._listen, "--cert-name", lineage),
            *(*self.server, *account, *dns),
        )

    def renew(self, *options: str) -> str:
        """Renew the certificates that are due."""
        return self.run("renew", "--no-random-sleep-on-renew", *options)

    def forget_renewal_info(self, lineage: str = "web") -> None:
        """Let the client request the renewal information again before its time, if it has it."""
        path = self.folder / "config" / "renewal" / f"{lineage}.conf"
        lines = path.read_text().splitlines()
        kept = [line for line in lines if not line.startswith("ari_retry_after")]
        path.write_text("\n".join([*kept, ""]))

    def has_renewal_info(self, lineage: str = "web") -> bool:
        """Return True if the client keeps renewal information."""
        path = self.folder / "config" / "renewal" / f"{lineage}.conf"
        return "\nari_retry_after" in path.read_text()

    def get_chain(self, lineage: str = "web") -> str:
        """Return the certificate with its chain."""
        return (self.folder / "config" / "live" / lineage / "fullchain.pem").read_text()
