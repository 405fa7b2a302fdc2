"""Give a MAC to the rows that have none: once, for a new zone or after an upgrade (D-170)."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils.translation import gettext as _

from administrators.protection import account_macs
from audit.models import (
    AlteredRow,
    AuthenticatedModel,
    Entry,
    list_authenticated_models,
    list_rows,
)
from devices.identity import zone_keys
from devices.identity.zone_keys import Keyring
from devices.models import Device, Zone
from faults import Conflict, Fault
from wire import messages
from zcc.rows import checks

BATCH = 500
ACTION, SUBJECT = "stamp-rows", "devices.Zone:{}"
log = logging.getLogger(__name__)


def require_macs() -> int:
    """Give a MAC to all rows that have none, once, and reject such rows from now on.

    Returns the number of rows. On a server that did not require MACs before, MACs that are not
    valid are replaced: the previous version has changed these rows. Alarms about rows that have a
    valid MAC now end. Raises Conflict if the rows of the zone got their MACs before: a row that
    has none was inserted or altered since.
    """
    ring = zone_keys.get_keyring()
    with transaction.atomic():
        zone = Zone.objects.lock()
        Entry.objects.lock_checkpoint()
        if _are_rows_stamped(ring):
            raise Conflict(
                _("The rows of this zone have MACs already. Nothing was changed."),
                action=_(
                    "A row without a valid MAC was changed in the database. Run manage.py "
                    "check_rows, and decide about each row."
                ),
            )
        replaces_invalid = not ring.pin.exists
        account_macs.stamp_unstamped(replace_invalid=replaces_invalid)
        models = list_authenticated_models()
        count = sum(_stamp(model, replace_invalid=replaces_invalid) for model in models)
        Entry.objects.record(ACTION, SUBJECT.format(zone.guid), note=f"rows: {count}")
        _end_alarms()
    # After the commit: a pin without stamped rows would lock everyone out.
    ring.pin.create(ring.master)
    return count


def _are_rows_stamped(ring: Keyring) -> bool:
    """Return True if all rows of the zone got a MAC before.

    SQL alone could add the entry, to keep a zone from getting its MACs. So this server must require
    MACs already, or have a MAC in its own row. That MAC alone can be that of an earlier change.
    """
    if not Entry.objects.filter(action=ACTION).exists():
        return False
    return ring.pin.exists or ring.get_server().has_mac()


def _end_alarms() -> None:
    """End the alarms about rows that have a valid MAC."""
    altered = {(row.label, row.key) for row in checks.find_altered()}
    for alarm in AlteredRow.objects.all():
        if (alarm.label, alarm.key) not in altered:
            alarm.delete()


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
    finds that it has been done.
    """
    ring = zone_keys.get_keyring()
    if ring.pin.exists:
        return True
    try:
        if _are_rows_stamped(ring):
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
