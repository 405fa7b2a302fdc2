"""Old roots are retired when no device and no host without an agent needs them (D-28, D-317)."""

from datetime import timedelta

from django.utils import timezone

from certificates.issuance import signing
from certificates.models import AcmeCertificate, Authority, Operation, Revocation
from certificates.operations.states import AuthorityState
from certificates.trust import roots
from devices.identity import zone_keys
from pki.certificates import details
from tests.certificates.operations.test_remint_ca import prepared, step
from tests.support import factories
from wire import messages, metadata
from wire.envelope import Envelope
from wire.json_codec import build
from wire.metadata import verify_document


def activated(zone):
    """Remint the CA of a zone with one server and one device up to its activation."""
    device = zone.join("pc-01")
    operation = step(prepared())
    update = str(operation.update_id)
    zone.first.refresh()
    zone.first.request_certificate(update)
    signing.sign_batch(operation.future_authority, now=timezone.now())
    operation = step(operation, minutes=9, seconds=45)
    operation = step(operation, minutes=11)
    assert operation.state == "activated"
    return device, operation.authority, operation.future_authority


def retire_notices(answer):
    return [n for n in answer.get("notices", []) if n["payload_type"] == metadata.RETIREMENT]


def later(old):
    return Authority.objects.get(pk=old.pk).grace_until + timedelta(seconds=1)


def test_a_root_is_not_due_while_a_device_uses_it(zone):
    device, old, new = activated(zone)
    zone.first.refresh(root_sha256=new.sha256)
    assert roots.list_due_roots(later(old)) == []
    assert [d.name for d in roots.get_devices_without_current_root()] == ["pc-01"]
    device.refresh(root_sha256=new.sha256)
    assert [a.pk for a in roots.list_due_roots(later(old))] == [old.pk]


def test_a_root_is_not_due_before_the_end_of_the_grace_period(zone):
    device, old, new = activated(zone)
    for host in (zone.first, device):
        host.refresh(root_sha256=new.sha256)
    assert roots.list_due_roots(later(old) - timedelta(seconds=2)) == []


def test_an_expired_root_is_due_even_if_devices_use_it(zone):
    _, old, _ = activated(zone)
    assert [a.pk for a in roots.list_due_roots(old.not_after + timedelta(seconds=1))] == [old.pk]


def test_a_root_is_not_due_while_hosts_without_an_agent_use_its_certificates(zone):
    device, old, new = activated(zone)
    for host in (zone.first, device):
        host.refresh(root_sha256=new.sha256)
    after = later(old)
    assert roots.list_due_roots(after) == [old]
    renewed, revoked, kept = (
        factories.acme_certificate(name, old, not_after=after + timedelta(days=9))
        for name in ("a.hosts.example", "b.hosts.example", "c.hosts.example")
    )
    factories.acme_certificate("d.hosts.example", new)
    AcmeCertificate.objects.filter(pk=renewed.pk).update(replaced_at=after)
    assert [one.subject for one in roots.get_host_certificates(old, after)] == [
        revoked.subject,
        kept.subject,
    ]
    Revocation.objects.create(
        authority=old,
        serial=revoked.serial,
        digest=revoked.digest,
        not_after=revoked.not_after,
        revoked_at=after,
    )
    assert roots.list_due_roots(after) == []
    # A host that was removed keeps the root no longer than its certificate is valid.
    assert roots.list_due_roots(kept.not_after - timedelta(seconds=1)) == []
    assert roots.list_due_roots(kept.not_after) == [old]


def test_a_certificate_that_was_never_downloaded_keeps_no_root(zone):
    device, old, new = activated(zone)
    for host in (zone.first, device):
        host.refresh(root_sha256=new.sha256)
    factories.acme_certificate("a.hosts.example", old, fetched_at=None)
    assert roots.list_due_roots(later(old)) == [old]


def test_an_expired_root_is_due_even_if_hosts_use_its_certificates(zone):
    _, old, _ = activated(zone)
    end = old.not_after + timedelta(seconds=1)
    factories.acme_certificate("a.hosts.example", old, not_after=end + timedelta(days=1))
    assert roots.list_due_roots(end) == [old]


def test_devices_receive_the_retirement_notice_until_they_removed_the_root(zone):
    device, old, new = activated(zone)
    roots.retire_root(Authority.objects.get(pk=old.pk), now=later(old))
    assert Authority.objects.get(pk=old.pk).state == AuthorityState.RETIRED
    device.refresh(trusted_sha256=[old.sha256, new.sha256])
    (signed,) = retire_notices(device.refresh(trusted_sha256=[old.sha256, new.sha256]))
    notice = verify_document(
        metadata.Retirement,
        metadata.RETIREMENT,
        build(Envelope, signed, "n"),
        zone_keys.get_public_keys(zone.zone),
    )
    assert notice.roots_sha256 == [old.sha256]
    assert details.get_digest(new.root_pem) not in notice.roots_sha256
    device.refresh(trusted_sha256=[new.sha256])
    assert not retire_notices(device.refresh(trusted_sha256=[new.sha256]))


def test_a_retired_root_is_no_longer_delivered(zone):
    device, old, new = activated(zone)
    assert device.refresh()["trust"]["in_grace"] == [old.root_pem]
    roots.retire_root(Authority.objects.get(pk=old.pk), now=later(old))
    trust = device.refresh()["trust"]
    assert trust["current"] == new.root_pem
    assert trust["in_grace"] == []
    assert Operation.objects.count() == 1
    assert messages.PROTOCOL == 1
