"""Release details of an update: what the zone key signed of it."""

from __future__ import annotations

from datetime import UTC, datetime

from devices.models import Zone
from faults import Fault
from systemupdates.models import SystemUpdate
from wire import metadata
from wire.metadata import Manifest, open_as


def signed(update: SystemUpdate, zone: Zone) -> Manifest | None:
    """Return the manifest if the zone key signed it, None where there is none or it is not so."""
    if update.envelope is None:
        return None
    try:
        return open_as(Manifest, metadata.MANIFEST, update.signed(), zone.public_key)
    except Fault:
        return None


def moment(seconds: float) -> datetime:
    """Return a time of the manifest."""
    return datetime.fromtimestamp(seconds, UTC)
