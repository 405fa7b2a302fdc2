"""NSS (Firefox, Red Hat) and Java read and verify what is issued.

See: D-268, D-280
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pki.certificates import revocation
from pki.certificates.constraints import NameConstraints
from pki.certificates.revocation import ListValidity, RevokedSerial
from pki.names import Names
from tests.pki import factories, readers
from tests.pki.certificates.test_constraints import forged
from tests.pki.factories import CA, NOW
from tests.pki.readers import Java, Nss, validate_with_java

LIMITS = NameConstraints.parse(["zone.example"], ["10.0.0.0/8"])
KINDS = {
    "root": factories.ca(),
    "root with RSA": factories.ca(length=2048),
    "root with constraints": factories.ca(name_constraints=LIMITS),
}


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


def test_java_applies_the_constraints_of_a_cross_certificate_and_not_those_of_a_root(
    tmp_path: Path,
) -> None:
    ca, old = KINDS["root with constraints"], factories.ca("Old", which=1)
    inside, outside = factories.server(ca), forged(ca, Names(("one.other.example",)))
    over = factories.cross_certificate(old, ca)
    assert validate_with_java(tmp_path, old.pem, [inside, over]) == readers.GOOD
    assert validate_with_java(tmp_path, old.pem, [outside, over]) == readers.OUTSIDE
    assert validate_with_java(tmp_path, ca.pem, [outside]) == readers.GOOD


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
    for pem, expected in ((leaf, readers.GOOD), (revoked, readers.REVOKED)):
        assert validate_with_java(tmp_path, ca.pem, [pem], crl=crl) == expected
    forged_crl = build_crl(factories.ca(which=2))
    assert validate_with_java(tmp_path, ca.pem, [leaf], crl=forged_crl) == readers.UNKNOWN
    shown = java.print_crl(crl)
    assert "Verified by root in keystore" in shown
    assert f"{factories.loaded(revoked).serial_number:x}" in shown.lower().replace(":", "")
