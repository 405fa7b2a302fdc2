"""The signed trust list of the zone: the only source of roots and servers for devices (D-150).

In a zone with a second key, the worker signs each list and stores it, because a signature takes
longer than a request may wait. Until then, devices receive the list before it (D-176).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from audit.rows import alarms
from certificates.revocation import host_certificates, records
from certificates.trust import roots
from devices.identity import zone_keys
from devices.models import Device, SignedTrustList, Zone
from systemupdates.models import serialize_envelope
from wire import json_codec, messages
from wire.envelope import Envelope
from wire.metadata import TRUST_LIST, TrustList

# A list is signed again after this time even if nothing changed.
UNSIGNED_REFRESH_SECONDS, LATE_REFRESH_SECONDS = 10.0, 600.0
SIGNING_TIME_MS = 60_000
SIGNING_INTERVAL = timedelta(days=1)
# A list is valid for at least this time, and for several refreshes. Devices request a new one in
# the second half of the time, so an attacker can hide a change at most that long.
MIN_VALIDITY = timedelta(days=7)
VALID_REFRESHES = 4
# After a restore, devices can have a newer version than the database. Because a device can report
# any version, the version of the zone is increased at most once in this time.
VERSION_CHECK_INTERVAL = timedelta(minutes=1)


# A stored list that is this many days older than today is not used: its worker has stopped.
MAX_STORED_DAYS = 2


class SignedList(NamedTuple):
    """A signed trust list and its version."""

    version: int
    envelope: Envelope


def get_trust_list(zone: Zone, *, now: datetime) -> SignedList:
    """Return the newest signed trust list of the zone."""
    period = _get_period(now)
    stored = _load_stored(zone, period) if zone.second_public_key else None
    return stored or SignedList(zone.revision, _sign(str(zone.guid), zone.revision, period))


def needs_signature(zone: Zone, *, now: datetime) -> bool:
    """Return True if the worker must sign the trust list of a zone with a second key."""
    current = SignedTrustList.objects.filter(version=zone.revision, period=_get_period(now))
    return bool(zone.second_public_key) and not current.exists()


def list_unsigned(now: datetime) -> QuerySet[Zone]:
    """Return the zone if it has a second key, and its trust list must be signed."""
    current = SignedTrustList.objects.filter(version=OuterRef("revision"), period=_get_period(now))
    return Zone.objects.exclude(second_public_key="").filter(~Exists(current))


def sign_and_store(*, now: datetime) -> None:
    """Sign the trust list of the current revision and store it."""
    zone, period = Zone.objects.get_zone(), _get_period(now)
    if not needs_signature(zone, now=now):
        return
    envelope = _sign(str(zone.guid), zone.revision, period)
    values = {"version": zone.revision, "period": period, "envelope": serialize_envelope(envelope)}
    SignedTrustList.objects.update_or_create(pk=1, defaults=values)


def _get_period(now: datetime) -> int:
    return int(now.timestamp() / SIGNING_INTERVAL.total_seconds())


def _load_stored(zone: Zone, period: int) -> SignedList | None:
    """Return the stored list. The list of the current revision and day is read only once."""
    try:
        return _load_current(str(zone.guid), zone.revision, period)
    except SignedTrustList.DoesNotExist:
        row = SignedTrustList.objects.filter(period__gt=period - MAX_STORED_DAYS).first()
    return _read(row) if row is not None else None


@lru_cache(maxsize=4)
def _load_current(_guid: str, revision: int, period: int) -> SignedList:
    return _read(SignedTrustList.objects.get(version=revision, period=period))


def _read(row: SignedTrustList) -> SignedList:
    return SignedList(row.version, json_codec.build(Envelope, row.envelope, "envelope"))


@lru_cache(maxsize=4)
def _sign(guid: str, revision: int, period: int) -> Envelope:
    zone = Zone.objects.get_zone()
    validity = max(MIN_VALIDITY, VALID_REFRESHES * zone.refresh)
    issued_at = period * int(SIGNING_INTERVAL.total_seconds())
    # All Primary Servers sign the same list: it depends on the day, not on the time.
    revoked = _list_revoked(datetime.fromtimestamp(issued_at, UTC))
    document = TrustList(
        zone=guid,
        version=revision,
        epoch=zone.epoch,
        issued_at=issued_at,
        expires_at=issued_at + int((SIGNING_INTERVAL + validity).total_seconds()),
        trust=roots.build_trust(),
        servers=list_server_addresses(),
        refresh_s=float(zone.refresh_seconds),
        second_key=_get_second_key(zone),
        revoked=list(revoked),
        revoked_until=list(revoked.values()),
        system_trust=zone.system_trust,
    )
    # One list is signed for each revision and day, so no audit entry is made for it.
    return zone_keys.get_keyring().sign_without_entry(TRUST_LIST, json_codec.dump(document))


def _list_revoked(at: datetime) -> dict[str, int]:
    """Return the signed-part digests of the revoked certificates, and when these expire."""
    rows = host_certificates.select_for_devices(records.list_effective(at))
    return {row.signed_part: int(row.not_after.timestamp()) for row in rows}


def _get_second_key(zone: Zone) -> str:
    """Return the public second key of the zone, "" before it is announced.

    It comes from the private key, because the row of the zone could have been modified.
    """
    return zone_keys.get_keyring().get_second_public_key() if zone.second_public_key else ""


def list_server_addresses() -> list[messages.ServerAddress]:
    """Return the addresses of the zone's servers: Primary Servers, then satellites.

    Servers whose rows were changed in the database are excluded (D-170).
    """
    rows = Device.objects.registered().exclude(role=messages.MANAGED).order_by("role", "name")
    order = {role: number for number, role in enumerate(messages.ROLES)}
    authentic = filter(alarms.is_authentic, rows)
    found = sorted(authentic, key=lambda device: (order[device.role], device.name))
    return [device.get_server_address() for device in found]


def exceed_version(zone: Zone, reported: int, *, now: datetime) -> Zone:
    """Return the zone with a higher revision if a device has a newer trust list than the zone.

    That is the case after the database was restored from a backup. The device would reject every
    list until then. The version that the device reports is never adopted.
    """
    if reported <= zone.revision:
        return zone
    limit = int((now - VERSION_CHECK_INTERVAL).timestamp() * 1000)
    if zone.revision < limit:
        Zone.objects.filter(revision__lt=limit).advance_revision()
        zone.refresh_from_db()
    return zone


def clear_cache() -> None:
    """Clear the cached list (for tests, and after a restore)."""
    _sign.cache_clear()
    _load_current.cache_clear()


def get_unsigned_interval(zone: Zone, now: datetime) -> float:
    """Return when a device asks again for a list that the worker has not signed yet, in seconds.

    If the worker does not sign for a minute, it has stopped, and devices must not all return every
    few seconds. A revision is the time of its change in milliseconds (D-150).
    """
    age = now.timestamp() * 1000 - zone.revision
    return UNSIGNED_REFRESH_SECONDS if age < SIGNING_TIME_MS else LATE_REFRESH_SECONDS
