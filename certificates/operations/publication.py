"""What an update of an operation contains: its files, its manifest, signed by the zone key."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from certificates.models import Authority, Bridge, Operation
from devices.identity import zone_keys
from devices.models import Device, Zone
from systemupdates.content import store
from systemupdates.models import Assignment, SystemUpdate, plain
from systemupdates.remint_tool import build
from wire import metadata
from wire.metadata import File


def authorities(operation: Operation) -> tuple[Authority, Authority]:
    """Return the zone CA before and after an operation; a server remint changes none."""
    old = operation.authority
    if old is None:
        raise RuntimeError("an operation knows the zone CA it began under")
    return old, operation.future_authority or old


def store_content(operation: Operation) -> list[File]:
    """Put the files of the update into this server's content store."""
    old, new = authorities(operation)
    files = [store.put(metadata.ROOT_FILE, new.root_pem.encode())]
    ways = ((metadata.NEW_WITH_OLD, old, new), (metadata.OLD_WITH_NEW, new, old))
    for name, issuer, subject in ways if old != new else ():
        bridge = Bridge.objects.filter(issuer=issuer, subject=subject).first()
        if bridge is not None:
            files.append(store.put(name, bridge.pem.encode()))
    return files


def make_update(operation: Operation, files: list[File], *, now: datetime) -> SystemUpdate:
    """Make the system update of an operation with its signed manifest."""
    update = SystemUpdate.objects.create(
        name=operation.name,
        kind=operation.kind,
        files=[{"name": f.name, "sha256": f.sha256, "size": f.size} for f in files],
        activates_at=operation.activates_at,
        initiating_server=operation.signing_server,
    )
    operation.update = update
    sign_manifest(operation, update, now=now)
    return update


def sign_manifest(operation: Operation, update: SystemUpdate, *, now: datetime) -> None:
    """Sign the update's manifest at its revision and store it."""
    zone = Zone.objects.the()
    old, new = authorities(operation)
    activates_at = operation.activates_at or now
    grace_until = min(activates_at + zone.grace, old.not_after)
    orders = metadata.Manifest(
        id=str(update.pk),
        zone=str(zone.guid),
        kind=operation.kind,
        name=update.name,
        epoch=new.epoch,
        revision=update.revision,
        created=int(now.timestamp()),
        activate_at=0 if operation.immediate else int(activates_at.timestamp()),
        grace_until=int(grace_until.timestamp()),
        root_sha256=new.sha256,
        old_root_sha256=old.sha256,
        files=[File(**file) for file in update.files],
        servers=_targets(operation),
        manual_csr=bool(operation.order.get("by_hand", False)),
        immediate=operation.immediate,
    )
    update.envelope = plain(zone_keys.here().sign(metadata.MANIFEST, orders))
    update.activates_at = operation.activates_at
    update.save(update_fields=["envelope", "activates_at", "revision"])


def _targets(operation: Operation) -> list[str]:
    if operation.changes_ca:
        return []
    return [str(pk) for pk in operation.futures.values_list("device_id", flat=True)]


@transaction.atomic
def publish_again(operation: Operation, *, now: datetime) -> None:
    """Sign a new revision (a changed activation time) and let every assigned device hear of it."""
    update = operation.update
    if update is None:
        return
    update.revision += 1
    sign_manifest(operation, update, now=now)
    build.make_anew(update)
    assigned = Assignment.objects.filter(update=update).values("device")
    Device.objects.filter(pk__in=assigned).update(errands=True)
