"""NSS (Firefox, Red Hat) and Java as readers of what is issued.

NSS verifies names, name constraints, CRLs, and OCSP responses. keytool of Java verifies signatures
only: it imports a certificate without a question only if it has found a path to a trusted
certificate. ValidatePath.java verifies a path with all that Java knows.

A tool that is missing fails the test: nothing is skipped.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

STORE = ("-storetype", "jks", "-storepass", "public", "-J-Duser.language=en")
VALIDATOR = Path(__file__).with_name("ValidatePath.java")
# It runs for a second, so it is not worth while to optimize its code.
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-Dhttp.nonProxyHosts=localhost", str(VALIDATOR))
# vfychain asks the OCSP responder that the certificate names.
WITH_OCSP = ("-pp", "-u", "1", "-g", "leaf", "-m", "ocsp")
REQUIRES_RESPONSE = ("-s", "requireInfo,failIfNoInfo")
GOOD, REVOKED = "GOOD", "REVOKED"
UNKNOWN, OUTSIDE = "UNDETERMINED_REVOCATION_STATUS", "INVALID_NAME"
# Java names no reason if the responder has no response for a certificate.
NO_RESPONSE = "UNSPECIFIED"


def run(*command: str) -> tuple[int, str]:
    """Run a program, and return its exit status and its output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


class Nss:
    """A database of NSS that trusts one root."""

    def __init__(self, folder: Path, root: str) -> None:
        self._folder = folder / "nss"
        self._folder.mkdir()
        self._database = ("-d", f"sql:{self._folder}")
        assert run("certutil", "-N", *self._database, "--empty-password")[0] == 0
        self.add("root", root, trust="C,,")

    def add(self, name: str, pem: str, *, trust: str = ",,") -> None:
        path = self._folder / f"{name}.pem"
        path.write_text(pem)
        command = ("certutil", "-A", *self._database, "-n", name, "-t", trust, "-i", str(path))
        assert run(*command)[0] == 0

    def add_crl(self, der: bytes) -> None:
        """Import a CRL. NSS verifies its signature."""
        path = self._folder / "list.crl"
        path.write_bytes(der)
        code, text = run("crlutil", "-I", *self._database, "-i", str(path))
        assert code == 0, text

    def verify(self, name: str) -> tuple[int, str]:
        """Verify a certificate as that of a TLS server."""
        return run("certutil", "-V", *self._database, "-n", name, "-u", "V", "-e")

    def accepts_with_ocsp(self, name: str, *, requires_response: bool) -> bool:
        """Return True if NSS accepts the certificate of a TLS server after it asked its responder.

        If it requires a response, a missing one counts as a revocation.
        """
        options = REQUIRES_RESPONSE if requires_response else ()
        code, text = run("vfychain", *self._database, *WITH_OCSP, *options, name)
        assert ("Chain is good!" in text, "Chain is bad!" in text) == (code == 0, code != 0), text
        return code == 0


class Java:
    """A keystore of Java that contains one root."""

    def __init__(self, folder: Path, root: str) -> None:
        self._folder = folder
        self._store = ("-keystore", str(folder / "java.jks"), *STORE)
        code, text = self._import("root", root, "-noprompt")
        assert code == 0, text

    def _import(self, name: str, pem: str, *options: str) -> tuple[int, str]:
        path = self._folder / f"{name}.java.pem"
        path.write_text(pem)
        command = ("keytool", "-importcert", *self._store, *options, "-alias", name)
        return run(*command, "-file", str(path))

    def accepts(self, name: str, pem: str) -> bool:
        return "Certificate was added to keystore" in self._import(name, pem)[1]

    def print_crl(self, der: bytes) -> str:
        path = self._folder / "java.crl"
        path.write_bytes(der)
        return run("keytool", "-printcrl", *self._store, "-file", str(path))[1]


def validate_with_java(
    folder: Path, root: str, chain: list[str], *, crl: bytes = b"", asks_responder: bool = False
) -> str:
    """Return GOOD if Java accepts a served chain with a root, or the reason of its rejection.

    The revocation of the first certificate is checked with a CRL, or with the OCSP responder that
    the certificate names.
    """
    anchor, served, found = folder / "root.java.pem", folder / "chain.java.pem", folder / "java.crl"
    anchor.write_text(root)
    served.write_text("".join(chain))
    found.write_bytes(crl)
    source = "ocsp" if asks_responder else str(found) if crl else "none"
    done = subprocess.run(
        [*JAVA, str(anchor), str(served), source],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
