"""Of several certificates and paths, the ones that serve devices for the longest time are used."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import keys
from pki.chains import chains
from pki.errors import BadCertificate
from pki.names import Names
from tests.pki import factories
from tests.pki.factories import FQDN, NOW

DAY = timedelta(days=1)
FAMILY = factories.family()
LEAF_KEY = factories.private(FAMILY.leaf_key)
ACTIVE_AT = NOW + 10 * DAY


def middle(**dates: Any) -> str:
    extensions = factories.ca_extensions(FAMILY.middle_key, FAMILY.root_key)
    return factories.certificate(
        "Ext Sub", FAMILY.middle_key, "Ext Root", FAMILY.root_key, extensions, **dates
    )


def leaf(extensions: Any = None, **dates: Any) -> str:
    found = extensions or factories.server_extensions(LEAF_KEY, FAMILY.middle_key)
    return factories.certificate(FQDN, LEAF_KEY, "Ext Sub", FAMILY.middle_key, found, **dates)


def choose(certs: list[str], known: list[str], root: str = FAMILY.root) -> tuple[list[str], Any]:
    expected = chains.Requirements(
        names=Names(dns=(FQDN,)), fqdn=FQDN, now=NOW, active_at=ACTIVE_AT
    )
    return chains.choose_chain(
        certs,
        known,
        root_pem=root,
        public_key=keys.get_public_key(FAMILY.leaf_key),
        expected=expected,
    )


OLD, RENEWED = middle(ends=NOW + 5 * DAY), middle(ends=NOW + 900 * DAY)
EARLY = middle(begins=ACTIVE_AT + DAY, ends=NOW + 2000 * DAY)


def test_the_renewed_intermediate_is_served_whatever_the_order() -> None:
    for given in itertools.permutations([FAMILY.leaf, OLD, RENEWED, EARLY]):
        assert choose(list(given), []) == ([FAMILY.leaf, RENEWED], [])
    assert choose([FAMILY.leaf, RENEWED], [OLD]) == ([FAMILY.leaf, RENEWED], [])
    assert choose([FAMILY.leaf, OLD], [RENEWED]) == ([FAMILY.leaf, RENEWED], [])


def test_an_intermediate_that_ends_before_the_activation_is_named() -> None:
    for certs in ([FAMILY.leaf, OLD], [FAMILY.leaf, OLD, EARLY]):
        with pytest.raises(BadCertificate, match=r'"CN=Ext Sub" .*(activation time)'):
            choose(certs, [])


def test_every_end_in_the_chain_that_is_near_is_a_warning() -> None:
    soon = middle(ends=ACTIVE_AT + 4 * DAY)
    (warning,) = choose([FAMILY.leaf, soon], [])[1]
    assert warning.startswith('"CN=Ext Sub" (certificate 2, serial number ')
    assert "expires soon" in warning
    root = factories.certificate(
        "Ext Root",
        FAMILY.root_key,
        "Ext Root",
        FAMILY.root_key,
        factories.ca_extensions(FAMILY.root_key, FAMILY.root_key),
        ends=ACTIVE_AT + 4 * DAY,
    )
    (warning,) = choose([FAMILY.leaf, RENEWED], [], root)[1]
    assert warning.startswith('"CN=Ext Root" (serial number ')
    before_leaf = middle(ends=NOW + 200 * DAY)
    (warning,) = choose([FAMILY.leaf, before_leaf], [])[1]
    assert "expires before the server certificate" in warning


CLIENT = [
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
    (factories.alternatives(FQDN), False),
]


@pytest.mark.parametrize(
    "unusable",
    [
        leaf(begins=ACTIVE_AT + DAY, ends=NOW + 900 * DAY),
        leaf(CLIENT, begins=NOW),
        leaf(factories.server_extensions(LEAF_KEY, FAMILY.middle_key, "other.example"), begins=NOW),
        leaf(begins=NOW - DAY / 2, ends=NOW + DAY),
    ],
    ids=["future", "client", "other-name", "ends-early"],
)
def test_a_certificate_that_cannot_be_used_does_not_replace_a_good_one(unusable: str) -> None:
    for given in itertools.permutations([unusable, FAMILY.leaf, RENEWED]):
        assert choose(list(given), [])[0] == [FAMILY.leaf, RENEWED]


def test_the_last_second_belongs_to_the_validity_period() -> None:
    last = choose([leaf(ends=ACTIVE_AT), RENEWED], [])
    assert "expires soon" in last[1][0]
    with pytest.raises(BadCertificate, match="before the activation time"):
        choose([leaf(ends=ACTIVE_AT - timedelta(seconds=1)), RENEWED], [])


def test_a_weak_signature_of_an_intermediate_is_named_as_such() -> None:
    weak = factories.certificate(
        "Ext Sub",
        FAMILY.middle_key,
        "Ext Root",
        FAMILY.root_key,
        factories.ca_extensions(FAMILY.middle_key, FAMILY.root_key),
        algorithm=hashes.SHA224(),
    )
    with pytest.raises(BadCertificate, match=r'"CN=Ext Sub" .* is signed with a weak'):
        choose([FAMILY.leaf, weak], [])


def test_the_root_with_other_dates_is_not_another_root() -> None:
    """A .p7b file of a CA that renewed its root with the same key contains both."""
    renewed = factories.certificate(
        "Ext Root",
        FAMILY.root_key,
        "Ext Root",
        FAMILY.root_key,
        factories.ca_extensions(FAMILY.root_key, FAMILY.root_key),
        ends=NOW + 4000 * DAY,
    )
    for given in itertools.permutations([FAMILY.leaf, RENEWED, renewed, FAMILY.root]):
        assert choose(list(given), []) == ([FAMILY.leaf, RENEWED], [])
