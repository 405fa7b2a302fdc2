"""Roll back after an activation, until the old root is retired."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.agents import pending_items, responses
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import rollback
from certificates.operations.states import OperationState
from certificates.trust import roots
from certificates.trust import roots as trust_roots
from faults import Conflict
from systemupdates.models import Assignment, TrustNotice
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from wire import messages, metadata


@pytest.fixture
def zone(zone):
    zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    zone.join("pc-01")
    sign_first(zone)
    return zone


def sign_first(zone):
    walkthrough.sign(zone, Authority.objects.current())
    for future in FutureCertificate.objects.filter(operation=None):
        host = next(h for h in zone.hosts.values() if h.id == str(future.device_id))
        host.refresh(server_certificate_sha256=future.digest)


def bring_to_activation(zone, operation, public=None):
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    if public is not None:
        walkthrough.import_all(operation, public)
    else:
        walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    walkthrough.step(operation, minutes=9, seconds=45)
    return walkthrough.step(operation, minutes=11)


def cut_over(zone, operation, public=None):
    operation = bring_to_activation(zone, operation, public)
    walkthrough.activated(zone, operation)
    return walkthrough.step(operation, minutes=11)


def notices(host):
    return [one["payload_type"] for one in host.refresh().get("notices", [])]


def process_rollback(zone, operation, *hosts):
    """Let hosts process the rollback: they report it, and servers use their old certificate."""
    for host in hosts or zone.hosts.values():
        assert metadata.ROLLBACK in notices(host), host.name
        host.report(str(operation.update_id), messages.CANCELED, attempt=9)
        before = ServerCertificate.objects.filter(
            device=host.id, authority=operation.authority
        ).first()
        if before is not None:
            host.refresh(server_certificate_sha256=before.digest)


@pytest.mark.parametrize("state", ["activated", "completed"])
def test_rollback_makes_the_old_ca_current_and_keeps_both_trusted(zone, state):
    started = walkthrough.remint_ca()
    operation = (bring_to_activation if state == "activated" else cut_over)(zone, started)
    assert operation.state == state
    old, new = operation.authority, operation.future_authority
    rollback.roll_back(operation, now=timezone.now())
    assert Authority.objects.current() == old
    known = trust_roots.build_trust()
    assert (known.current, known.in_grace) == (old.root_pem, [new.root_pem])
    assert walkthrough.fresh(operation).state == OperationState.ROLLING_BACK
    assert Entry.objects.filter(action="undo").exists()
    assert Entry.objects.filter(action="sign", subject=metadata.ROLLBACK).exists()


def test_rollback_ends_when_every_server_uses_its_old_certificate(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    shown = set(ServerCertificate.objects.current().values_list("authority", flat=True))
    assert shown == {operation.future_authority_id}
    rollback.roll_back(operation, now=timezone.now())
    assert walkthrough.step(operation).state == OperationState.ROLLING_BACK
    process_rollback(zone, operation, zone.hosts["ps-01"])
    assert walkthrough.step(operation).state == OperationState.ROLLING_BACK
    process_rollback(zone, operation, zone.hosts["as-01"])
    ended = walkthrough.step(operation)
    assert ended.state == OperationState.ROLLED_BACK
    assert ended.ended_at is not None
    assert rollback.count_outstanding(ended) == 1
    shown = set(ServerCertificate.objects.current().values_list("authority", flat=True))
    assert shown == {operation.authority_id}


def test_an_offline_device_receives_the_rollback_at_its_next_contact(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    rollback.roll_back(operation, now=timezone.now())
    process_rollback(zone, operation, zone.hosts["ps-01"], zone.hosts["as-01"])
    assert walkthrough.step(operation).state == OperationState.ROLLED_BACK
    pc = zone.hosts["pc-01"]
    assert metadata.ROLLBACK in notices(pc)
    process_rollback(zone, operation, pc)
    assert metadata.ROLLBACK not in notices(pc)
    assert rollback.count_outstanding(walkthrough.fresh(operation)) == 0


def test_an_offline_server_does_not_block_the_rollback(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    rollback.roll_back(operation, now=timezone.now())
    process_rollback(zone, operation, zone.hosts["ps-01"])
    row = zone.device(zone.hosts["as-01"])
    row.last_contact = timezone.now() - timedelta(hours=1)
    row.save()
    assert walkthrough.step(operation).state == OperationState.ROLLED_BACK


def test_no_recovery_notice_exists_after_a_rollback(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    assert len(pending_items.build_recovery_notices().notices) == 1
    rollback.roll_back(operation, now=timezone.now())
    assert pending_items.build_recovery_notices().notices == []
    assert responses.get_activation_order(zone.device(zone.first), str(operation.update_id)) is None


def test_the_rolled_back_ca_is_retired_when_no_device_uses_it(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    new = operation.future_authority
    rollback.roll_back(operation, now=timezone.now())
    later = timezone.now() + timedelta(days=31)
    for host in zone.hosts.values():
        host.refresh(root_sha256=new.sha256)
    assert roots.list_due_roots(later) == []
    for host in zone.hosts.values():
        host.refresh(root_sha256=operation.authority.sha256)
    assert [one.pk for one in roots.list_due_roots(later)] == [new.pk]


def test_a_server_registered_after_activation_gets_a_certificate_from_the_old_ca(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    late = zone.join("as-02", messages.AUTHENTICATION_SATELLITE, "127.9.0.4")
    sign_first(zone)
    rollback.roll_back(operation, now=timezone.now())
    waiting = FutureCertificate.objects.open().get(device=late.id)
    assert waiting.authority == operation.authority
    walkthrough.sign(zone, operation.authority)
    assert late.refresh(server_certificate_sha256="0" * 64)["certificate"]


def test_a_change_to_an_external_ca_can_be_rolled_back(zone):
    public = PublicCA()
    first = cut_over(zone, walkthrough.to_external(public), public)
    rollback.roll_back(first, now=timezone.now())
    process_rollback(zone, first)
    assert walkthrough.step(first).state == OperationState.ROLLED_BACK
    assert Authority.objects.current().is_internal


def test_a_remint_after_a_rollback_has_a_higher_epoch(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    rollback.roll_back(operation, now=timezone.now())
    process_rollback(zone, operation)
    walkthrough.step(operation)
    again = cut_over(zone, walkthrough.remint_ca(common_name="AGAIN"))
    assert again.state == OperationState.COMPLETED
    assert again.future_authority.epoch > operation.future_authority.epoch


def assert_rejected(operation, match):
    before = Authority.objects.current()
    with pytest.raises(Conflict, match=match):
        rollback.roll_back(operation, now=timezone.now())
    assert Authority.objects.current() == before
    assert not TrustNotice.objects.filter(kind=metadata.ROLLBACK).exists()


def test_rollback_is_rejected_before_activation_and_twice(zone):
    operation = walkthrough.remint_ca()
    assert_rejected(
        operation, "Only an activated CA change can be rolled back. Nothing was changed"
    )
    operation = cut_over(zone, operation)
    rollback.roll_back(operation, now=timezone.now())
    with pytest.raises(Conflict):
        rollback.roll_back(operation, now=timezone.now())
    assert TrustNotice.objects.filter(kind=metadata.ROLLBACK).count() == 1


def test_rollback_is_rejected_after_the_old_root_is_retired(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    roots.retire_root(operation.authority, now=timezone.now())
    assert_rejected(Operation.objects.get(pk=operation.pk), "has been retired or has expired")


def test_rollback_is_rejected_during_another_operation(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    walkthrough.remint_servers(zone.hosts["as-01"])
    assert_rejected(operation, "Remint Certificate is in progress")


def test_rollback_is_rejected_if_an_old_certificate_has_expired(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    ServerCertificate.objects.filter(
        device=zone.hosts["as-01"].id, authority=operation.authority
    ).update(not_after=timezone.now() - timedelta(days=1))
    assert_rejected(operation, "has expired on these servers: as-01")


def test_a_device_without_the_update_receives_the_rollback(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    Assignment.objects.filter(device=zone.hosts["pc-01"].id).update(state="pending")
    rollback.roll_back(operation, now=timezone.now())
    assert metadata.ROLLBACK in notices(zone.hosts["pc-01"])
