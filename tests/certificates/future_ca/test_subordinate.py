"""Change CA to a subordinate CA and back, Remint CA, and Cancel (D-295 to D-297)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from django.db import connection
from django.utils import timezone

from audit.models import Entry
from audit.models.authenticated import RowAltered
from certificates.future_ca import subordinate
from certificates.issuance import integrity, signing
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import cancellation
from certificates.operations.activation_time import TooEarly
from certificates.operations.states import AuthorityState, OperationState
from certificates.revocation import lists
from certificates.trust import roots
from devices.models import Device
from faults import Conflict, Invalid
from pki.certificates import details
from pki.chains import chains
from pki.formats import csr
from pki.keys import generate_key
from pki.names import Subject
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import Host, TestZone
from wire import messages

S = OperationState


@pytest.fixture
def second(zone: TestZone) -> Host:
    """A second Primary Server with its certificate. Both servers are online."""
    host = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    first = FutureCertificate.objects.get(device=host.guid)
    host.refresh(server_certificate_sha256=first.digest)
    zone.first.refresh()
    return host


def finish(zone: TestZone, operation: Operation) -> Operation:
    """Bring an operation from the import of the chain to completion."""
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    assert operation.state == S.ASSIGNED, operation.reason
    walkthrough.apply(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    assert new is not None
    walkthrough.sign(zone, new)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    return operation


def both(operation: Operation) -> tuple[Authority, Authority]:
    old, new = operation.authority, operation.future_authority
    assert old is not None
    assert new is not None
    return Authority.objects.get(pk=old.pk), Authority.objects.get(pk=new.pk)


def waiting(zone: TestZone, server: Host) -> Operation:
    """Return an operation that waits for the certificate of its new CA."""
    server.refresh()
    operation = walkthrough.to_subordinate(server)
    walkthrough.prepare(zone, operation)
    return walkthrough.fresh(operation)


def changed(zone: TestZone, ca: PublicCA) -> Operation:
    """Change the zone to a subordinate CA on its first server."""
    operation = waiting(zone, zone.first)
    walkthrough.import_ca(operation, ca)
    return finish(zone, operation)


def test_change_to_a_subordinate_ca_on_another_server(zone: TestZone, second: Host) -> None:
    zone.join("pc-01")
    ca = PublicCA()
    operation = walkthrough.to_subordinate(second)
    assert walkthrough.prepare(zone, operation) == ["ps-02 create_future_ca"]
    operation = walkthrough.fresh(operation)
    assert operation.awaits_ca_certificate
    assert walkthrough.step(operation).state == S.PREPARING, "it waits for the certificate"
    assert not roots.build_trust().pending, "devices do not get the root that stands for the CA"

    chain = walkthrough.import_ca(operation, ca)
    assert walkthrough.prepare(zone, operation) == [
        "ps-02 sign_trusted_root",
        "ps-01 sign_new_with_old",
        "ps-02 sign_old_with_new",
        "ps-02 publish",
    ]
    operation = finish(zone, operation)
    old, new = both(operation)
    assert (old.state, new.state) == (AuthorityState.GRACE, AuthorityState.CURRENT)
    assert new.is_internal
    assert new.is_subordinate
    assert str(new.certificate_server_id) == second.id
    assert new.subject == details.get_details(chain[0]).subject
    assert new.not_after == details.get_details(chain[0]).not_after
    assert chains.split(new.intermediates_pem) == chain
    assert walkthrough.verified_by(
        [old.root_pem], [old.root_pem, new.root_pem], [new.root_pem], [ca.root.pem]
    ) == [True, True, True, True]
    served = chains.split(ServerCertificate.objects.current()[0].chain_pem)
    assert served[2:] == chain[:2], "leaf, cross-certificate, zone CA, intermediate"
    assert roots.build_trust().current == new.root_pem
    assert ca.root.pem not in roots.build_roots_pem(), "devices do not trust the corporate root"
    assert list(integrity.list_findings(timezone.now())) == []
    assert new in lists.list_due(timezone.now()), "its CRL is issued as that of an internal CA"
    assert Entry.objects.filter(action="import-ca").exists()


def test_a_subordinate_ca_is_replaced_by_one_of_another_company(zone: TestZone) -> None:
    first, second = PublicCA("First"), PublicCA("Second")
    changed(zone, first)
    operation = changed(zone, second)
    old, new = both(operation)
    assert old.is_subordinate
    assert new.is_subordinate
    assert walkthrough.verified_by(
        [old.root_pem], [new.root_pem], [second.root.pem], [first.root.pem]
    ) == [True, True, True, False]


def test_a_subordinate_ca_is_replaced_by_an_internal_one(zone: TestZone) -> None:
    changed(zone, PublicCA())
    operation = finish(zone, walkthrough.to_internal(zone.first))
    old, new = both(operation)
    assert old.is_subordinate
    assert not new.is_subordinate
    assert walkthrough.verified_by([old.root_pem], [new.root_pem]) == [True, True]
    served = chains.split(ServerCertificate.objects.current()[0].chain_pem)
    assert len(served) == 3, "the cross-certificates for both previous roots"
    assert not set(chains.split(old.intermediates_pem)) & set(served)


def test_a_subordinate_ca_is_replaced_by_an_external_one(zone: TestZone) -> None:
    changed(zone, PublicCA())
    ca = PublicCA("Other")
    operation = walkthrough.to_external(ca)
    assert "ps-01 sign_new_with_old" in walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.apply(zone, walkthrough.step(operation))
    walkthrough.import_all(walkthrough.fresh(operation), ca)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == S.COMPLETED
    old, new = both(operation)
    assert walkthrough.verified_by([old.root_pem], [new.root_pem]) == [True, True]


def test_remint_of_a_subordinate_ca_needs_a_new_certificate(zone: TestZone) -> None:
    ca = PublicCA()
    before = changed(zone, ca).future_authority
    operation = walkthrough.remint_ca(common_name="Zone CA")
    walkthrough.prepare(zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.awaits_ca_certificate
    walkthrough.import_ca(operation, ca)
    old, new = both(finish(zone, operation))
    assert old == before
    assert new.is_subordinate
    assert chains.get_public_key(old.root_pem) != chains.get_public_key(new.root_pem)
    assert walkthrough.verified_by([old.root_pem], [new.root_pem], [ca.root.pem]) == [True] * 3


def test_a_ca_below_the_external_root_keeps_devices_of_that_root_connected(outside: Any) -> None:
    zone, ca = outside
    operation = changed(zone, ca)
    old, new = both(operation)
    assert old.root_pem == ca.root.pem
    assert walkthrough.verified_by([old.root_pem], [new.root_pem]) == [True, True], (
        "the chain of the new CA ends in the root that devices trusted before"
    )


def test_a_waiting_operation_can_be_canceled(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    cancellation.cancel(operation, now=timezone.now())
    assert walkthrough.step(operation).state == S.CANCELED
    assert_discarded(operation)
    with pytest.raises(Conflict, match="not waiting for the certificate"):
        subordinate.get_csr(walkthrough.fresh(operation))


def assert_discarded(operation: Operation) -> None:
    """Assert that nothing of the new CA of a canceled operation is left."""
    new = Authority.objects.get(pk=operation.future_authority_id)
    assert new.state == AuthorityState.DISCARDED
    assert not new.sealed_key
    assert not roots.build_trust().pending
    assert not operation.futures.exclude(state="discarded").exists()


@pytest.mark.parametrize("is_remint", [False, True], ids=["change", "remint"])
@pytest.mark.parametrize("state", [S.REPLICATING, S.ASSIGNED])
def test_an_operation_can_be_canceled_after_the_import(
    zone: TestZone, state: str, *, is_remint: bool
) -> None:
    if is_remint:
        changed(zone, PublicCA())
        operation = walkthrough.remint_ca(common_name="Zone CA")
        walkthrough.prepare(zone, operation)
    else:
        operation = waiting(zone, zone.first)
    before = Authority.objects.current()
    walkthrough.import_ca(operation, PublicCA("Other"))
    walkthrough.prepare(zone, operation)
    if state == S.ASSIGNED:
        walkthrough.replicate(zone, operation)
        walkthrough.step(operation)
        walkthrough.apply(zone, operation)
    operation = walkthrough.fresh(operation)
    assert operation.state == state
    cancellation.cancel(operation, now=timezone.now())
    assert walkthrough.step(operation).state == S.CANCELED
    assert_discarded(operation)
    assert Authority.objects.current() == before
    assert before.is_subordinate == is_remint
    assert roots.build_trust().current == before.root_pem


def rejected(operation: Operation, data: str, **later: float) -> Invalid:
    now = timezone.now() + timedelta(**later)
    with pytest.raises(Invalid) as caught:
        subordinate.import_file(walkthrough.fresh(operation), data.encode(), now=now)
    assert walkthrough.fresh(operation).awaits_ca_certificate, "nothing was changed"
    return caught.value


def test_a_chain_for_another_key_is_rejected(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    other = csr.build_ca_csr(generate_key(256), Subject("Zone CA"))
    fault = rejected(operation, "".join(PublicCA().certify(other)))
    assert "match the key of the new zone CA" in fault.explanation
    assert fault.explanation.endswith("Nothing was changed.")
    assert fault.field == "file"


def test_name_constraints_must_allow_all_names_and_addresses(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    request = subordinate.get_csr(operation)
    names = subordinate.list_names(operation)
    server = Device.objects.get(pk=zone.first.guid)
    assert server.fqdn in names
    assert set(server.addresses) <= set(names)
    other = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
    fault = rejected(operation, "".join(PublicCA().certify(request, more=[(other, True)])))
    assert f"do not allow {server.fqdn}" in fault.explanation


def test_a_chain_that_expires_before_the_activation_is_rejected(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    request, soon = subordinate.get_csr(operation), timezone.now() + timedelta(minutes=5)
    fault = rejected(operation, "".join(PublicCA().certify(request, ends=soon)))
    assert "before the activation time" in fault.explanation


def test_the_activation_time_must_be_changed_first_if_it_is_too_early(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    chain = PublicCA().certify(subordinate.get_csr(operation))
    with pytest.raises(TooEarly):
        subordinate.import_file(
            operation, "".join(chain).encode(), now=timezone.now() + timedelta(minutes=9)
        )
    assert walkthrough.fresh(operation).awaits_ca_certificate


def test_a_chain_is_imported_once(zone: TestZone) -> None:
    operation, ca = waiting(zone, zone.first), PublicCA()
    walkthrough.import_ca(operation, ca)
    with pytest.raises(Conflict, match="not waiting"):
        walkthrough.import_ca(operation, ca)


def test_a_csr_for_another_key_is_not_handed_out(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    stranger = csr.build_ca_csr(generate_key(256), Subject("Zone CA"))
    Authority.objects.filter(pk=operation.future_authority_id).update(csr_pem=stranger)
    with pytest.raises(Conflict, match="changed in the database"):
        subordinate.get_csr(walkthrough.fresh(operation))


def test_a_chain_that_was_changed_in_the_database_is_not_used(zone: TestZone) -> None:
    operation = waiting(zone, zone.first)
    rows = Authority.objects.filter(pk=operation.future_authority_id)
    chain = "".join(PublicCA().certify(rows.get().csr_pem))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE certificates_authority SET intermediates_pem = %s WHERE state = 'future'",
            [chain],
        )
    with pytest.raises(RowAltered):
        walkthrough.prepare(zone, operation)
