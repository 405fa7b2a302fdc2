"""The readiness gate: at the lock-out the zone's policy puts an activation off (B-3)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.models import FutureCertificate
from certificates.operations import activation, intervention
from certificates.operations.states import OperationState
from certificates.trust import readiness
from devices.models import Device, Zone
from faults import Conflict, Invalid
from systemupdates.models import Assignment, Notice
from tests.support import walkthrough
from wire import messages, metadata
from wire.metadata import Manifest, open_as

S = OperationState
OK = [{"server": "s", "code": "ok", "detail": ""}]


@pytest.fixture
def operation(zone):
    """Everything applied, nobody rehearsed, a minute before the lock-out."""
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


def at_lockout(operation):
    return walkthrough.step(operation, minutes=9, seconds=45)


def test_without_a_policy_the_activation_takes_place(operation):
    assert at_lockout(operation).state == S.ACTIVATING


def test_devices_that_have_not_rehearsed_put_it_off(zone, operation):
    readiness.set_policy(servers=False, percent=99, days=30)
    before = operation.activates_at
    found = at_lockout(operation)
    assert found.state == S.ASSIGNED
    assert found.activates_at > before
    assert found.postponed == 1
    assert "0 of 3 devices seen in 30 days have rehearsed, 99 % are asked for" in found.reason
    assert found.update.activates_at == found.activates_at
    assert not Notice.objects.filter(kind=metadata.GO).exists()
    entry = Entry.objects.get(action="postpone")
    assert entry.detail == {"before": str(before), "after": str(found.activates_at)}
    assert "99 % are asked for" in entry.note
    signed = open_as(
        Manifest, metadata.MANIFEST, found.update.signed(), Zone.objects.the().public_key
    )
    assert signed.activate_at == int(found.activates_at.timestamp())
    assert signed.revision == 2


def test_it_goes_on_by_itself_at_the_later_time_once_they_are_ready(operation):
    readiness.set_policy(servers=True, percent=100, days=30)
    found = at_lockout(operation)
    Assignment.objects.update(rehearsal=OK)
    locks_at = found.activates_at - Zone.objects.the().lockout
    activation.give_go(walkthrough.fresh(found), now=locks_at)
    assert walkthrough.fresh(found).state == S.ACTIVATING


def test_devices_silent_for_longer_do_not_count(operation):
    readiness.set_policy(servers=False, percent=100, days=7)
    Assignment.objects.exclude(device__name="pc-02").update(rehearsal=OK)
    Device.objects.filter(name="pc-02").update(last_contact=timezone.now() - timedelta(days=8))
    assert at_lockout(operation).state == S.ACTIVATING


def test_a_primary_server_that_has_not_applied_puts_it_off_by_name(operation):
    readiness.set_policy(servers=True, percent=0, days=30)
    Assignment.objects.filter(device__role=messages.PRIMARY).update(state="applying")
    found = at_lockout(operation)
    assert "not every Primary Server is ready: ps-01" in found.reason


def test_an_administrator_can_force_it(operation):
    readiness.set_policy(servers=False, percent=99, days=30)
    found = at_lockout(operation)
    intervention.force(found, now=timezone.now())
    assert walkthrough.fresh(found).forced
    assert walkthrough.fresh(found).reason == ""
    assert Entry.objects.filter(action="force").count() == 1
    locks_at = walkthrough.fresh(found).activates_at - Zone.objects.the().lockout
    activation.give_go(walkthrough.fresh(found), now=locks_at)
    assert walkthrough.fresh(found).state == S.ACTIVATING


def test_nothing_is_forced_that_is_not_held(operation):
    with pytest.raises(Conflict, match="Nothing holds the activation back"):
        intervention.force(operation, now=timezone.now())


def test_without_a_later_time_it_is_blocked(operation, monkeypatch):
    readiness.set_policy(servers=False, percent=99, days=30)
    ca = operation.authority
    ca.not_after = operation.activates_at + timedelta(seconds=20)
    ca.save()
    found = at_lockout(operation)
    assert found.state == S.BLOCKED
    assert "no later time is left" in found.reason


@pytest.mark.parametrize(("percent", "days"), [(-1, 30), (101, 30), (50, 0), (50, 366)])
def test_a_policy_outside_its_range_is_refused(zone, percent, days):
    with pytest.raises(Invalid):
        readiness.set_policy(servers=True, percent=percent, days=days)
    assert not readiness.has_policy(Zone.objects.the())


def test_a_change_of_the_policy_is_audited(zone):
    readiness.set_policy(servers=True, percent=99, days=30)
    detail = Entry.objects.get(action="zone-settings").detail
    assert detail["ready_percent"] == {"before": 0, "after": 99}
