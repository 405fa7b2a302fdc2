"""Register, unregister, approve, refresh: how a device comes to belong to the zone and stays."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.chain import actor
from audit.models import Entry
from devices.models import Device, RegistrationKey, Role, Zone, ZoneKey
from devices.registration import validation
from devices.registration.states import DeviceState
from faults import Conflict, Forbidden, NotFound, Refused
from pki import names
from wire import messages, registration_key


class KeyRefused(Forbidden):
    """The registration key opens nothing; which of the reasons is not told to strangers."""

    action = gettext_lazy(
        "Ask an administrator for a registration key of the right role that is still valid."
    )


@transaction.atomic
def make_key(
    zone_pub: bytes,
    *,
    label: str,
    role: str,
    uses: int,
    approves: bool,
    expires_at: datetime | None,
) -> registration_key.RegistrationKey:
    """Make a registration key; its secret is returned once and kept only as SHA-256 (S-50)."""
    key = registration_key.make(zone_pub)
    RegistrationKey.objects.create(
        label=label,
        digest=hashlib.sha256(key.secret.encode()).hexdigest(),
        role=role,
        uses=uses,
        uses_left=uses,
        created_by=actor.current().name,
        approves=approves,
        expires_at=expires_at,
    )
    Entry.objects.record("registration-key", f"role:{role}", note=label)
    return key


@transaction.atomic
def register(request: messages.Register, *, returning: Device | None, now: datetime) -> Device:
    """Let a device in by its registration key, or one that has proved to be `returning`.

    A server role needs a key of that role and, unless the key approves by itself, an
    administrator (S-54). A device of the same name takes its old row: it was re-imaged.
    """
    validation.check(request)
    Zone.objects.lock()
    Entry.objects.queue()
    if returning is None:
        approves = _use_key(request, now).approves or request.role == Role.MANAGED
        validation.check_parent(request)
    else:
        _check_same(request, returning)
        # Its own word lets no server in that an administrator has yet to approve (S-54).
        approves = returning.state == DeviceState.REGISTERED or request.role == Role.MANAGED
    device = returning or _row_for(request)
    _spare(device, request, approves=approves)
    previous = device.state
    device.state = DeviceState.REGISTERED if approves else DeviceState.WAITING
    _write_facts(device, request)
    device.credential_epoch += 1
    device.counter = 0
    device.registered_at = now
    device.errands = True
    device.save()
    if device.role != Role.MANAGED:
        Zone.objects.update(revision=F("revision") + 1)
    Entry.objects.record(
        "register",
        f"devices.Device:{device.pk}",
        here=previous,
        there=device.state,
        note=device.name,
        detail={"role": device.role, "addresses": device.addresses},
    )
    return device


def _check_same(request: messages.Register, returning: Device) -> None:
    """Refuse a returning device that wants to be something else than it is (S-58)."""
    if returning.role != request.role:
        raise Conflict(
            _("%(returning)s is registered with another role. Nothing was changed.")
            % {"returning": returning.name},
            action=_(
                "Retire the old device in the console, or register with a key of the new role."
            ),
        )


def _spare(device: Device, request: messages.Register, *, approves: bool) -> None:
    """Keep a server at work from being replaced by one that nobody has let in yet (S-54, S-58).

    Its keys and its place in the zone would be gone before an administrator has looked.
    """
    known = Device.objects.filter(pk=device.pk, state=DeviceState.REGISTERED)
    at_work = device.role != Role.MANAGED and known.exists()
    if at_work and not approves:
        raise Conflict(
            _("%(request)s is a server of the zone. Nothing was changed.")
            % {"request": request.name},
            action=_("Retire the old server in the console first, or use a key that approves."),
        )


def _use_key(request: messages.Register, now: datetime) -> RegistrationKey:
    digest = hashlib.sha256((request.key or "").encode()).hexdigest()
    found = RegistrationKey.objects.usable(now).filter(digest=digest, role=request.role).first()
    if found is None:
        raise KeyRefused(_("The registration key is not valid for this role. Nothing was done."))
    used = RegistrationKey.objects.filter(pk=found.pk, uses_left__gt=0)
    if not used.update(uses_left=F("uses_left") - 1):
        raise KeyRefused(_("The registration key is used up. Nothing was registered."))
    return found


def _row_for(request: messages.Register) -> Device:
    alive = Device.objects.select_for_update().exclude(state=DeviceState.RETIRED)
    same = alive.filter(name=request.name).first()
    if same is None:
        return Device(name=request.name, role=request.role)
    if same.role != request.role:
        raise Conflict(
            _("%(request)s is registered with another role. Nothing was changed.")
            % {"request": request.name},
            action=_("Choose another name, or retire the old device in the console."),
        )
    return same


def _write_facts(device: Device, request: messages.Register) -> None:
    device.fqdn = names.check_fqdn(request.fqdn) if request.fqdn else ""
    device.addresses = list(request.addresses)
    device.os, device.version = request.os[:100], request.agent[:40]
    device.features = list(request.features)
    device.port, device.content_port = request.port, request.content_port
    device.rehearsal_port = request.rehearsal_port
    device.parent = Device.objects.content_servers().filter(name=request.parent).first()
    device.first_csr = request.csr or ""
    if request.vault_keys is not None:
        if device.vault_key != request.vault_keys.vault:
            # What is sealed to the keys of a server that was installed anew opens nowhere.
            ZoneKey.objects.filter(server=device.pk).delete()
        device.vault_key = request.vault_keys.vault
        device.ca_vault_key = request.vault_keys.ca_vault


def stays_because(device: Device) -> str:
    """Return why a device must not leave the zone now, "" where it may.

    Who holds the CA role is known a storey higher: it is reached through the relation alone.
    """
    relations: Any = device
    if relations.authorities.filter(state="current").exists():
        return _("%s is the certificate server of the zone.") % device.name
    if device.role != Role.PRIMARY or device.state != DeviceState.REGISTERED:
        return ""
    if not Device.objects.primaries().exclude(pk=device.pk).exists():
        return _("%s is the last Primary Server of the zone.") % device.name
    return ""


def _check_may_leave(device: Device) -> None:
    reason = stays_because(device)
    if reason:
        raise Refused(
            _("%(reason)s Nothing was changed.") % {"reason": reason},
            action=_(
                "Move the CA role to another Primary Server first; if this one is lost, "
                "restore the CA there."
            ),
        )


@transaction.atomic
def unregister(device: Device) -> None:
    """Let a device go; its secret is worth nothing from now on."""
    Zone.objects.lock()
    _check_may_leave(device)
    Device.objects.move(
        device,
        DeviceState.UNREGISTERED,
        note=device.name,
        credential_epoch=F("credential_epoch") + 1,
    )
    Zone.objects.update(revision=F("revision") + 1)


@transaction.atomic
def approve(device: Device) -> None:
    """Let a waiting server into the zone (S-54)."""
    Zone.objects.lock()
    Device.objects.move(device, DeviceState.REGISTERED, note=device.name, errands=True)
    Zone.objects.update(revision=F("revision") + 1)


@transaction.atomic
def retire(device: Device) -> None:
    """Take a device out for good; its next request is refused (S-58)."""
    Zone.objects.lock()
    _check_may_leave(device)
    Device.objects.move(
        device, DeviceState.RETIRED, note=device.name, credential_epoch=F("credential_epoch") + 1
    )
    Zone.objects.update(revision=F("revision") + 1)


@transaction.atomic
def save_names(found: Device, names: list[str]) -> None:
    """Keep the additional DNS names, with a line in the ledger where they changed."""
    row = Device.objects.select_for_update().get(pk=found.pk)
    if row.dns_names == names:
        return
    Device.objects.filter(pk=found.pk).update(dns_names=names)
    Entry.objects.record(
        "device-settings",
        f"devices.Device:{found.pk}",
        note=found.name,
        detail={"dns_names": {"before": row.dns_names, "after": names}},
    )


@transaction.atomic
def revoke_key(pk: int, *, now: datetime) -> RegistrationKey:
    """Revoke a registration key; devices that it let in stay (S-50)."""
    key = RegistrationKey.objects.select_for_update().filter(pk=pk).first()
    if key is None:
        raise NotFound(_("There is no such registration key."))
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        Entry.objects.record(
            "revoke-registration-key", f"devices.RegistrationKey:{key.pk}", note=key.label
        )
    return key


def to_wake() -> list[UUID]:
    """Return the Primary Servers whose agents are to be woken, each once."""
    found = list(Device.objects.primaries().filter(wake=True).values_list("pk", flat=True))
    if found:
        Device.objects.filter(pk__in=found).update(wake=False)
    return found


def find(guid: str) -> Device | None:
    """Return a device by the id it sent, None for anything else."""
    try:
        return Device.objects.filter(pk=UUID(guid)).first()
    except ValueError:
        return None
