"""The EST client of strongSwan, with its own directory."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pki import keys, names
from pki.chains import chains
from pki.formats import bundles, csr

SECONDS = 300
# What it logs when the server responds with 202. The time is that of the header Retry-After.
PENDING = "EST request pending, polling every 5 seconds"


@dataclass
class Request:
    """A request of the client, whose process can still run."""

    process: subprocess.Popen[bytes]
    output: Path
    log: Path

    def read_log(self) -> str:
        """Return what the client has logged so far."""
        return self.log.read_text()

    def is_answered(self) -> bool:
        """Wait for the end, and return True if the client has received a certificate."""
        return self.process.wait(SECONDS) == 0


class Strongswan:
    """The program `pki` of strongSwan on a host.

    `user` is the key ID and the HMAC key of an account key, separated by a colon.
    """

    def __init__(self, folder: Path, url: str, user: str, *roots: str) -> None:
        folder.mkdir()
        self._folder, self._url, self._user = folder, url, user
        self.trust(*roots)

    def trust(self, *roots: str) -> None:
        """Trust these roots from now on, and no others."""
        self._options = ["--url", self._url, "--outform", "pem"]
        for number, root in enumerate(roots, 1):
            file = f"root-{number}.pem"
            (self._folder / file).write_text(root)
            self._options += ["--cacert", file]

    def get_ca_certificates(self) -> list[str]:
        """Return the CA certificates of the server."""
        done = subprocess.run(
            ["pki", "--estca", *self._options],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return chains.split(done.stdout)

    def start(self, name: str) -> Request:
        """Request a certificate for a name, or renew it if the host has one. Do not wait for it."""
        request = self._get_csr(name)
        renewal = ["--cert", f"{name}.pem", "--key", f"{name}.key"]
        output, log = self._folder / f"{name}.new", self._folder / f"{name}.log"
        with output.open("wb") as certificate, log.open("wb") as messages:
            process = subprocess.Popen(
                [
                    *("pki", "--est", *self._options, "--userpass", self._user, "--in", request),
                    *("--interval", "1", "--maxpolltime", str(SECONDS - 60)),
                    *(renewal if (self._folder / f"{name}.pem").exists() else []),
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=certificate,
                stderr=messages,
            )
        return Request(process, output, log)

    def save(self, name: str, request: Request) -> str:
        """Use the certificate of a request from now on, and return it."""
        request.output.replace(self._folder / f"{name}.pem")
        return self.get_certificate(name)

    def request(self, name: str) -> str:
        """Request a certificate for a name, or renew it if the host has one, and return it."""
        request = self.start(name)
        assert request.is_answered(), request.read_log()
        return self.save(name, request)

    def get_certificate(self, name: str) -> str:
        """Return the certificate for a name."""
        return (self._folder / f"{name}.pem").read_text()

    def _get_csr(self, name: str) -> str:
        """Return the file with the CSR for a name. The first call creates it, with its key."""
        file = self._folder / f"{name}.csr"
        if not file.exists():
            key = keys.generate_key(256)
            (self._folder / f"{name}.key").write_text(key)
            request = csr.build_csr(key, names.Subject(name), names.Names((name,), ()))
            file.write_bytes(bundles.to_der(request))
        return file.name
