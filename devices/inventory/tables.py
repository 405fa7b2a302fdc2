"""The list of devices: which of them a search, a role or a state leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from devices.models import Device, Role
from devices.registration.states import DeviceState

SILENT = "silent"
WAITING = "waiting"


def silent(refresh: timedelta, now: datetime) -> Q:
    """Return what tells a device that was not heard for two refresh intervals."""
    unheard = Q(last_contact__lt=now - 2 * refresh) | Q(last_contact=None)
    return unheard & Q(state=DeviceState.REGISTERED)


def matching(
    every: QuerySet[Device], *, q: str, chip: str, refresh: timedelta, now: datetime
) -> QuerySet[Device]:
    """Return the devices of a role, or the silent ones, that a search finds."""
    if chip in Role.values:
        every = every.filter(role=chip)
    elif chip == SILENT:
        every = every.filter(silent(refresh, now))
    elif chip == WAITING:
        every = every.filter(state=DeviceState.WAITING)
    if not q:
        return every
    return every.filter(
        Q(name__icontains=q)
        | Q(fqdn__icontains=q)
        | Q(addresses__icontains=q)
        | Q(root_sha256__istartswith=q.replace(":", ""))
    )
