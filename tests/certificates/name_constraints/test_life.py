"""Name constraints when a CA is restored, taken over, expired, or of another type.

Each operation is brought to its end on all hosts.

See: D-280, D-281, D-298
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.authority import key_jobs, key_operations, key_store
from certificates.issuance import integrity, names
from certificates.models import (
    Authority,
    CrossCertificate,
    FutureCertificate,
    Operation,
    ServerCertificate,
    VaultJob,
)
from certificates.name_constraints import proposal
from certificates.operations import rollback
from certificates.operations.states import FutureState, JobState, OperationState
from devices.registration import registration
from faults import Fault, Refused
from pki.certificates.constraints import NameConstraints, read_constraints
from pki.certificates.details import get_details
from pki.chains import chains
from tests.certificates.clients import entered
from tests.certificates.operations.presentation.test_dialogs import REMINT, form_data
from tests.certificates.operations.test_rollback import process_rollback
from tests.devices.registration.test_server_names import register
from tests.pki import factories as pki_factories
from tests.support import factories, public_ca, walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import Host, TestZone
from wire import messages

PASSPHRASE = "seven quiet lakes"
NETWORKS = ["127.9.0.0/24", "10.1.1.0/24"]
NARROW = NameConstraints.parse(["test.example"], NETWORKS)
LIMITS = NameConstraints.parse(["test.example", "shop.example"], NETWORKS)
WIDER = NameConstraints.parse([*LIMITS.domains, "other.example"], NETWORKS)
INSIDE, OUTSIDE = "www.shop.example", "www.other.example"


def complete(
    zone: TestZone,
    operation: Operation,
    ca: PublicCA | None = None,
    *,
    chain: NameConstraints | None = None,
) -> Authority:
    """Bring an operation to its end, and return the new zone CA.

    Another CA, if it is needed, certifies the zone CA with the constraints of `chain`, or signs the
    certificates of the servers.
    """
    walkthrough.prepare(zone, operation)
    if walkthrough.fresh(operation).awaits_ca_certificate:
        assert ca is not None
        more = [] if chain is None else [(chain.to_extension(), True)]
        walkthrough.import_ca(operation, ca, more=more)
        walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.apply(zone, walkthrough.step(operation))
    new = walkthrough.fresh(operation).future_authority
    assert new is not None
    if new.is_internal:
        walkthrough.sign(zone, new)
    else:
        assert ca is not None
        walkthrough.import_all(walkthrough.fresh(operation), ca)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == OperationState.COMPLETED, operation.reason
    return Authority.objects.current()


@pytest.fixture
def limited(zone: TestZone) -> Authority:
    """Limit the zone CA with Remint CA."""
    made = complete(zone, walkthrough.remint_ca(name_constraints=LIMITS))
    assert proposal.get_current() == LIMITS
    zone.first.refresh()
    return made


def save(zone: TestZone, *dns_names: str) -> None:
    """Record additional names of the first server."""
    registration.save_dns_names(zone.device(zone.first), list(dns_names), may_add_names=True)


def assert_rejected(zone: TestZone, name: str) -> None:
    """Assert that a name is not recorded for the first server."""
    before = zone.device(zone.first).dns_names
    with pytest.raises(Refused, match=f"do not permit {name}"):
        save(zone, *before, name)
    assert zone.device(zone.first).dns_names == before


def get_cross_certificate(issuer: Authority, subject: Authority) -> str:
    return CrossCertificate.objects.get(issuer=issuer, subject=subject).pem


def verifies(chain_pem: str, root_pem: str, name: str) -> bool:
    try:
        chains.verify_chain(chain_pem, roots=[root_pem], host=name, now=timezone.now())
    except Fault:
        return False
    return True


def run(zone: TestZone, host: Host, job: VaultJob) -> VaultJob:
    """Run a job on the CA key on a server, and return it."""
    with zone.on(host):
        key_jobs.run(VaultJob.objects.get(pk=job.pk), now=timezone.now())
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.reason
    return job


@pytest.fixture
def second(zone: TestZone) -> Host:
    """A second Primary Server with its certificate."""
    host = walkthrough.join_server(zone, "ps-02", messages.PRIMARY, "127.9.0.2")
    zone.first.refresh()
    return host


@pytest.fixture
def restored(zone: TestZone, second: Host, limited: Authority) -> Authority:
    """Restore the limited CA from a backup to the second server."""
    backup = run(zone, zone.first, key_operations.back_up(PASSPHRASE, by=None))
    data, now = bytes(backup.result), timezone.now()
    second.refresh()
    run(zone, second, key_operations.restore(data, PASSPHRASE, second.guid, by=None, now=now))
    current = Authority.objects.current()
    assert (current.pk, current.certificate_server) == (limited.pk, zone.device(second))
    return current


def test_a_restored_ca_has_its_constraints_and_new_servers_are_checked_with_them(
    zone: TestZone, second: Host, restored: Authority
) -> None:
    assert read_constraints(restored.root_pem) == proposal.get_current() == LIMITS
    with zone.on(second):
        issuer = key_store.open_issuer(restored, now=timezone.now())
    assert read_constraints(issuer.pem) == LIMITS
    inside = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "10.1.1.1")
    walkthrough.sign(zone, restored)
    made = FutureCertificate.objects.get(device=inside.guid)
    assert made.state == FutureState.CREATED, made.reason
    assert verifies(made.chain_pem, restored.root_pem, inside.fqdn)
    outside = Host("as-02", messages.AUTHENTICATION_SATELLITE, "192.0.2.1")
    response = register(zone, outside)
    assert response.status_code == 409
    assert "do not permit 192.0.2.1" in response.json()["title"]
    assert_rejected(zone, OUTSIDE)
    save(zone, INSIDE)


def test_a_restored_key_signs_no_name_outside_that_was_added_with_sql(
    zone: TestZone, restored: Authority
) -> None:
    operation = walkthrough.remint_servers(zone.first)
    future = operation.futures.get()
    asked = {**future.csr_parameters, "dns_names": [zone.first.fqdn, OUTSIDE]}
    FutureCertificate.objects.filter(pk=future.pk).update(csr_parameters=asked)
    assert walkthrough.prepare(zone, operation) == ["ps-02 publish"]
    walkthrough.step(operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    zone.first.request_certificate(str(operation.update_id))
    walkthrough.sign(zone, restored)
    future.refresh_from_db()
    assert future.state == FutureState.CREATE_FAILED
    assert f"{OUTSIDE} is not in the record of ps-01." in future.reason


def test_a_ca_from_a_backup_limits_the_zone_to_its_constraints(zone: TestZone) -> None:
    zone.first.refresh()
    before = Authority.objects.current()
    ca = pki_factories.ca("From a backup", name_constraints=LIMITS)
    new = complete(zone, walkthrough.take_over(zone, ca.pem, ca.key))
    assert new.root_pem == ca.pem
    assert proposal.get_current() == LIMITS
    assert read_constraints(get_cross_certificate(before, new)) == LIMITS
    assert walkthrough.verified_by([before.root_pem], [new.root_pem]) == [True, True]
    assert_rejected(zone, OUTSIDE)
    save(zone, INSIDE)


def test_an_expired_ca_hands_its_constraints_to_the_next_one(
    zone: TestZone, limited: Authority
) -> None:
    expired = timezone.now() - timedelta(days=1)
    Authority.objects.filter(pk=limited.pk).update(not_after=expired)
    assert_rejected(zone, OUTSIDE)
    client = entered(factories.admin())
    form = client.get(REMINT).context["form"]
    assert form["constrain"].value()
    shown = {name: form[name].value() for name in ("domains", "networks", "excluded")}
    assert shown["domains"] == "\n".join(LIMITS.domains)
    response = client.post(REMINT, form_data(activates_at=None, constrain="on", **shown))
    assert response.status_code == 204, response.context["form"].errors
    operation = Operation.objects.blocking().get()
    assert operation.immediate
    steps = ["ps-01 create_future_ca", "ps-01 publish"]
    assert walkthrough.prepare(zone, operation) == steps, "it signs no cross-certificates"
    for state in (OperationState.ASSIGNED, OperationState.ACTIVATING, OperationState.ACTIVATED):
        operation = walkthrough.step(operation)
        assert operation.state == state
    zone.first.request_certificate(str(operation.update_id))
    new = Authority.objects.current()
    walkthrough.sign(zone, new)
    walkthrough.activated(zone, operation)
    assert walkthrough.step(operation).state == OperationState.COMPLETED
    assert new != limited
    assert read_constraints(new.root_pem) == LIMITS
    assert walkthrough.verified_by([new.root_pem]) == [True]
    assert_rejected(zone, OUTSIDE)


def test_a_limited_ca_is_replaced_by_an_external_one_and_back(
    zone: TestZone, limited: Authority
) -> None:
    company = PublicCA("Company")
    external = complete(zone, walkthrough.to_external(company), company)
    assert not external.is_internal
    assert proposal.get_current() is None
    over = get_cross_certificate(limited, external)
    assert read_constraints(over) is None, "it has those of its subject"
    assert walkthrough.verified_by([limited.root_pem], [external.root_pem]) == [True, True]
    # A device that has only the old root accepts only what the old CA permits (D-281).
    for name, is_accepted in ((INSIDE, True), (OUTSIDE, False)):
        request = public_ca.make_csr(public_ca.make_key(), name)
        chain = "".join([company.sign(request), *company.chain, over])
        assert verifies(chain, external.root_pem, name)
        assert verifies(chain, limited.root_pem, name) == is_accepted

    save(zone, OUTSIDE)
    with pytest.raises(Refused, match=f"do not permit {OUTSIDE}"):
        walkthrough.to_internal(zone.first, name_constraints=LIMITS, include_dns=True)
    operation = walkthrough.to_internal(zone.first, name_constraints=WIDER, include_dns=True)
    new = complete(zone, operation)
    assert read_constraints(new.root_pem) == proposal.get_current() == WIDER
    assert read_constraints(get_cross_certificate(new, external)) is None
    [row] = ServerCertificate.objects.current()
    assert OUTSIDE in get_details(chains.split(row.chain_pem)[0]).dns_names
    assert verifies(row.chain_pem, new.root_pem, OUTSIDE)
    assert_rejected(zone, "www.elsewhere.example")
    assert list(integrity.list_findings(timezone.now())) == []


def test_a_limited_ca_becomes_a_subordinate_one_and_internal_again(
    zone: TestZone, limited: Authority
) -> None:
    company = PublicCA("Company")
    same = proposal.get_current()
    operation = walkthrough.to_subordinate(zone.first, name_constraints=same)
    below = complete(zone, operation, company, chain=NARROW)
    assert below.is_subordinate
    assert read_constraints(below.root_pem) == proposal.get_current() == LIMITS
    for pair in ((limited, below), (below, limited)):
        assert read_constraints(get_cross_certificate(*pair)) == LIMITS
    stores = [limited.root_pem], [below.root_pem], [company.root.pem]
    assert walkthrough.verified_by(*stores) == [True, True, True]
    assert_rejected(zone, INSIDE)  # the company permits less

    same = proposal.get_current()
    new = complete(zone, walkthrough.to_internal(zone.first, name_constraints=same))
    assert not new.is_subordinate
    assert read_constraints(new.root_pem) == proposal.get_current() == LIMITS
    for pair in ((below, new), (new, below)):
        assert read_constraints(get_cross_certificate(*pair)) == LIMITS
    assert walkthrough.verified_by([below.root_pem], [new.root_pem]) == [True, True]
    save(zone, INSIDE)
    assert_rejected(zone, OUTSIDE)
    assert list(integrity.list_findings(timezone.now())) == []


def test_after_a_rollback_from_an_external_ca_the_constraints_apply_again(
    zone: TestZone, limited: Authority
) -> None:
    company = PublicCA("Company")
    operation = walkthrough.to_external(company)
    complete(zone, operation, company)
    save(zone, OUTSIDE)
    operation = walkthrough.fresh(operation)
    rollback.roll_back(operation, now=timezone.now())
    process_rollback(zone, operation)
    assert walkthrough.step(operation).state == OperationState.ROLLED_BACK
    assert Authority.objects.current() == limited
    assert proposal.get_current() == LIMITS
    device = zone.device(zone.first)
    assert f"do not permit {OUTSIDE}" in names.find_name_faults([device])[device.pk]
    with pytest.raises(Refused, match=f"do not permit {OUTSIDE}"):
        walkthrough.remint_servers(zone.first, include_dns=True)
    walkthrough.remint_servers(zone.first)
