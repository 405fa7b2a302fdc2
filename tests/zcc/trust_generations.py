"""The home of a server whose agent put certificates in force, without that agent."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass
class Security:
    """The folder security/ of a home, with certificates for one address."""

    folder: Path
    address: str

    def make(self, name: str) -> str:
        """Build a generation with a CA of its own; returns the fingerprint of its certificate."""
        authority = trustme.CA()
        issued = authority.issue_cert(self.address)
        self.write(name, issued.private_key_and_cert_chain_pem.bytes())
        (self.folder / name / "ca.pem").write_bytes(authority.cert_pem.bytes())
        return digest(issued.cert_chain_pems[0].bytes().decode())

    def write(self, name: str, pem: bytes) -> None:
        """Build a generation with this key and chain."""
        (self.folder / name).mkdir(parents=True)
        (self.folder / name / "server.pem").write_bytes(pem)

    def use(self, name: str) -> None:
        """Put a generation in force as the agent does: one rename."""
        (self.folder / "new").symlink_to(name)
        (self.folder / "new").replace(self.folder / "current")

    def context(self) -> ssl.SSLContext:
        """Return a client's context that trusts the CAs of all generations made so far."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for root in self.folder.glob("*/ca.pem"):
            context.load_verify_locations(root)
        return context


def digest(pem: str) -> str:
    """Return a certificate in a form that is quickly compared."""
    return ssl.PEM_cert_to_DER_cert(pem).hex()
