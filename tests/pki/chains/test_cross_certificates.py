"""Bridges carry a zone over a change of its root (RFC 4210, 4.4; docs/decisions.md D-29)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pki.certificates import build, lint
from pki.certificates.ca_certificates import build_root
from pki.certificates.issuance import generate_serial, get_root_validity
from pki.names import Subject
from tests.pki import factories, linters
from tests.pki.factories import CA, FQDN, NOW

PAIRS = {
    "other name": (factories.ca("Old"), factories.ca("New", which=1)),
    "same name": (factories.ca("Zone"), factories.ca("Zone", which=2)),
    "same name, epoch": (factories.ca("Zone", epoch="1"), factories.ca("Zone", which=2, epoch="2")),
    "P-384 to RSA": (factories.ca("Old", length=384), factories.ca("New", length=2048)),
}

# What the server sends, and whether a device accepts it whose store is {R1}, {R1,R2}, {R2}.
MATRIX = [
    ("L1", (True, True, False)),
    ("L2", (False, True, True)),
    ("L2+X", (True, True, True)),
    ("L1+X'", (True, True, True)),
]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("sent", "accepted"), MATRIX)
def test_a_bridge_keeps_contact_whatever_the_device_trusts(
    tmp_path: Path, pair: str, sent: str, accepted: tuple[bool, bool, bool]
) -> None:
    old, new = PAIRS[pair]
    parts = {
        "L1": factories.server(old),
        "L2": factories.server(new),
        "X": factories.cross_certificate(old, new),
        "X'": factories.cross_certificate(new, old),
    }
    chain = [parts[part] for part in sent.split("+")]
    stores = ([old.pem], [old.pem, new.pem], [new.pem])
    for store, expected in zip(stores, accepted, strict=True):
        for roots in (store, store[::-1]):
            question: dict[str, Any] = {"roots": roots, "chain": chain, "host": FQDN, "at": NOW}
            assert linters.everybody(tmp_path, **question) == {expected}, (sent, len(store))


@pytest.mark.parametrize("pair", PAIRS)
def test_a_bridge_follows_its_profile(pair: str) -> None:
    old, new = PAIRS[pair]
    for issuer, subject in ((old, new), (new, old)):
        pem = factories.cross_certificate(issuer, subject)
        found, root = factories.loaded(pem), factories.loaded(subject.pem)
        assert lint.lint_certificate(pem, kind="cross-certificate", issuer_pem=issuer.pem) == []
        assert linters.pkilint(pem) == []
        assert found.subject.public_bytes() == root.subject.public_bytes()
        assert found.public_key() == root.public_key()
        assert build.get_key_identifier(found) == build.get_key_identifier(root)
        assert found.not_valid_after_utc <= factories.loaded(issuer.pem).not_valid_after_utc
        assert found.not_valid_after_utc <= root.not_valid_after_utc


def test_a_bridge_ends_with_the_root_that_ends_first() -> None:
    key = factories.key(256, 1009)
    short = build_root(
        key_pem=key,
        subject=Subject("Short"),
        validity=get_root_validity(NOW, 1),
        serial=generate_serial(),
    )
    for issuer, subject in ((factories.ca(), CA(key, short)), (CA(key, short), factories.ca())):
        ends = factories.loaded(factories.cross_certificate(issuer, subject)).not_valid_after_utc
        assert ends == factories.loaded(short).not_valid_after_utc


def test_a_bridge_leads_to_an_external_root_and_its_intermediate(tmp_path: Path) -> None:
    old, family = factories.ca("Old"), factories.family()
    over = factories.cross_certificate(old, CA("", family.root))
    chain = [family.leaf, family.middle, over]
    for roots in ([old.pem], [family.root], [old.pem, family.root]):
        question: dict[str, Any] = {"roots": roots, "chain": chain, "host": FQDN, "at": NOW}
        assert linters.everybody(tmp_path, **question) == {True}


def test_bridges_chain_over_a_third_root(tmp_path: Path) -> None:
    first, second, third = factories.ca("A"), factories.ca("B", which=1), factories.ca("C", which=2)
    chain = [
        factories.server(third),
        factories.cross_certificate(second, third),
        factories.cross_certificate(first, second),
    ]
    for roots in ([first.pem], [second.pem]):
        question: dict[str, Any] = {"roots": roots, "chain": chain, "host": FQDN, "at": NOW}
        assert linters.everybody(tmp_path, **question) == {True}
    # GnuTLS looks for an anchor at the far end of three only; OpenSSL, which devices use, does not.
    question = {"roots": [third.pem], "chain": chain, "host": FQDN, "at": NOW}
    assert linters.openssl_accepts(tmp_path, **question)
    assert linters.library_accepts(**question)
