"""Copies of a device: hosts that have the secret of a device, but an old request counter.

The data directory of an agent was copied to another host, or a device was restored from an older
copy. Both hosts take turns in being rejected, because each of them uses counters of the other.

See: D-178
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.models import Entry, EntryLimit
from devices.models import Device
from devices.models.device import COPY_REJECTIONS, COPY_SHOWN_FOR

ACTION = "identity-copied"
# Two requests that a device sends at the same time can arrive in the wrong order. So a single
# rejection proves nothing, unless the last accepted request is older than this.
MAX_DELAY = timedelta(minutes=1)
REJECTION_PERIOD = timedelta(hours=1)

log = logging.getLogger(__name__)


@transaction.atomic
def record_rejection(pk: UUID, *, address: str, now: datetime) -> None:
    """Count a request with the right secret and an old counter. Report a copy once a day."""
    device = Device.objects.get(pk=pk)
    count = 1 if _is_older(device.copied_at, now - REJECTION_PERIOD) else device.copied_count + 1
    if _is_older(device.last_contact, now - MAX_DELAY):
        count = max(count, COPY_REJECTIONS)
    subject, note = f"devices.Device:{pk}", f"{device.name} ({address})"
    values = {"copied_at": now, "copied_address": address[:64], "copied_count": count}
    if count >= COPY_REJECTIONS:
        known = Entry.objects.filter(action=ACTION, subject=subject, note=note)
        if not known.filter(at__gt=now - COPY_SHOWN_FOR).exists():
            limit = EntryLimit.of_device(pk, ACTION)
            Entry.objects.record_limited(
                limit, ACTION, subject, note=note, detail={"address": address}
            )
            log.warning("A host at %s uses the identity of %s", address, device.name)
    Device.objects.filter(pk=pk).update(**values)


def _is_older(time: datetime | None, limit: datetime) -> bool:
    return time is None or time < limit
