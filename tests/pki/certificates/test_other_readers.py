"""NSS (Firefox, Red Hat) and Java read and verify what is issued.

NSS verifies names, name constraints, and CRLs. keytool of Java verifies signatures only: it imports
a certificate without a question only if it has found a path to a trusted certificate.

See: D-268, D-280
"""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from pki.certificates import revocation
from pki.certificates.constraints import NameConstraints
from pki.certificates.revocation import ListValidity, RevokedSerial
from pki.names import Names
from tests.pki import factories
from tests.pki.certificates.test_constraints import forged
from tests.pki.factories import CA, NOW

LIMITS = NameConstraints.parse(["zone.example"], ["10.0.0.0/8"])
KINDS = {
    "root": factories.ca(),
    "root with RSA": factories.ca(length=2048),
    "root with constraints": factories.ca(name_constraints=LIMITS),
}
STORE = ("-storetype", "jks", "-storepass", "public", "-J-Duser.language=en")


def run(*command: str) -> tuple[int, str]:
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


def build_crl(ca: CA, *revoked: str) -> bytes:
    entries = [
        RevokedSerial(factories.loaded(leaf).serial_number, NOW, "key-compromise")
        for leaf in revoked
    ]
    validity = ListValidity(1, NOW - timedelta(minutes=5), NOW + timedelta(days=7))
    return revocation.build_crl(ca.pem, ca.key, entries, validity)


@pytest.mark.parametrize("kind", KINDS)
def test_nss_and_java_accept_a_server_and_its_cross_certificate(tmp_path: Path, kind: str) -> None:
    ca, old = KINDS[kind], factories.ca("Old", which=1)
    leaf, over = factories.server(ca), factories.cross_certificate(old, ca)
    for number, root in enumerate((ca, old)):
        folder = tmp_path / str(number)
        folder.mkdir()
        nss, java = Nss(folder, root.pem), Java(folder, root.pem)
        if root is old:
            nss.add("cross", over)
            assert java.accepts("cross", over)
        nss.add("leaf", leaf)
        assert nss.verify("leaf") == (0, "certutil: certificate is valid\n")
        assert java.accepts("leaf", leaf)


def test_nss_and_java_reject_another_root(tmp_path: Path) -> None:
    leaf, other = factories.server(factories.ca()), factories.ca("Other", which=2)
    nss, java = Nss(tmp_path, other.pem), Java(tmp_path, other.pem)
    nss.add("leaf", leaf)
    assert nss.verify("leaf")[0] != 0
    assert not java.accepts("leaf", leaf)


def test_nss_rejects_names_outside_the_constraints_of_a_root(tmp_path: Path) -> None:
    ca = KINDS["root with constraints"]
    nss = Nss(tmp_path, ca.pem)
    nss.add("leaf", forged(ca, Names(("one.other.example",))))
    code, text = nss.verify("leaf")
    assert code != 0
    assert "not permitted to issue a certificate with this name" in text


def test_nss_and_java_verify_the_revocation_list(tmp_path: Path) -> None:
    ca = factories.ca()
    leaf, revoked = factories.server(ca), factories.server(ca)
    crl = build_crl(ca, revoked)
    nss, java = Nss(tmp_path, ca.pem), Java(tmp_path, ca.pem)
    nss.add("leaf", leaf)
    nss.add("revoked", revoked)
    nss.add_crl(crl)
    assert nss.verify("leaf")[0] == 0
    code, text = nss.verify("revoked")
    assert code != 0
    assert "revoked" in text
    shown = java.print_crl(crl)
    assert "Verified by root in keystore" in shown
    assert f"{factories.loaded(revoked).serial_number:x}" in shown.lower().replace(":", "")
