"""Authenticate a device's request: its MAC, and a counter that only grows (S-55 to S-58).

One statement checks that the device belongs to the zone, that its credential still counts, and
stores the counter, so that a captured request never works again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db import connection

from devices.identity import zone_keys
from devices.models import Device
from faults import Unauthenticated
from wire import authentication
from wire.authentication import Credentials

# What this process last saw as a device's credential epoch. Only a hint that saves a query: the
# statement below compares it with the row.
_epochs: dict[str, int] = {}
EPOCHS_AT_MOST = 200_000


class UnknownDevice(Unauthenticated):
    """The request is not signed by a device of this zone; which part fails is not told."""

    action = "Register the device again: zac reg URL --key KEY."


class Replayed(Unauthenticated):
    """The counter did not grow: a replay, or a restored image of the device (S-57)."""

    action = "Register the device again if it was restored from an image: zac reg URL --key KEY."


def authenticate(header: str, *, method: str, path: str, body: bytes, now: datetime) -> Device:
    """Return the device that signed this request and store its counter; raises otherwise."""
    credentials = authentication.read_header(header)
    try:
        guid = UUID(credentials.device)
    except ValueError:
        raise UnknownDevice("The request is not signed by a device of this zone.") from None
    for epoch in _candidates(guid, credentials.device):
        secret = zone_keys.here().device_secret(credentials.device, epoch)
        if authentication.matches(credentials, secret, method=method, path=path, body=body):
            device = _advance(guid, credentials, epoch, now)
            if device is not None:
                return device
    _epochs.pop(credentials.device, None)
    raise UnknownDevice("The request is not signed by a device of this zone.")


def _candidates(guid: UUID, text: str) -> Iterator[int]:
    """Yield what this process remembers, then what the row says where that is another one.

    The device may have registered anew at another Primary Server since.
    """
    known = _epochs.get(text)
    if known is not None:
        yield known
    row = Device.objects.filter(pk=guid).values_list("credential_epoch", flat=True).first()
    if row is None or row == known:
        return
    if len(_epochs) >= EPOCHS_AT_MOST:
        _epochs.clear()
    _epochs[text] = row
    yield row


# Column names are the model's own; every value is a parameter.
_ALL = ", ".join(f'"{field.column}"' for field in Device._meta.concrete_fields)
_ADVANCE = (
    "UPDATE devices_device SET counter = %s, last_contact = %s WHERE guid = %s AND "
    "credential_epoch = %s AND counter < %s AND state IN ('registered', 'waiting') RETURNING "
)
_SQL = _ADVANCE + _ALL


def _advance(guid: UUID, credentials: Credentials, epoch: int, now: datetime) -> Device | None:
    """Store the counter; None if the credential epoch has changed, Replayed if it did not grow."""
    pk = Device._meta.pk.get_db_prep_value(guid, connection)
    seen = connection.ops.adapt_datetimefield_value(now)
    values = [credentials.counter, seen, pk, epoch, credentials.counter]
    rows = list(Device.objects.raw(_SQL, values))
    if rows:
        return rows[0]
    row = Device.objects.filter(pk=guid).values_list("credential_epoch", "counter", "state").first()
    if row and row[0] == epoch and row[1] >= credentials.counter and row[2] in _MEMBERS:
        raise Replayed("The request's counter did not grow; it was refused.")
    return None


_MEMBERS = ("registered", "waiting")
