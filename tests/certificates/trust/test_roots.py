"""Old roots are retired when no device would be lost (drop rules; D-28)."""

from datetime import timedelta

from django.utils import timezone

from certificates.issuance import signing
from certificates.models import Authority, Operation
from certificates.operations.states import AuthorityState
from certificates.trust import roots
from pki.certificates import details
from tests.certificates.operations.test_remint_ca import prepared, step
from wire import messages, metadata
from wire.envelope import Envelope
from wire.json_codec import build
from wire.metadata import open_as


def activated(zone):
    """Remint the CA of a zone with one server and one device up to its activation."""
    device = zone.join("pc-01")
    operation = step(prepared())
    update = str(operation.update_id)
    zone.first.refresh()
    zone.first.request_certificate(update)
    signing.sign_waiting(operation.future_authority, now=timezone.now())
    operation = step(operation, minutes=9, seconds=45)
    operation = step(operation, minutes=11)
    assert operation.state == "activated"
    return device, operation.authority, operation.future_authority


def retire_notices(answer):
    return [n for n in answer.get("notices", []) if n["payload_type"] == metadata.RETIRE]


def later(old):
    return Authority.objects.get(pk=old.pk).grace_until + timedelta(seconds=1)


def test_a_root_stays_while_one_device_still_holds_it_as_current(zone):
    device, old, new = activated(zone)
    zone.first.refresh(root_sha256=new.sha256)
    assert roots.due(later(old)) == []
    assert [d.name for d in roots.in_the_way()] == ["pc-01"]
    device.refresh(root_sha256=new.sha256)
    assert [a.pk for a in roots.due(later(old))] == [old.pk]


def test_it_stays_until_the_grace_time_is_over(zone):
    device, old, new = activated(zone)
    for host in (zone.first, device):
        host.refresh(root_sha256=new.sha256)
    assert roots.due(later(old) - timedelta(seconds=2)) == []


def test_an_expired_root_goes_whoever_holds_it(zone):
    _, old, _ = activated(zone)
    assert [a.pk for a in roots.due(old.not_after + timedelta(seconds=1))] == [old.pk]


def test_every_device_that_trusts_it_hears_the_signed_notice_until_it_dropped_it(zone):
    device, old, new = activated(zone)
    roots.retire(Authority.objects.get(pk=old.pk), now=later(old))
    assert Authority.objects.get(pk=old.pk).state == AuthorityState.RETIRED
    device.refresh(trusted_sha256=[old.sha256, new.sha256])
    (signed,) = retire_notices(device.refresh(trusted_sha256=[old.sha256, new.sha256]))
    notice = open_as(
        metadata.Retire, metadata.RETIRE, build(Envelope, signed, "n"), zone.zone.public_key
    )
    assert notice.roots_sha256 == [old.sha256]
    assert details.digest(new.root_pem) not in notice.roots_sha256
    device.refresh(trusted_sha256=[new.sha256])
    assert not retire_notices(device.refresh(trusted_sha256=[new.sha256]))


def test_a_retired_root_is_no_longer_delivered(zone):
    device, old, new = activated(zone)
    assert device.refresh()["trust"]["in_grace"] == [old.root_pem]
    roots.retire(Authority.objects.get(pk=old.pk), now=later(old))
    trust = device.refresh()["trust"]
    assert trust["current"] == new.root_pem
    assert trust["in_grace"] == []
    assert Operation.objects.count() == 1
    assert messages.PROTOCOL == 1
