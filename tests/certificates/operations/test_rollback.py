"""Roll back after an activation, until the old root is retired (beyond the manual: B-5)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.agents import responses
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import rollback
from certificates.operations.states import OperationState
from certificates.trust import roots
from certificates.trust import roots as trust_roots
from faults import Conflict
from systemupdates.models import Assignment, Notice
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


def brought_to_activation(zone, operation, public=None):
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
    operation = brought_to_activation(zone, operation, public)
    walkthrough.activated(zone, operation)
    return walkthrough.step(operation, minutes=11)


def notices(host):
    return [one["payload_type"] for one in host.refresh().get("notices", [])]


def go_back(zone, operation, *hosts):
    """Let hosts heed the roll back: they say so, and servers show their old certificate."""
    for host in hosts or zone.hosts.values():
        assert metadata.ROLLBACK in notices(host), host.name
        host.report(str(operation.update_id), messages.CANCELED, attempt=9)
        before = ServerCertificate.objects.filter(
            device=host.id, authority=operation.authority
        ).first()
        if before is not None:
            host.refresh(server_certificate_sha256=before.digest)


@pytest.mark.parametrize("state", ["activated", "completed"])
def test_the_old_ca_is_current_again_and_both_stay_trusted(zone, state):
    started = walkthrough.remint_ca()
    operation = (brought_to_activation if state == "activated" else cut_over)(zone, started)
    assert operation.state == state
    old, new = operation.authority, operation.future_authority
    rollback.roll_back(operation, now=timezone.now())
    assert Authority.objects.current() == old
    known = trust_roots.trust()
    assert (known.current, known.in_grace) == (old.root_pem, [new.root_pem])
    assert walkthrough.fresh(operation).state == OperationState.ROLLING_BACK
    assert Entry.objects.filter(action="undo").exists()
    assert Entry.objects.filter(action="sign", subject=metadata.ROLLBACK).exists()


def test_it_ends_when_every_server_shows_its_old_certificate_again(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    shown = set(ServerCertificate.objects.current().values_list("authority", flat=True))
    assert shown == {operation.future_authority_id}
    rollback.roll_back(operation, now=timezone.now())
    assert walkthrough.step(operation).state == OperationState.ROLLING_BACK
    go_back(zone, operation, zone.hosts["ps-01"])
    assert walkthrough.step(operation).state == OperationState.ROLLING_BACK
    go_back(zone, operation, zone.hosts["as-01"])
    ended = walkthrough.step(operation)
    assert ended.state == OperationState.ROLLED_BACK
    assert ended.ended_at is not None
    assert rollback.outstanding(ended) == 1
    shown = set(ServerCertificate.objects.current().values_list("authority", flat=True))
    assert shown == {operation.authority_id}


def test_a_device_that_was_away_hears_of_it_later_and_only_then(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    rollback.roll_back(operation, now=timezone.now())
    go_back(zone, operation, zone.hosts["ps-01"], zone.hosts["as-01"])
    assert walkthrough.step(operation).state == OperationState.ROLLED_BACK
    pc = zone.hosts["pc-01"]
    assert metadata.ROLLBACK in notices(pc)
    go_back(zone, operation, pc)
    assert metadata.ROLLBACK not in notices(pc)
    assert rollback.outstanding(walkthrough.fresh(operation)) == 0


def test_a_silent_server_does_not_hold_it(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    rollback.roll_back(operation, now=timezone.now())
    go_back(zone, operation, zone.hosts["ps-01"])
    row = zone.device(zone.hosts["as-01"])
    row.last_contact = timezone.now() - timedelta(hours=1)
    row.save()
    assert walkthrough.step(operation).state == OperationState.ROLLED_BACK


def test_a_lost_device_does_not_recover_to_a_ca_that_was_rolled_back(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    assert len(responses.recovery().notices) == 1
    rollback.roll_back(operation, now=timezone.now())
    assert responses.recovery().notices == []
    assert responses.go_for(zone.device(zone.first), str(operation.update_id)) is None


def test_the_ca_that_was_rolled_back_is_retired_once_nobody_holds_it(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    new = operation.future_authority
    rollback.roll_back(operation, now=timezone.now())
    later = timezone.now() + timedelta(days=31)
    for host in zone.hosts.values():
        host.refresh(root_sha256=new.sha256)
    assert roots.due(later) == []
    for host in zone.hosts.values():
        host.refresh(root_sha256=operation.authority.sha256)
    assert [one.pk for one in roots.due(later)] == [new.pk]


def test_a_server_that_joined_after_the_activation_gets_a_certificate_of_the_old_ca(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    late = zone.join("as-02", messages.AUTHENTICATION_SATELLITE, "127.9.0.4")
    sign_first(zone)
    rollback.roll_back(operation, now=timezone.now())
    waiting = FutureCertificate.objects.open().get(device=late.id)
    assert waiting.authority == operation.authority
    walkthrough.sign(zone, operation.authority)
    assert late.refresh(server_certificate_sha256="00")["certificate"]


def test_internal_to_external_and_external_to_internal_can_be_rolled_back(zone):
    public = PublicCA()
    first = cut_over(zone, walkthrough.to_external(public), public)
    rollback.roll_back(first, now=timezone.now())
    go_back(zone, first)
    assert walkthrough.step(first).state == OperationState.ROLLED_BACK
    assert Authority.objects.current().is_internal


def test_after_it_the_ca_can_be_reminted_with_a_newer_epoch(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    rollback.roll_back(operation, now=timezone.now())
    go_back(zone, operation)
    walkthrough.step(operation)
    again = cut_over(zone, walkthrough.remint_ca(common_name="AGAIN"))
    assert again.state == OperationState.COMPLETED
    assert again.future_authority.epoch > operation.future_authority.epoch


def refused(operation, match):
    before = Authority.objects.current()
    with pytest.raises(Conflict, match=match):
        rollback.roll_back(operation, now=timezone.now())
    assert Authority.objects.current() == before
    assert not Notice.objects.filter(kind=metadata.ROLLBACK).exists()


def test_it_is_refused_before_the_activation_and_twice(zone):
    operation = walkthrough.remint_ca()
    refused(operation, "was activated can be rolled back. Nothing was changed")
    operation = cut_over(zone, operation)
    rollback.roll_back(operation, now=timezone.now())
    with pytest.raises(Conflict):
        rollback.roll_back(operation, now=timezone.now())
    assert Notice.objects.filter(kind=metadata.ROLLBACK).count() == 1


def test_it_is_refused_once_the_old_root_is_retired(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    roots.retire(operation.authority, now=timezone.now())
    refused(Operation.objects.get(pk=operation.pk), "is retired or has expired")


def test_it_is_refused_while_another_operation_is_in_progress(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    walkthrough.remint_servers(zone.hosts["as-01"])
    refused(operation, "Remint Certificate is in progress")


def test_it_is_refused_when_an_old_certificate_has_expired(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    ServerCertificate.objects.filter(
        device=zone.hosts["as-01"].id, authority=operation.authority
    ).update(not_after=timezone.now() - timedelta(days=1))
    refused(operation, "has expired on: as-01")


def test_every_device_is_called_back_also_one_never_offered_the_update(zone):
    operation = cut_over(zone, walkthrough.remint_ca())
    Assignment.objects.filter(device=zone.hosts["pc-01"].id).update(state="pending")
    rollback.roll_back(operation, now=timezone.now())
    assert metadata.ROLLBACK in notices(zone.hosts["pc-01"])
