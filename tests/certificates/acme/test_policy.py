"""The names of hosts are inside the limits of every CA with which programs verify them (D-298)."""

from __future__ import annotations

import pytest

from certificates.acme import issuers, policy
from certificates.acme.problems import RejectedIdentifier
from certificates.models import Authority, Operation
from pki.certificates.constraints import NameConstraints
from tests.certificates.future_ca.test_name_constraints import LIMITS, NARROW, imported, waiting
from tests.support import factories, walkthrough
from tests.support.zone import TestZone

PATTERNS = ["*.example", "*.test.example", "*.shop.example", "*.other.example"]


def is_permitted(name: str, authority: Authority) -> bool:
    try:
        policy.check_names([name], PATTERNS, authority)
    except RejectedIdentifier:
        return False
    return True


@pytest.mark.parametrize(
    ("chain", "permitted"),
    [(NARROW, {"www.test.example"}), (None, {"www.test.example", "www.shop.example"})],
)
def test_the_limits_of_the_whole_chain_of_a_subordinate_ca_apply(
    zone: TestZone, chain: NameConstraints | None, permitted: set[str]
) -> None:
    new = imported(zone, waiting(zone, LIMITS), chain)
    names = ("www.test.example", "www.shop.example", "www.other.example")
    assert {name for name in names if is_permitted(name, new)} == permitted


def test_before_the_activation_the_limits_of_both_cas_apply(zone: TestZone) -> None:
    old = Authority.objects.current()
    wide = NameConstraints.parse(["test.example", "shop.example"], ["127.9.0.0/24"])
    found = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20), name_constraints=wide)
    walkthrough.prepare(zone, found)
    Operation.objects.filter(pk=found.pk).update(state="assigned")
    new = issuers.get_issuing_authority(factories.now())
    assert new != old
    assert is_permitted("www.shop.example", new)
    assert not is_permitted("www.other.example", new)
    narrow = NameConstraints.parse(["test.example"], ["127.9.0.0/24"])
    limited = factories.root_pem("OLD", factories.now(), factories.now() + factories.YEAR, narrow)
    Authority.objects.filter(pk=old.pk).update(root_pem=limited)
    assert is_permitted("www.test.example", new)
    assert not is_permitted("www.shop.example", new)
