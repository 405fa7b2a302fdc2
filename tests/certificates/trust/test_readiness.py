"""The readiness policy postpones an activation when the freeze period begins."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.models import FutureCertificate
from certificates.operations import activation, intervention
from certificates.operations.states import OperationState
from certificates.trust import readiness
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict, Invalid
from systemupdates.models import Assignment, TrustNotice
from tests.support import walkthrough
from wire import messages, metadata
from wire.metadata import Manifest, verify_document

S = OperationState
OK = [{"server": "s", "code": "ok", "detail": ""}]


@pytest.fixture
def operation(zone):
    """The update is applied, no preflight check has run, a minute before the freeze period."""
    zone.join("pc-01")
    zone.join("pc-02")
    walkthrough.sign(zone, zone_ca())
    for future in FutureCertificate.objects.filter(operation=None):
        zone.first.refresh(server_certificate_sha256=future.digest)
    started = walkthrough.remint_ca()
    walkthrough.prepare(zone, started)
    walkthrough.replicate(zone, started)
    walkthrough.step(started)
    walkthrough.apply(zone, started)
    walkthrough.sign(zone, walkthrough.fresh(started).future_authority)
    return walkthrough.fresh(started)


def zone_ca():
    from certificates.models import Authority

    return Authority.objects.current()


def at_freeze(operation):
    return walkthrough.step(operation, minutes=9, seconds=45)


def test_without_a_policy_the_activation_takes_place(operation):
    assert at_freeze(operation).state == S.ACTIVATING


def test_it_is_postponed_if_too_few_devices_passed_the_preflight_check(zone, operation):
    readiness.save_policy(servers=False, percent=99, days=30)
    before = operation.activates_at
    found = at_freeze(operation)
    assert found.state == S.ASSIGNED
    assert found.activates_at > before
    assert found.postponed == 1
    assert (
        "0 of 3 devices seen in the last 30 days passed the preflight check; 99% required"
        in found.reason
    )
    assert found.update.activates_at == found.activates_at
    assert not TrustNotice.objects.filter(kind=metadata.ACTIVATION_ORDER).exists()
    entry = Entry.objects.get(action="postpone")
    assert entry.detail == {"before": str(before), "after": str(found.activates_at)}
    assert "99% required" in entry.note
    signed = verify_document(
        Manifest,
        metadata.MANIFEST,
        found.update.get_envelope(),
        zone_keys.get_public_keys(Zone.objects.get_zone()),
    )
    assert signed.activate_at == int(found.activates_at.timestamp())
    assert signed.revision > 1


def test_it_takes_place_at_the_later_time_if_the_devices_are_ready(operation):
    readiness.save_policy(servers=True, percent=100, days=30)
    found = at_freeze(operation)
    Assignment.objects.update(preflight_results=OK)
    freezes_at = found.activates_at - Zone.objects.get_zone().freeze_period
    activation.sign_activation_order(walkthrough.fresh(found), now=freezes_at)
    assert walkthrough.fresh(found).state == S.ACTIVATING


def test_devices_without_contact_for_longer_are_not_counted(operation):
    readiness.save_policy(servers=False, percent=100, days=7)
    Assignment.objects.exclude(device__name="pc-02").update(preflight_results=OK)
    Device.objects.filter(name="pc-02").update(last_contact=timezone.now() - timedelta(days=8))
    assert at_freeze(operation).state == S.ACTIVATING


def test_it_is_postponed_if_a_primary_server_has_not_applied_the_update(operation):
    readiness.save_policy(servers=True, percent=0, days=30)
    Assignment.objects.filter(device__role=messages.PRIMARY).update(state="applying")
    found = at_freeze(operation)
    assert "not every Primary Server is ready: ps-01" in found.reason


def test_an_administrator_can_force_it(operation):
    readiness.save_policy(servers=False, percent=99, days=30)
    found = at_freeze(operation)
    intervention.force_activation(found, now=timezone.now())
    assert walkthrough.fresh(found).forced
    assert walkthrough.fresh(found).reason == ""
    assert Entry.objects.filter(action="force").count() == 1
    freezes_at = walkthrough.fresh(found).activates_at - Zone.objects.get_zone().freeze_period
    activation.sign_activation_order(walkthrough.fresh(found), now=freezes_at)
    assert walkthrough.fresh(found).state == S.ACTIVATING


def test_an_activation_that_is_not_blocked_cannot_be_forced(operation):
    with pytest.raises(Conflict, match="The activation is not blocked"):
        intervention.force_activation(operation, now=timezone.now())


def test_it_is_blocked_if_it_cannot_be_postponed(operation):
    readiness.save_policy(servers=False, percent=99, days=30)
    ca = operation.authority
    ca.not_after = operation.activates_at + timedelta(seconds=20)
    ca.save()
    found = at_freeze(operation)
    assert found.state == S.BLOCKED
    assert "cannot be postponed any further" in found.reason


@pytest.mark.parametrize(("percent", "days"), [(-1, 30), (101, 30), (50, 0), (50, 366)])
def test_a_policy_out_of_range_is_rejected(zone, percent, days):
    with pytest.raises(Invalid):
        readiness.save_policy(servers=True, percent=percent, days=days)
    assert not readiness.has_policy(Zone.objects.get_zone())


def test_a_change_of_the_policy_is_audited(zone):
    readiness.save_policy(servers=True, percent=99, days=30)
    detail = Entry.objects.get(action="zone-settings").detail
    assert detail["ready_percent"] == {"before": 0, "after": 99}
