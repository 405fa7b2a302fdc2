"""Give a MAC to the rows that have none: once, for a new zone or after an upgrade (D-170).

Second factors have MACs since a later version, so they get theirs in the same way (D-210).
"""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils.translation import gettext as _

from administrators.models import RecoveryCode
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
SECOND_FACTORS_ACTION = "stamp-second-factors"
log = logging.getLogger(__name__)


def require_macs(*, of_second_factors: bool = True) -> int:
    """Give a MAC to all rows that have none, once, and reject such rows from now on.

    Returns the number of rows. On a server that did not require MACs before, MACs that are not
    valid are replaced: the previous version has changed these rows. Alarms about rows that have a
    valid MAC now end. Raises Conflict if the rows of the zone got their MACs before: a row that
    has none was inserted or altered since.

    `of_second_factors` is False while Primary Servers of a version that does not know these MACs
    can still change second factors.
    """
    ring = zone_keys.get_keyring()
    with transaction.atomic():
        zone = Zone.objects.lock()
        Entry.objects.lock_checkpoint()
        stamps_rows = not _are_rows_stamped(ring)
        stamps_factors = of_second_factors and not _are_second_factors_stamped(ring)
        if not stamps_rows and not stamps_factors:
            raise Conflict(
                _("The rows of this zone have MACs already. Nothing was changed."),
                action=_(
                    "A row without a valid MAC was changed in the database. Run manage.py "
                    "check_rows, and decide about each row."
                ),
            )
        count = _stamp_rows(ring, zone) if stamps_rows else 0
        count += _stamp_second_factors(ring, zone) if stamps_factors else 0
        _end_alarms()
    # After the commit: a pin without stamped rows would lock everyone out.
    ring.pin.create(ring.master)
    if of_second_factors:
        ring.pin.require_second_factors(ring.master)
    return count


def _stamp_rows(ring: Keyring, zone: Zone) -> int:
    replaces_invalid = not ring.pin.exists
    account_macs.stamp_unstamped(replace_invalid=replaces_invalid)
    models = list_authenticated_models()
    count = sum(_stamp(model, replace_invalid=replaces_invalid) for model in models)
    Entry.objects.record(ACTION, SUBJECT.format(zone.guid), note=f"rows: {count}")
    return count


def _stamp_second_factors(ring: Keyring, zone: Zone) -> int:
    replaces_invalid = not ring.pin.requires_second_factors
    count = account_macs.stamp_second_factors(replace_invalid=replaces_invalid)
    count += _stamp(RecoveryCode, replace_invalid=replaces_invalid)
    note = f"rows: {count}, {_compute_mark(ring, zone)}"
    Entry.objects.record(SECOND_FACTORS_ACTION, SUBJECT.format(zone.guid), note=note)
    return count


def _compute_mark(ring: Keyring, zone: Zone) -> str:
    """Return the mark of the audit entry about the second factors. SQL alone cannot make it."""
    return f"MAC: {ring.get_mac(SECOND_FACTORS_ACTION, str(zone.guid))}"


def _are_rows_stamped(ring: Keyring) -> bool:
    """Return True if all rows of the zone got a MAC before.

    SQL alone could add the entry, to keep a zone from getting its MACs. So this server must require
    MACs already, or have a MAC in its own row. That MAC alone can be that of an earlier change.
    """
    if not Entry.objects.filter(action=ACTION).exists():
        return False
    return ring.pin.exists or ring.get_server().has_mac()


def _are_second_factors_stamped(ring: Keyring) -> bool:
    """Return True if the second factors of the zone got their MACs before."""
    mark = _compute_mark(ring, Zone.objects.get_zone())
    entries = Entry.objects.filter(action=SECOND_FACTORS_ACTION, note__endswith=mark)
    return entries.exists()


def _end_alarms() -> None:
    """End the alarms about rows that have a valid MAC."""
    raised = list(AlteredRow.objects.all())
    if not raised:
        return
    altered = {(row.label, row.key) for row in checks.find_altered()}
    for alarm in raised:
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
    if not ring.pin.exists and not _require_row_macs(ring):
        return False
    if not ring.pin.requires_second_factors:
        _require_second_factor_macs(ring)
    return True


def _require_row_macs(ring: Keyring) -> bool:
    try:
        if _are_rows_stamped(ring):
            ring.pin.create(ring.master)
            return True
        is_everyone_ready = Device.objects.primaries().have_feature(messages.FEATURE_ROW_MACS)
        if not ring.pin.has_earlier_file or not is_everyone_ready:
            return False
        count = require_macs(of_second_factors=False)
    except Fault as fault:
        log.error("Rows of the database have no MACs yet: %s", fault)  # noqa: TRY400 - no bug
        return False
    log.warning("MACs of database rows are required from now on. Rows stamped: %s", count)
    return True


def _require_second_factor_macs(ring: Keyring) -> None:
    """Require MACs of second factors on this server, if all servers write them (D-210)."""
    try:
        if _are_second_factors_stamped(ring):
            ring.pin.require_second_factors(ring.master)
            return
        if not Device.objects.primaries().have_feature(messages.FEATURE_SECOND_FACTOR_MACS):
            return
        count = require_macs()
    except Fault as fault:
        log.error("Second factors have no MACs yet: %s", fault)  # noqa: TRY400 - no bug
        return
    log.warning("MACs of second factors are required from now on. Rows stamped: %s", count)
