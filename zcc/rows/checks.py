"""Find rows that were changed in the database, and carry out what an administrator decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, cast

from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from administrators.models import Passkey
from administrators.protection import account_macs
from audit.models import (
    AlteredRow,
    AuthenticatedModel,
    Entry,
    list_authenticated_models,
    list_rows,
)
from audit.rows import alarms
from certificates.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeCertificate,
    AcmeOrder,
    Revocation,
)
from certificates.revocation import lists, records
from console.models import ApiToken
from devices.identity import zone_keys
from devices.models import Device, Role, Zone
from faults import Conflict, NotFound

ZONE = Zone._meta.label
# There are as many as hosts, or more. Who uses such a row verifies it (D-343).
_OF_HOSTS = (AcmeAccount, AcmeAuthorization, AcmeCertificate, AcmeOrder)


@dataclass(frozen=True)
class FoundRow:
    """A row without a valid MAC: model, primary key, and text."""

    label: str
    key: str
    name: str


def find_altered(*, every_device: bool = True) -> Iterator[FoundRow]:
    """Yield the rows without a valid MAC.

    Those of managed devices, of hosts without an agent, and of revoked certificates that have
    expired are many, and only checked if `every_device` is True.

    The row of the zone has no MAC. It is altered if its public key is not the one that this server
    knows (D-209).
    """
    zone = Zone.objects.first()
    if zone is not None and not _is_authentic_zone(zone):
        yield FoundRow(ZONE, str(zone.pk), zone.name)
    for model in list_authenticated_models():
        if model._meta.label == account_macs.MAC:
            continue
        for row in _list_rows(model, every_device=every_device).iterator(chunk_size=1000):
            if not row.is_authentic():
                yield FoundRow(model._meta.label, str(row.pk), str(row))
    for label, key, name in account_macs.find_altered():
        yield FoundRow(label, str(key), name)


def _list_rows(model: type[AuthenticatedModel], *, every_device: bool) -> Any:
    rows: Any = list_rows(model)
    if every_device:
        return rows
    if model in _OF_HOSTS:
        return rows.none()
    if model is Device:
        return rows.exclude(role=Role.MANAGED)
    return rows.filter(not_after__gt=_get_oldest_end()) if model is Revocation else rows


def _get_oldest_end() -> datetime:
    """Return when a certificate has expired whose revocation is no longer on a CRL."""
    return timezone.now() - lists.VALIDITY


def _is_authentic_zone(zone: Zone) -> bool:
    return zone.public_key == zone_keys.get_public_zone_key(zone)


def check_rows(*, every_device: bool = True) -> int:
    """Raise the alarm about altered rows, and return their number.

    Revocations that were deleted or altered are restored from the audit log. See `find_altered`
    for `every_device`.
    """
    restored = records.restore_rows(None if every_device else _get_oldest_end())
    found = list(find_altered(every_device=every_device))
    for row in found:
        alarms.record(row.label, row.key, row.name)
    return restored + len(found)


@transaction.atomic
def accept(label: str, key: str, *, reason: str) -> None:
    """Accept a row as it is now: it gets a valid MAC, and the alarm ends."""
    _lock(label, key, reason)
    if label == ZONE:
        _check_zone()
    elif label == account_macs.ACCOUNT:
        if not User.objects.filter(pk=key).exists():
            _raise_missing()
        account_macs.accept(int(key))
    else:
        row = _find_row(label, key)
        if row is None:
            _raise_missing()
        if isinstance(row, AuthenticatedModel):
            list_rows(type(row)).filter(pk=row.pk).update(row_mac=row.compute_row_mac())
            if isinstance(row, Passkey):
                account_macs.change_passkeys(row.user_id, add=row.list_entry)
        else:
            account_macs.stamp_token(row)
    _end_alarm("accept-row", label, key, reason)


@transaction.atomic
def remove(label: str, key: str, *, reason: str) -> None:
    """Delete a row that was inserted into the database, and end the alarm.

    If the row no longer exists, only the alarm ends.
    """
    _lock(label, key, reason)
    if label == ZONE:
        raise Conflict(_("The zone is not deleted. Nothing was changed."))
    if label == account_macs.ACCOUNT:
        if User.objects.filter(pk=key).exists():
            raise Conflict(
                _(
                    "Accounts are not deleted. Accept the account, then deactivate it in the "
                    "console."
                )
            )
    else:
        row = _find_row(label, key)
        if records.is_recorded(row):
            raise Conflict(
                _("A revocation is permanent. Nothing was changed."),
                action=_("ZCC has restored it from the audit log. Use --accept."),
            )
        if row is not None:
            row.delete()
        if isinstance(row, Passkey):
            account_macs.change_passkeys(row.user_id, remove=row.list_entry)
    _end_alarm("remove-row", label, key, reason)


def _check_zone() -> None:
    """Raise Conflict while the row of the zone contains another public key."""
    zone = Zone.objects.get_zone()
    if not _is_authentic_zone(zone):
        raise Conflict(
            _("The public zone key cannot be replaced. Nothing was changed."),
            action=_("Set the column public_key of the table devices_zone to %(key)s.")
            % {"key": zone_keys.get_public_zone_key(zone)},
        )


def _lock(label: str, key: str, reason: str) -> None:
    if not reason.strip():
        raise Conflict(_("A reason is required. Nothing was changed."))
    Entry.objects.lock_checkpoint()
    is_listed = AlteredRow.objects.filter(label=label, key=key).exists()
    if not is_listed and not any((row.label, row.key) == (label, key) for row in find_altered()):
        raise NotFound(_("%(row)s is not an altered row. Nothing was changed.") % {"row": label})


def _find_row(label: str, key: str) -> AuthenticatedModel | ApiToken | None:
    rows: Any = list_rows(cast("Any", apps.get_model(label)))
    return cast("AuthenticatedModel | ApiToken | None", rows.filter(pk=key).first())


def _raise_missing() -> NoReturn:
    raise NotFound(
        _("The row no longer exists. Nothing was changed."),
        action=_("To end the alarm, run manage.py check_rows with --remove."),
    )


def _end_alarm(action: str, label: str, key: str, reason: str) -> None:
    AlteredRow.objects.filter(label=label, key=key).delete()
    Entry.objects.record(action, f"{label}:{key}", note=reason)
