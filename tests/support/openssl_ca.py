"""A corporate CA as companies have it: a root and an intermediate CA in files, used with openssl.

It copies the extensions of a CSR into the certificate, as `copy_extensions = copy` of openssl.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

EXTENSIONS = "authorityKeyIdentifier = keyid:always\n"
CA_EXTENSIONS = (
    "basicConstraints = critical, CA:TRUE\n"
    "keyUsage = critical, keyCertSign, cRLSign\n"
    "subjectKeyIdentifier = hash\n" + EXTENSIONS
)


class OpensslCA:
    """A root and an intermediate CA in a folder. The intermediate CA signs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "ca.cnf").write_text(CA_EXTENSIONS)
        (folder / "copy.cnf").write_text(EXTENSIONS)
        for name in ("root", "intermediate"):
            self._request(name)
        sign_itself = ("-signkey", "root.key", "-set_serial", "1")
        self._run("x509", *self._signing("root", "ca.cnf", 3650), *sign_itself)
        self._run("x509", *self._signing("intermediate", "ca.cnf", 1825), *_by("root"))
        self.root_pem = (folder / "root.pem").read_text()
        self.intermediate_pem = (folder / "intermediate.pem").read_text()

    def certify(self, csr_pem: str) -> str:
        """Sign the CSR of a zone CA. Return its certificate, the intermediate CA, and the root."""
        (self.folder / "zone.csr").write_text(csr_pem)
        options = self._signing("zone", "copy.cnf", 365)
        self._run("x509", *options, "-copy_extensions", "copy", *_by("intermediate"))
        issued = (self.folder / "zone.pem").read_text()
        return issued + self.intermediate_pem + self.root_pem

    def verify(self, chain_pem: str) -> str:
        """Have openssl verify a certificate and the CAs after it with the root, strictly."""
        (self.folder / "served.pem").write_text(chain_pem)
        strictly = ("-x509_strict", "-purpose", "sslserver", "-no-CApath", "-no-CAstore")
        anchors = ("-CAfile", "root.pem", "-untrusted", "served.pem")
        return self._run("verify", *strictly, *anchors, "served.pem")

    def _request(self, name: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        self._run("req", "-new", *key, *files, "-subj", f"/O=Corporate/CN=Corporate {name}")

    def _signing(self, name: str, extensions: str, days: int) -> tuple[str, ...]:
        files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", extensions)
        return ("-req", *files, "-sha256", "-days", str(days))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["openssl", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout


def _by(issuer: str) -> tuple[str, ...]:
    return ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial")
