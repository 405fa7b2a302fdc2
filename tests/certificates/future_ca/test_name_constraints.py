"""Name constraints of a subordinate CA: CSR, chain, and trusted root (D-298)."""

from __future__ import annotations

import pytest
from cryptography import x509

from certificates.future_ca import subordinate
from certificates.models import Authority, CrossCertificate, Operation
from certificates.operations.states import OperationState
from devices.registration import registration
from faults import Invalid, Refused
from pki.certificates.constraints import NameConstraints, read_constraints, read_rules
from pki.chains import chains
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import TestZone

LIMITS = NameConstraints.parse(
    ["test.example", "shop.example"], ["127.9.0.0/24"], ["old.test.example"]
)
NARROW = NameConstraints.parse(["test.example"], ["127.9.0.0/24"])


def requested(pem: str) -> x509.NameConstraints:
    """Return the name constraints that a CSR requests."""
    extensions = x509.load_pem_x509_csr(pem.encode()).extensions
    found = extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical, "RFC 5280 requires it"
    return found.value


def waiting(zone: TestZone, limits: NameConstraints | None) -> Operation:
    zone.first.refresh()
    operation = walkthrough.to_subordinate(zone.first, name_constraints=limits)
    walkthrough.prepare(zone, operation)
    return walkthrough.fresh(operation)


def imported(zone: TestZone, operation: Operation, chain: NameConstraints | None) -> Authority:
    """Import a chain whose lowest certificate has name constraints, and return the new CA."""
    more = [] if chain is None else [(chain.to_extension(), True)]
    walkthrough.import_ca(operation, PublicCA(), more=more)
    walkthrough.prepare(zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.state == OperationState.REPLICATING, operation.reason
    assert operation.future_authority is not None
    return operation.future_authority


def test_the_csr_requests_them(zone: TestZone) -> None:
    assert requested(subordinate.get_csr(waiting(zone, LIMITS))) == LIMITS.to_extension()


def test_without_limits_the_csr_requests_none(zone: TestZone) -> None:
    extensions = x509.load_pem_x509_csr(
        subordinate.get_csr(waiting(zone, None)).encode()
    ).extensions
    assert not [one for one in extensions if isinstance(one.value, x509.NameConstraints)]


@pytest.mark.parametrize("copied", [LIMITS, NARROW, None])
def test_the_trusted_root_has_them_whatever_the_issuer_decides(
    zone: TestZone, copied: NameConstraints | None
) -> None:
    new = imported(zone, waiting(zone, LIMITS), copied)
    assert read_constraints(new.root_pem) == LIMITS
    found = read_rules(chains.split(new.intermediates_pem)[0])
    assert found == (copied.rules if copied else None)
    cross = CrossCertificate.objects.get(subject=new)
    assert read_constraints(cross.pem) == LIMITS


def test_limits_that_exclude_a_server_are_rejected_at_the_start(zone: TestZone) -> None:
    zone.first.refresh()
    other = NameConstraints.parse(["elsewhere.example"], ["127.9.0.0/24"])
    with pytest.raises(Refused, match="do not permit"):
        walkthrough.to_subordinate(zone.first, name_constraints=other)
    assert not Operation.objects.exists()


def test_a_chain_that_excludes_a_server_is_rejected(zone: TestZone) -> None:
    operation = waiting(zone, LIMITS)
    other = NameConstraints.parse(["test.example"])
    with pytest.raises(Invalid, match="do not allow"):
        imported(zone, operation, other)
    assert walkthrough.fresh(operation).awaits_ca_certificate


@pytest.mark.parametrize(
    ("name", "is_permitted"),
    [("www.test.example", True), ("www.shop.example", False), ("www.other.example", False)],
)
def test_names_recorded_later_must_be_permitted_by_root_and_chain(
    zone: TestZone, name: str, *, is_permitted: bool
) -> None:
    imported(zone, waiting(zone, LIMITS), NARROW)
    device = zone.device(zone.first)
    if is_permitted:
        registration.save_dns_names(device, [name], may_add_names=True)
        return
    with pytest.raises(Refused, match="do not permit"):
        registration.save_dns_names(device, [name], may_add_names=True)
