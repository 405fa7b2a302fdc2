"""The system update of an operation: its files and its manifest, signed with the zone key."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from certificates.models import Authority, CrossCertificate, Operation
from devices.identity import zone_keys
from devices.models import Device, Zone
from systemupdates.content import store
from systemupdates.models import Assignment, SystemUpdate, serialize_envelope
from systemupdates.remint_tool import build
from wire import metadata
from wire.metadata import ManifestFile

VERSIONS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def get_next_version(previous: int, now: datetime) -> int:
    """Return the next revision of an update, or the next epoch of a CA.

    It is the number of seconds since 2020, or the previous one plus 1. So it also exceeds all that
    hosts received before the database was restored from a backup, as the trust list does (D-150).

    See: D-166
    """
    return max(previous + 1, int((now - VERSIONS_SINCE).total_seconds()))


def get_authorities(operation: Operation) -> tuple[Authority, Authority]:
    """Return the zone CA before and after an operation; the same for a server remint."""
    old = operation.authority
    if old is None:
        raise RuntimeError("the operation has no current authority")
    return old, operation.future_authority or old


def store_content(operation: Operation) -> list[ManifestFile]:
    """Write the files of the update to the content store of this server and return them."""
    old, new = get_authorities(operation)
    files = [store.store_file(metadata.ROOT_FILE, new.root_pem.encode())]
    cross_certificates = ((metadata.NEW_WITH_OLD, old, new), (metadata.OLD_WITH_NEW, new, old))
    for name, issuer, subject in cross_certificates if old != new else ():
        cross_certificate = CrossCertificate.objects.filter(issuer=issuer, subject=subject).first()
        if cross_certificate is not None:
            files.append(store.store_file(name, cross_certificate.pem.encode()))
    return files


def create_update(
    operation: Operation, files: list[ManifestFile], *, now: datetime
) -> SystemUpdate:
    """Create the system update of an operation with its signed manifest."""
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
    """Sign and store the manifest for the current revision of an update. Raises RowAltered."""
    zone = Zone.objects.get_zone()
    # What the manifest contains must have been written by ZCC, and not with SQL (D-170).
    operation.refresh_from_db(fields=[*Operation.authenticated_fields, "row_mac"])
    old, new = get_authorities(operation)
    for row in (operation, old, new):
        row.check_row_mac()
    activates_at = operation.activates_at or now
    grace_until = min(activates_at + zone.grace, old.not_after)
    manifest = metadata.Manifest(
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
        files=[ManifestFile(**file) for file in update.files],
        servers=_target_ids(operation),
        manual_csr=bool(operation.parameters.get("manual_csr", False)),
        immediate=operation.immediate,
    )
    update.envelope = serialize_envelope(zone_keys.get_keyring().sign(metadata.MANIFEST, manifest))
    update.activates_at = operation.activates_at
    update.save(update_fields=["envelope", "activates_at", "revision"])


def _target_ids(operation: Operation) -> list[str]:
    if operation.changes_ca:
        return []
    return [str(pk) for pk in operation.futures.values_list("device_id", flat=True)]


@transaction.atomic
def publish_new_revision(operation: Operation, *, now: datetime) -> None:
    """Sign a new revision of the update and notify every assigned device of it."""
    update = operation.update
    if update is None:
        return
    update.revision = get_next_version(update.revision, now)
    sign_manifest(operation, update, now=now)
    build.invalidate_tool(update)
    assigned = Assignment.objects.filter(update=update).values("device")
    Device.objects.filter(pk__in=assigned).update(has_pending_work=True)
