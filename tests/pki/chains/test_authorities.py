"""Uploaded CA files: which root and which intermediates are used, whatever else is in the file."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest

from pki.chains import chains
from pki.errors import BadCertificate, BadChain
from tests.pki import factories
from tests.pki.factories import NOW

DAY = timedelta(days=1)
ROOT_KEY, OLD_KEY, MIDDLE_KEY, OTHER_KEY = (
    factories.private(factories.key(256, 140 + which)) for which in range(4)
)


def ca(subject: str, own: Any, issuer: str, signer: Any, **dates: Any) -> str:
    return factories.certificate(
        subject, own, issuer, signer, factories.ca_extensions(own, signer), **dates
    )


ROOT = ca("Root", ROOT_KEY, "Root", ROOT_KEY, ends=NOW + 3000 * DAY)
MIDDLE = ca("Middle", MIDDLE_KEY, "Root", ROOT_KEY, ends=NOW + 2000 * DAY)
OLD_ROOT = ca("Old Root", OLD_KEY, "Old Root", OLD_KEY)
CROSS = ca("Root", ROOT_KEY, "Old Root", OLD_KEY)


@pytest.mark.parametrize("certs", [[CROSS], [CROSS, OLD_ROOT]])
def test_a_cross_certificate_of_the_root_is_left_out(certs: list[str]) -> None:
    for given in itertools.permutations([ROOT, MIDDLE, *certs]):
        assert chains.split_root(list(given)) == (ROOT, [MIDDLE])


def test_the_issuers_of_a_cross_certificate_are_left_out() -> None:
    between = ca("Between", OTHER_KEY, "Old Root", OLD_KEY)
    crossing = ca("Root", ROOT_KEY, "Between", OTHER_KEY)
    given = [ROOT, MIDDLE, between, crossing, OLD_ROOT]
    for _ in range(5):
        random.shuffle(given)
        assert chains.split_root(given) == (ROOT, [MIDDLE])


def test_roots_that_certify_each_other_are_rejected() -> None:
    back = ca("Old Root", OLD_KEY, "Root", ROOT_KEY)
    with pytest.raises(BadChain, match=r"more than one root .*Old Root.* and .*Root"):
        chains.split_root([ROOT, OLD_ROOT, CROSS, back])


def test_an_unrelated_second_root_is_rejected() -> None:
    with pytest.raises(BadChain, match="more than one root"):
        chains.split_root([ROOT, MIDDLE, OLD_ROOT])


def test_of_a_renewed_root_the_one_that_ends_last_is_used() -> None:
    before = ca("Root", ROOT_KEY, "Root", ROOT_KEY, ends=NOW + 10 * DAY)
    for given in itertools.permutations([ROOT, before, MIDDLE]):
        assert chains.split_root(list(given)) == (ROOT, [MIDDLE])


def test_an_expired_intermediate_is_left_out_if_it_was_renewed() -> None:
    expired = ca("Middle", MIDDLE_KEY, "Root", ROOT_KEY, ends=NOW - DAY / 2)
    for given in itertools.permutations([ROOT, expired, MIDDLE]):
        assert chains.split_root(list(given), at=NOW) == (ROOT, [MIDDLE])
    with pytest.raises(BadCertificate, match=r'"CN=Middle" \(certificate 2, .*\) expired on'):
        chains.split_root([ROOT, expired], at=NOW)


def test_a_rekeyed_intermediate_is_kept_beside_the_one_before() -> None:
    rekeyed = ca("Middle", OTHER_KEY, "Root", ROOT_KEY)
    root, others = chains.split_root([MIDDLE, rekeyed, ROOT])
    assert root == ROOT
    assert set(others) == {MIDDLE, rekeyed}


def test_one_of_several_issuing_cas_must_be_able_to_sign_for_each_server() -> None:
    from cryptography import x509

    def limited(name: str, own: Any, domain: str) -> str:
        constraint = x509.NameConstraints([x509.DNSName(domain)], None)
        extensions = [*factories.ca_extensions(own, ROOT_KEY), (constraint, True)]
        return factories.certificate(name, own, "Root", ROOT_KEY, extensions)

    east = limited("East", MIDDLE_KEY, "east.example")
    west = limited("West", OTHER_KEY, "west.example")
    both = ["a.east.example", "b.west.example"]
    chains.split_root([ROOT, *[east, west]], hosts=both)
    with pytest.raises(BadChain, match=r"do not allow c\.south\.example"):
        chains.split_root([ROOT, *[east, west]], hosts=[*both, "c.south.example"])
    many = [f"host{number}.east.example" for number in range(450)]
    chains.split_root([ROOT, *[east]], hosts=many)
    with pytest.raises(BadChain, match=r'"CN=East" .* do not allow other.example'):
        chains.split_root([ROOT, *[east]], hosts=[*many, "other.example"])
