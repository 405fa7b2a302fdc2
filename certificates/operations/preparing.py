"""PREPARING: make the future CA and its bridges, sign the manifest, make the system update.

Runs on the certificate server's worker, the only one that can open the CA key. May be repeated:
what a killed worker made was not stored and is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from certificates import vault
from certificates.machine import AuthorityState, OperationState
from certificates.models import Authority, Bridge, Issued, Operation
from devices import keyring
from devices.models import Zone
from pki import chains, details, issuing, keys, names
from systemupdates import content, replication
from systemupdates.machine import UpdateState
from systemupdates.models import SystemUpdate, plain
from wire import manifest
from wire.manifest import File

State = OperationState


@dataclass(frozen=True)
class Made:
    """A future CA not yet stored: its certificate, its sealed key and both bridges."""

    authority: Authority
    serial: int
    new_with_old: str = ""
    old_with_new: str = ""


def prepare(operation: Operation, *, now: datetime) -> None:
    """Make what the operation needs and let replication begin."""
    if operation.state != State.PREPARING:
        return
    made = make_ca(operation, now=now) if operation.kind == manifest.REMINT_CA else None
    files = _store_content(operation, made)
    with transaction.atomic():
        if made is not None:
            _store_ca(operation, made)
            operation.future_authority = made.authority
        update = make_update(operation, files, now=now)
        replication.start(update)
        SystemUpdate.objects.move(update, UpdateState.REPLICATING)
        Operation.objects.move(
            operation,
            State.REPLICATING,
            update=update,
            future_authority=operation.future_authority or operation.authority,
        )
        authority = operation.future_authority or operation.authority
        operation.futures.filter(authority=None).update(authority=authority)


def make_ca(operation: Operation, *, now: datetime) -> Made:
    """Make key, root and bridges of the future CA. The root's serial distinguishes equal names."""
    order, old, server = operation.order, operation.authority, operation.signing_server
    key_pem = keys.make_key(order["key_length"])
    serial = issuing.make_serial()
    subject = names.Subject.parse(order["common_name"])
    root = issuing.make_root(
        key_pem=key_pem,
        subject=subject,
        validity=issuing.root_validity(now, order["years"]),
        serial=serial,
    )
    authority = internal_authority(root, server_id=server.pk)
    authority.state = AuthorityState.FUTURE
    authority.certificate_server = server
    authority.sealed_key = vault.seal(key_pem, authority_id=authority.pk, server=server)
    if old is None or not old.sealed_key or old.has_expired(now):
        return Made(authority, serial)
    old_key = vault.open_key(old)
    return Made(
        authority,
        serial,
        new_with_old=_bridge(old, old_key, root, now),
        old_with_new=issuing.make_bridge(
            issuer_pem=root,
            issuer_key_pem=key_pem,
            subject_pem=old.root_pem,
            serial=issuing.make_serial(),
            now=now,
        ),
    )


def _bridge(old: Authority, old_key: str, new_root: str, now: datetime) -> str:
    """Sign the new root's key with the old one; the serial's row stands before (S-4)."""
    serial = issuing.make_serial()
    subject = details.describe(new_root).subject
    Issued.objects.create(authority=old, serial=f"{serial:x}", purpose="bridge", subject=subject)
    return issuing.make_bridge(
        issuer_pem=old.root_pem,
        issuer_key_pem=old_key,
        subject_pem=new_root,
        serial=serial,
        now=now,
    )


def internal_authority(root_pem: str, *, server_id: UUID) -> Authority:
    """Return an unsaved internal authority with the facts of its certificate."""
    authority = Authority(guid=uuid4(), kind=Authority.Kind.INTERNAL, root_pem=root_pem)
    describe(authority)
    authority.certificate_server_id = server_id
    return authority


def describe(authority: Authority) -> None:
    """Copy the facts of its root certificate into an authority's columns."""
    facts = details.describe(authority.root_pem)
    authority.subject, authority.common_name = facts.subject, facts.common_name[:64]
    authority.key_length = facts.key_length
    authority.not_before, authority.not_after = facts.not_before, facts.not_after
    authority.sha256 = facts.digest


def _store_ca(operation: Operation, made: Made) -> None:
    authority, old = made.authority, operation.authority
    authority.epoch = Zone.objects.the().epoch + 1
    authority.save(force_insert=True)
    Issued.objects.create(
        authority=authority,
        serial=f"{made.serial:x}",
        purpose="root",
        subject=authority.subject,
        sha256=authority.sha256,
    )
    if made.new_with_old and old is not None:
        _store_bridge(made.new_with_old, issuer=old, subject=authority)
        _store_bridge(made.old_with_new, issuer=authority, subject=old)


def _store_bridge(pem: str, *, issuer: Authority, subject: Authority) -> None:
    not_after = details.describe(pem).not_after
    Bridge.objects.create(issuer=issuer, subject=subject, pem=pem, not_after=not_after)


def _store_content(operation: Operation, made: Made | None) -> list[File]:
    """Put the files of the update into this server's content store."""
    if made is None:
        root = (operation.future_authority or operation.authority or Authority()).root_pem
        return [content.put(manifest.ROOT_FILE, root.encode())]
    files = [content.put(manifest.ROOT_FILE, made.authority.root_pem.encode())]
    if made.new_with_old:
        files.append(content.put(manifest.NEW_WITH_OLD, made.new_with_old.encode()))
        files.append(content.put(manifest.OLD_WITH_NEW, made.old_with_new.encode()))
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
    """Sign the update's manifest at its revision and store it (again after a changed time)."""
    zone = Zone.objects.the()
    future = operation.future_authority or operation.authority
    old = operation.authority
    if future is None or old is None:
        raise RuntimeError("an operation always has its authorities")
    activates_at = operation.activates_at or now
    grace_until = min(activates_at + zone.grace, old.not_after)
    orders = manifest.Manifest(
        id=str(update.pk),
        zone=str(zone.guid),
        kind=operation.kind,
        name=update.name,
        epoch=future.epoch,
        revision=update.revision,
        created=int(now.timestamp()),
        activate_at=0 if operation.immediate else int(activates_at.timestamp()),
        grace_until=int(grace_until.timestamp()),
        root_sha256=future.sha256,
        old_root_sha256=old.sha256,
        files=[File(**file) for file in update.files],
        servers=[]
        if operation.changes_ca
        else [str(pk) for pk in operation.futures.values_list("device_id", flat=True)],
        manual_csr=bool(operation.order.get("by_hand", False)),
        immediate=operation.immediate,
    )
    update.envelope = plain(keyring.here().sign(manifest.MANIFEST, orders))
    update.activates_at = operation.activates_at
    update.save(update_fields=["envelope", "activates_at", "revision"])


def root_and_intermediates(authority: Authority) -> str:
    """Return the CA's certificates as one PEM text, root last."""
    return chains.join(authority.intermediates_pem, authority.root_pem)
