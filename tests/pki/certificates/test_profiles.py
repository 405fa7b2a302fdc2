"""Whatever is issued satisfies everybody (RFC 5280; docs/decisions.md D-7 to D-12)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pki.certificates import lint
from pki.certificates.ca_certificates import build_root
from pki.certificates.issuance import Issuer, generate_serial, get_root_validity
from pki.names import Names, Subject
from tests.pki import factories, linters
from tests.pki.factories import CA, NOW

MIXES = {
    "fqdn": Names(dns=("one.zone.example",)),
    "fqdn and addresses": Names(
        dns=("one.zone.example", "one"), addresses=("10.0.0.1", "2001:db8::1")
    ),
    "wildcard": Names(dns=("one.zone.example", "*.zone.example")),
    "address alone": Names(addresses=("10.0.0.1",)),
    "international": Names(dns=("xn--mnchen-3ya.example",)),
}


def judge(folder: Path, root: str, leaf: str, host: str) -> None:
    """Fail unless everybody accepts root and leaf, now and in the last second of the leaf."""
    assert lint.lint_certificate(root, kind="root", issuer_pem=root) == []
    assert lint.lint_certificate(leaf, kind="server", issuer_pem=root) == []
    assert linters.pkilint(root) == []
    assert linters.pkilint(leaf) == []
    last = factories.loaded(leaf).not_valid_after_utc
    for at in (NOW, last - timedelta(seconds=1)):
        question: dict[str, Any] = {"roots": [root], "chain": [leaf], "host": host, "at": at}
        assert linters.everybody(folder, **question) == {True}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize(
    ("ca_length", "server_length"),
    [(256, 256), (256, 2048), (384, 384), (2048, 256), (3072, 3072), (384, 4096)],
)
def test_everybody_accepts_roots_and_server_certificates(
    tmp_path: Path, ca_length: int, server_length: int, mix: str
) -> None:
    ca, names = factories.ca(length=ca_length), MIXES[mix]
    leaf = factories.server(ca, names=names, key_pem=factories.key(server_length))
    judge(tmp_path, ca.pem, leaf, (names.dns or names.addresses)[0])


@pytest.mark.parametrize("years", [1, 5, 10])
@pytest.mark.parametrize("later", [0, 20], ids=["now", "to 2050 and beyond"])
def test_every_length_of_life_is_accepted(tmp_path: Path, years: int, later: int) -> None:
    now = NOW.replace(year=NOW.year + later, day=1) if later else NOW
    key = factories.key(256, 1000)
    validity = get_root_validity(now, years)
    root = build_root(
        key_pem=key, subject=Subject("Zone", "Acme"), validity=validity, serial=generate_serial()
    )
    leaf = factories.server(CA(key, root), now=now)
    assert linters.pkilint(root) == linters.pkilint(leaf) == []
    question: dict[str, Any] = {"roots": [root], "chain": [leaf], "host": factories.FQDN, "at": now}
    assert linters.everybody(tmp_path, **question) == {True}


LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda label: label[2:4] != "--"
)
NAMES = st.builds(
    lambda dns, addresses: Names(
        dns=tuple(".".join(labels) for labels in dns),
        addresses=tuple(str(address) for address in addresses),
    ),
    st.lists(st.lists(LABEL, min_size=2, max_size=4), min_size=1, max_size=4),
    st.lists(st.ip_addresses(), max_size=3),
)
# The limit of a name counts octets of UTF-8.
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64).filter(
    lambda text: len(text.encode()) <= 64
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAMES, st.sampled_from([256, 384, 2048]), TEXT, st.integers(1, 3000))
def test_generated_names_and_subjects_pass_the_linters(
    names: Names, length: int, zone: str, days: int
) -> None:
    key = factories.key(256, 1000)
    root = build_root(
        key_pem=key,
        subject=Subject(zone, organization=zone, country="DE"),
        validity=get_root_validity(NOW, 10),
        serial=generate_serial(),
    )
    if len(names.dns[0]) > 64:
        names = Names(dns=("a.example", *names.dns), addresses=names.addresses)
    leaf = factories.server(CA(key, root), names=names, key_pem=factories.key(length))
    assert lint.lint_certificate(leaf, kind="server", issuer_pem=root) == []
    assert linters.pkilint(root) == linters.pkilint(leaf) == []
    host = names.dns[0]
    assert linters.library_accepts(roots=[root], chain=[leaf], host=host, at=NOW)
    assert Issuer.open(root, key, NOW).not_after > NOW + timedelta(days=days)


def test_the_external_linters_reject_bad_certificates(tmp_path: Path) -> None:
    """A judge that accepts anything would prove nothing."""
    leaf, other = factories.server(factories.ca()), factories.ca("Other", which=9)
    questions: list[dict[str, Any]] = [
        {"roots": [other.pem], "chain": [leaf], "host": factories.FQDN, "at": NOW},
        {"roots": [factories.ca().pem], "chain": [leaf], "host": "other.example", "at": NOW},
        {
            "roots": [factories.ca().pem],
            "chain": [leaf],
            "host": factories.FQDN,
            "at": NOW + timedelta(days=366),
        },
    ]
    for question in questions:
        assert linters.everybody(tmp_path, **question) == {False}
    own = factories.private(factories.key())
    no_identifier = factories.server_extensions(own, own)[:-1]
    assert linters.pkilint(factories.certificate(factories.FQDN, own, "CA", own, no_identifier))
