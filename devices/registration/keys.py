"""Registration keys, and the command that registers a device with a key.

See: manual A.7
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.chain import actor
from audit.models import Entry
from audit.rows import alarms
from devices.models import Device, RegistrationKey, Role
from devices.registration.certificate_names import ADD_NAMES_LABEL
from devices.registration.key_limits import NO_LIMITS, KeyLimits, check_limits
from faults import Forbidden, NotFound
from wire import messages, registration_key


class InvalidRegistrationKey(Forbidden):
    """The registration key cannot be used. The message does not say which check failed."""

    action = gettext_lazy("Ask an administrator for a valid registration key for this role.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def check_may_create(role: str, *, approves: bool, may_add_names: bool) -> None:
    """Raise Forbidden if servers get certificates with a key without the right to add names."""
    if approves and role in messages.CERTIFIED_ROLES and not may_add_names:
        raise Forbidden(
            _(
                "Servers that register with this key get a certificate automatically. "
                "Creating it requires the “%(right)s” right. No key was created."
            )
            % {"right": ADD_NAMES_LABEL},
            action=_("Create a key that does not approve servers automatically."),
            field="approves",
        )


@transaction.atomic
def create_registration_key(
    public_key: bytes,
    *,
    label: str,
    role: str,
    uses: int,
    approves: bool,
    expires_at: datetime | None,
    limits: KeyLimits = NO_LIMITS,
) -> registration_key.RegistrationKey:
    """Create a registration key for a zone with this public key.

    The secret is only in the returned key. The database stores its SHA-256. A key that approves
    servers needs domains and networks as `limits`.
    """
    limits = check_limits(limits, role=role, approves=approves)
    key = registration_key.create(public_key)
    row = RegistrationKey.objects.create(
        label=label,
        digest=_hash(key.secret),
        role=role,
        uses=uses,
        uses_left=uses,
        created_by=actor.current().name,
        approves=approves,
        domains=list(limits.domains),
        networks=list(limits.networks),
        device=limits.device,
        expires_at=expires_at,
    )
    Entry.objects.record(
        "registration-key",
        f"role:{role}",
        about=[f"devices.RegistrationKey:{row.pk}"],
        note=label,
        detail={"approves": approves, **asdict(limits)},
    )
    return key


def get_registration_key(secret: str, role: str, name: str, now: datetime) -> RegistrationKey:
    """Return the registration key of a device with this role and name, without using it.

    Raises InvalidRegistrationKey if it is unknown, for another role or device, revoked, expired or
    used up.
    """
    found = RegistrationKey.objects.usable(now).filter(digest=_hash(secret), role=role).first()
    if found is None or found.device not in ("", name) or not alarms.is_authentic(found):
        raise InvalidRegistrationKey(
            _("The registration key is not valid for this role. Nothing was registered.")
        )
    return found


def use_registration_key(secret: str, role: str, name: str, now: datetime) -> RegistrationKey:
    """Count one use of a registration key and return it; raises InvalidRegistrationKey."""
    found = get_registration_key(secret, role, name, now)
    used = RegistrationKey.objects.filter(pk=found.pk, uses_left__gt=0)
    if not used.update(uses_left=F("uses_left") - 1):
        raise InvalidRegistrationKey(
            _(
                "The registration key has reached its maximum "
                "number of devices. Nothing was registered."
            )
        )
    return found


@transaction.atomic
def revoke_registration_key(pk: int, *, now: datetime) -> RegistrationKey:
    """Revoke a registration key. Devices that have registered with it are not affected."""
    Entry.objects.lock_checkpoint()
    key = RegistrationKey.objects.select_for_update().filter(pk=pk).first()
    if key is None:
        raise NotFound(_("The registration key was not found."))
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        Entry.objects.record(
            "revoke-registration-key", f"devices.RegistrationKey:{key.pk}", note=key.label
        )
    return key


def build_registration_command(key: str, role: str) -> str:
    """Return the command that registers a device, with placeholders in capitals.

    A satellite names its parent: it copies content from there, and its certificate can be
    reminted together with that server's.
    """
    first = _get_first_primary_server()
    command = f"zac reg {_get_url(first)} --key {key}"
    if role == Role.MANAGED:
        return command
    address = " --fqdn FQDN --address IP_ADDRESS"
    ports = "" if role == Role.CONTENT_SATELLITE else " --port 8443 --preflight-port 8444"
    content = "" if role == Role.AUTHENTICATION_SATELLITE else " --content-port 8080"
    is_satellite = role != Role.PRIMARY
    parent = f" --parent {first.name if first is not None else 'SERVER'}" if is_satellite else ""
    return f"{command} --role {role}{address}{ports}{content}{parent}"


def get_primary_server_url() -> str:
    """Return the URL of the Primary Server that was registered first."""
    return _get_url(_get_first_primary_server())


def _get_first_primary_server() -> Device | None:
    return Device.objects.primaries().order_by("registered_at", "name").first()


def _get_url(server: Device | None) -> str:
    url = server.get_url(server.port, "https") if server is not None else ""
    return url or "https://SERVER:8443"
