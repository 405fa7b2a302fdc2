"""Give a MAC to the rows that have none: once, for a new zone or after an upgrade (D-170)."""

from __future__ import annotations

import logging

from django.db import transaction

from administrators.protection import account_macs
from audit.models import AuthenticatedModel, Entry, list_authenticated_models, list_rows
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Fault
from wire import messages

BATCH = 500
ACTION, SUBJECT = "stamp-rows", "devices.Zone:{}"
log = logging.getLogger(__name__)


def require_macs() -> int:
    """Give a MAC to all rows that have none, and reject such rows from now on.

    Returns the number of rows. If MACs were required before, rows with a MAC are not changed.
    Otherwise, MACs that are not valid are replaced: the previous version has changed these rows.
    """
    ring = zone_keys.get_keyring()
    with transaction.atomic():
        zone = Zone.objects.lock()
        Entry.objects.lock_checkpoint()
        is_first = not ring.pin.exists
        account_macs.stamp_unstamped(replace_invalid=is_first)
        models = list_authenticated_models()
        count = sum(_stamp(model, replace_invalid=is_first) for model in models)
        Entry.objects.record(ACTION, SUBJECT.format(zone.guid), note=f"rows: {count}")
    # After the commit: a pin without stamped rows would lock everyone out.
    ring.pin.create(ring.master)
    return count


def _stamp(model: type[AuthenticatedModel], *, replace_invalid: bool) -> int:
    rows_to_check = list_rows(model) if replace_invalid else list_rows(model).filter(row_mac="")
    found = rows_to_check.iterator(chunk_size=BATCH)
    keys = [row.pk for row in found if not row.has_mac()]
    for start in range(0, len(keys), BATCH):
        rows = list(
            list_rows(model).select_for_update().in_bulk(keys[start : start + BATCH]).values()
        )
        for row in rows:
            row.row_mac = row.compute_row_mac()
        list_rows(model).bulk_update(rows, ["row_mac"])
    return len(keys)


def require_macs_if_ready() -> bool:
    """Require MACs on this server if it does not yet. Return True if they are required now.

    After an upgrade, this waits until all Primary Servers run a version that writes MACs. Only the
    first of them stamps rows: a server that joins later, or is upgraded later, stamps nothing. It
    finds the entry about the rows in the audit log, and a MAC in its own row, which SQL alone could
    not make. The MAC alone can be that of a change before all rows got one.
    """
    ring = zone_keys.get_keyring()
    if ring.pin.exists:
        return True
    try:
        own = Device.objects.get(pk=ring.server_id)
        if own.has_mac() and Entry.objects.filter(action=ACTION).exists():
            ring.pin.create(ring.master)
            return True
        is_everyone_ready = Device.objects.primaries().have_feature(messages.FEATURE_ROW_MACS)
        if not ring.pin.has_earlier_file or not is_everyone_ready:
            return False
        count = require_macs()
    except Fault as fault:
        log.error("Rows of the database have no MACs yet: %s", fault)  # noqa: TRY400 - no bug
        return False
    log.warning("MACs of database rows are required from now on. Rows stamped: %s", count)
    return True
