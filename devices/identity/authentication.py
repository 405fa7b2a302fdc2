"""Authentication of device requests by a MAC and an increasing counter.

One SQL statement checks the state and credential epoch of the device and stores the counter, so
that a captured request cannot be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import connection

from devices.identity import zone_keys
from devices.models import Device
from faults import Unauthenticated
from wire import authentication
from wire.authentication import Credentials

# Last known credential epoch of each device. It only saves a query: the SQL statement below
# compares the epoch with the row.
_epochs: dict[str, int] = {}
MAX_CACHED_EPOCHS = 200_000


class UnknownDevice(Unauthenticated):
    """The request was not signed by a device of this zone. The reason is not disclosed."""

    action = "Register the device again: zac reg URL --key KEY"


class ReplayedRequest(Unauthenticated):
    """The counter did not increase: a copy of the device, or a device that was restored."""

    def __init__(self, device: UUID, name: str) -> None:
        super().__init__(
            f"Another host uses the identity of {name}, or this host was restored from an older "
            "copy. Nothing was changed.",
            action=f"If this host is a copy of {name}, register it with a name of its own: zac reg "
            "URL --key KEY --name NAME. If it was restored, register it again: zac reg URL --key "
            "KEY",
        )
        self.device = device


def authenticate(header: str, *, method: str, path: str, body: bytes, now: datetime) -> Device:
    """Return the device that signed the request, and store the request counter.

    Raises UnknownDevice or ReplayedRequest.
    """
    credentials = authentication.parse_header(header)
    try:
        guid = UUID(credentials.device)
    except ValueError:
        raise UnknownDevice("The request was not signed by a device in this zone.") from None
    for epoch in _get_epochs(guid, credentials.device):
        secret = zone_keys.get_keyring().device_secret(credentials.device, epoch)
        if authentication.verify(credentials, secret, method=method, path=path, body=body):
            device = _store_counter(guid, credentials, epoch, now)
            if device is not None:
                return device
    _epochs.pop(credentials.device, None)
    raise UnknownDevice("The request was not signed by a device in this zone.")


def get_response_signer(device: Device, header: str) -> Callable[[int, bytes], str]:
    """Return a function that makes the MAC of a response to an authenticated request.

    `header` is the Authorization header of the request. The function takes status and body.
    """
    secret = zone_keys.get_keyring().device_secret(str(device.pk), device.credential_epoch)
    request_mac = authentication.parse_header(header).mac

    def sign(status: int, body: bytes) -> str:
        return authentication.sign_response(secret, request_mac, status=status, body=body)

    return sign


def _get_epochs(guid: UUID, text: str) -> Iterator[int]:
    """Yield the cached credential epoch, then the stored one if it differs.

    They differ if the device has registered again at another Primary Server.
    """
    known = _epochs.get(text)
    if known is not None:
        yield known
    row = Device.objects.filter(pk=guid).values_list("credential_epoch", flat=True).first()
    if row is None or row == known:
        return
    if len(_epochs) >= MAX_CACHED_EPOCHS:
        _epochs.clear()
    _epochs[text] = row
    yield row


# Only column names of the model are formatted into the statement. All values are parameters.
_COLUMNS = ", ".join(f'"{field.column}"' for field in Device._meta.concrete_fields)
_ADVANCE = (
    "UPDATE devices_device SET counter = %s, last_contact = %s WHERE guid = %s AND "
    "credential_epoch = %s AND counter < %s AND state IN ('registered', 'waiting') RETURNING "
)
_SQL = _ADVANCE + _COLUMNS


def _store_counter(
    guid: UUID, credentials: Credentials, epoch: int, now: datetime
) -> Device | None:
    """Store the request counter and return the device, None if the credential epoch has changed.

    Raises ReplayedRequest if the counter did not increase.
    """
    pk = Device._meta.pk.get_db_prep_value(guid, connection)
    seen = connection.ops.adapt_datetimefield_value(now)
    values = [credentials.counter, seen, pk, epoch, credentials.counter]
    rows = list(Device.objects.raw(_SQL, values))
    if rows:
        return rows[0]
    row = Device.objects.filter(pk=guid, credential_epoch=epoch, state__in=_MEMBER_STATES).first()
    if row is not None and row.counter >= credentials.counter:
        raise ReplayedRequest(guid, row.name)
    return None


_MEMBER_STATES = ("registered", "waiting")


def authenticate_unregistered(header: str, *, method: str, path: str, body: bytes) -> Device:
    """Return the unregistered device that signed a request to register again (D-51).

    It has the secret that it had while it was registered. Raises UnknownDevice.
    """
    credentials = authentication.parse_header(header)
    with suppress(ValueError):
        rows = Device.objects.filter(pk=UUID(credentials.device), state="unregistered")
        device = rows.filter(counter__lt=credentials.counter).first()
        if device is not None and device.credential_epoch > 0:
            epoch = device.credential_epoch - 1
            secret = zone_keys.get_keyring().device_secret(credentials.device, epoch)
            unchanged = rows.filter(credential_epoch=device.credential_epoch)
            if authentication.verify(
                credentials, secret, method=method, path=path, body=body
            ) and unchanged.filter(counter__lt=credentials.counter).update(
                counter=credentials.counter
            ):
                return device
    raise UnknownDevice("The request was not signed by a device in this zone.")
