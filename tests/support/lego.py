"""The ACME client lego, with its own directory.

See: https://go-acme.github.io/lego/dns/exec/
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.dns_server import LOOPBACK, DnsServer

SECONDS = 120


class Lego:
    """The program lego on a host."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._options = ["--server", f"{url}/acme/directory", "--path", str(folder)]
        self._options += ["--email", "admin@hosts.example", "--accept-tos", "--key-type", "ec256"]
        self._environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}

    def listen(self, method: str, port: int) -> None:
        """Respond to validations with http-01 or tls-alpn-01 at a port of 127.0.0.1."""
        option = method.partition("-")[0]
        self._options += [f"--{option}", f"--{option}.port", f"{LOOPBACK}:{port}"]

    def use_dns(self, server: DnsServer) -> None:
        """Respond to validations with dns-01: add TXT records, and wait until they are served."""
        # The authoritative servers of the domain do not exist.
        self._options += ["--dns", "exec", "--dns.disable-cp"]
        self._options += ["--dns.resolvers", f"{LOOPBACK}:{server.port}"]
        self._environment |= {
            "EXEC_PATH": str(server.program),
            "EXEC_POLLING_INTERVAL": "1",
            "EXEC_PROPAGATION_TIMEOUT": "30",
            "EXEC_SEQUENCE_INTERVAL": "1",
        }

    def request(self, key_id: str, hmac_key: str, *names: str) -> str:
        """Register an account with an account key, and return a certificate with its chain."""
        # It requires the account key at each start.
        self._options += ["--eab", "--kid", key_id, "--hmac", hmac_key]
        self._run("run", names)
        return self._get_chain(names[0])

    def renew(self, *names: str) -> str:
        """Renew a certificate before its time, and return the new one with its chain."""
        self._run("renew --days 1000 --no-random-sleep", names)
        return self._get_chain(names[0])

    def revoke(self, name: str) -> None:
        """Revoke the certificate with a first name, because it is superseded."""
        self._run("revoke --reason 4", (name,))

    def _run(self, command: str, names: tuple[str, ...]) -> None:
        domains = [word for name in names for word in ("--domains", name)]
        done = subprocess.run(
            ["lego", *self._options, *domains, *command.split()],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=self._environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _get_chain(self, name: str) -> str:
        return (self._folder / "certificates" / f"{name}.crt").read_text()
