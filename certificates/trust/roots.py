"""Retire an old root after its grace: only when no device would be lost (D-28, drop rules).

The console signs the notice once every registered device holds the new root as its current one,
or once the old root has expired; each device then drops it only after it has verified all its
servers without it.

Which roots the zone trusts now: first distributed, then used, then retired (D-28).
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from functools import lru_cache

from django.db import transaction
from django.db.models import QuerySet

from certificates.models import Authority, Operation
from certificates.operations.distribution import announce
from certificates.operations.states import AuthorityState, OperationState
from devices.identity import zone_keys
from devices.models import Device, Zone
from systemupdates.models import Notice, plain
from wire import messages, metadata


def due(now: datetime) -> list[Authority]:
    """Return the authorities whose grace time is over and that nothing keeps any more."""
    rows = Authority.objects.filter(state=AuthorityState.GRACE, grace_until__lte=now)
    return [old for old in rows if old.has_expired(now) or not in_the_way().exists()]


def in_the_way() -> QuerySet[Device]:
    """Return the registered devices that have not yet made the current root their own."""
    current = Authority.objects.current()
    return Device.objects.registered().exclude(root_sha256=current.sha256)


@transaction.atomic
def retire(old: Authority, *, now: datetime) -> None:
    """Sign that a root is to be trusted no longer; every device hears of it."""
    zone = Zone.objects.lock()
    left = old.left_of_key
    Authority.objects.move(old, AuthorityState.RETIRED, sealed_key=left, note=now.isoformat())
    notice = metadata.Retire(zone=str(zone.guid), epoch=zone.epoch, roots_sha256=[old.sha256])
    update = (
        Operation.objects.filter(authority=old, future_authority__isnull=False)
        .exclude(update=None)
        .order_by("-created_at")
        .values_list("update", flat=True)
        .first()
    )
    Notice.objects.create(
        kind=Notice.Kind.RETIRE,
        update_id=update,
        revision=1,
        envelope=plain(zone_keys.here().sign(metadata.RETIRE, notice)),
    )
    Device.objects.registered().update(errands=True)
    announce()


def notices_for(device: Device) -> list[Notice]:
    """Return the retire notices that still concern a device: it trusts a retired root."""
    if not device.trusted_sha256:
        return []
    retired = Authority.objects.filter(
        state=AuthorityState.RETIRED, sha256__in=device.trusted_sha256
    )
    held = set(retired.values_list("sha256", flat=True))
    if not held:
        return []
    # A zone that has changed its CA often must not tell of each root it ever had.
    rows = Notice.objects.filter(kind=Notice.Kind.RETIRE).order_by("pk")
    return [notice for notice in rows if held & _roots(notice.envelope["payload"])]


@lru_cache(maxsize=1024)
def _roots(payload: str) -> frozenset[str]:
    """Return the roots that a retire notice names; what was signed once stays as it is."""
    said: dict[str, list[str]] = json.loads(base64.b64decode(payload))
    return frozenset(said["roots_sha256"])


# From the assignment on, a future root is announced to every device that registers or refreshes.
ANNOUNCED = (OperationState.ASSIGNED, OperationState.BLOCKED, OperationState.ACTIVATING)


def trust() -> messages.Trust:
    """Return current, older and announced roots as PEM."""
    found = Authority.objects.filter(state__in=(AuthorityState.CURRENT, AuthorityState.GRACE))
    roots = {authority.state: authority for authority in found if authority.state == "current"}
    announced = (
        Operation.objects.of_ca()
        .filter(state__in=ANNOUNCED, future_authority__state=AuthorityState.FUTURE)
        .values_list("future_authority__root_pem", flat=True)
    )
    return messages.Trust(
        current=roots[AuthorityState.CURRENT].root_pem,
        in_grace=[a.root_pem for a in found if a.state == AuthorityState.GRACE],
        pending=list(announced),
    )
