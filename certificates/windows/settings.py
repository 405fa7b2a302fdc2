"""Store maintenance windows and change freezes, and load them as a schedule.

See: D-273
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from audit.rows import alarms
from certificates.models import ChangeFreeze, MaintenanceWindow
from certificates.windows import rules
from certificates.windows.rules import Freeze, Schedule
from devices.models import Zone
from faults import Conflict, Fault, Invalid, NotFound

RIGHT = "devices.change_zone"
MAX_WINDOWS, MAX_FREEZES = 50, 50
MAX_NAME, MAX_REASON = 64, 200
MAX_FREEZE_DAYS = 366
Row = TypeVar("Row", MaintenanceWindow, ChangeFreeze)
WINDOW, FREEZE = "certificates.MaintenanceWindow", "certificates.ChangeFreeze"


@dataclass(frozen=True)
class FreezeSettings:
    """The settings of a change freeze."""

    begins_at: datetime
    ends_at: datetime
    reason: str

    def check(self, now: datetime) -> None:
        """Raise Invalid for the first value that is not valid."""
        if not self.reason.strip() or len(self.reason) > MAX_REASON:
            raise _invalid(_("Enter a reason of 1 to %d characters.") % MAX_REASON, "reason")
        if self.ends_at <= max(self.begins_at, now):
            raise _invalid(
                _("The end is not later than the beginning and the current time."), "ends_at"
            )
        if (self.ends_at - self.begins_at).days > MAX_FREEZE_DAYS:
            raise _invalid(
                _("A change freeze can last up to %d days.") % MAX_FREEZE_DAYS, "ends_at"
            )


def _invalid(explanation: str, field: str) -> Invalid:
    return Invalid(f"{explanation} {_('Nothing was changed.')}", field=field)


def load_schedule(now: datetime) -> Schedule:
    """Return the windows, and the change freezes that have not ended.

    If a row was altered in the database, an alarm is raised, and no time is open.
    """
    windows, freezes = list(MaintenanceWindow.objects.all()), ChangeFreeze.objects.not_over(now)
    found, is_closed = [], False
    for row in windows:
        # A rule of a later release, after a return to this one, is not understood.
        try:
            found.append(rules.parse_window(row.name, row.rule))
        except Fault:
            is_closed = True
        is_closed = not alarms.is_authentic(row) or is_closed
    for freeze in freezes:
        is_closed = not alarms.is_authentic(freeze) or is_closed
    return Schedule(
        zone=ZoneInfo(Zone.objects.get_zone().time_zone),
        windows=tuple(found),
        freezes=tuple(Freeze(row.begins_at, row.ends_at, row.reason) for row in freezes),
        is_closed=is_closed,
    )


@transaction.atomic
def save_window(name: str, rule: str, *, pk: int | None = None) -> MaintenanceWindow:
    """Create a window, or change one. Raises a fault if its values are not valid."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise _invalid(_("Enter a name of 1 to %d characters.") % MAX_NAME, "name")
    rule = "\n".join(line.strip() for line in rule.splitlines() if line.strip())
    rules.parse_window(name, rule)
    checkpoint = Entry.objects.lock_checkpoint()
    window = _get(MaintenanceWindow, pk) if pk is not None else MaintenanceWindow()
    if pk is None and MaintenanceWindow.objects.count() >= MAX_WINDOWS:
        raise _too_many(MAX_WINDOWS)
    before = _describe_window(window) if pk is not None else {}
    window.name, window.rule = name, rule
    try:
        with transaction.atomic():
            window.save()
    except IntegrityError as error:
        raise Conflict(
            _("A maintenance window with that name already exists. Nothing was changed."),
            action=_("Choose a different name."),
            field="name",
        ) from error
    detail = {"before": before, "after": _describe_window(window)}
    Entry.objects.append(
        checkpoint, "save-maintenance-window", f"{WINDOW}:{window.pk}", note=name, detail=detail
    )
    return window


@transaction.atomic
def remove_window(pk: int) -> None:
    """Remove a window. Without windows, every time is open."""
    checkpoint = Entry.objects.lock_checkpoint()
    window = _get(MaintenanceWindow, pk)
    Entry.objects.append(
        checkpoint,
        "remove-maintenance-window",
        f"{WINDOW}:{pk}",
        note=window.name,
        detail={"before": _describe_window(window), "after": {}},
    )
    window.delete()


@transaction.atomic
def save_freeze(settings: FreezeSettings, *, now: datetime, pk: int | None = None) -> ChangeFreeze:
    """Create a change freeze, or change one. Raises Invalid if its values are not valid."""
    settings.check(now)
    checkpoint = Entry.objects.lock_checkpoint()
    freeze = _get(ChangeFreeze, pk) if pk is not None else ChangeFreeze()
    if pk is None and ChangeFreeze.objects.not_over(now).count() >= MAX_FREEZES:
        raise _too_many(MAX_FREEZES)
    before = _describe(freeze) if pk is not None else {}
    freeze.begins_at, freeze.ends_at = settings.begins_at, settings.ends_at
    freeze.reason = settings.reason.strip()
    freeze.save()
    detail = {"before": before, "after": _describe(freeze)}
    subject = f"{FREEZE}:{freeze.pk}"
    Entry.objects.append(
        checkpoint, "save-change-freeze", subject, note=freeze.reason, detail=detail
    )
    return freeze


@transaction.atomic
def remove_freeze(pk: int) -> None:
    """Remove a change freeze, also while it is in force."""
    checkpoint = Entry.objects.lock_checkpoint()
    freeze = _get(ChangeFreeze, pk)
    detail = {"before": _describe(freeze), "after": {}}
    subject = f"{FREEZE}:{pk}"
    Entry.objects.append(
        checkpoint, "remove-change-freeze", subject, note=freeze.reason, detail=detail
    )
    freeze.delete()


def _describe_window(window: MaintenanceWindow) -> dict[str, str]:
    return {"name": window.name, "rule": " ".join(window.rule.splitlines())}


def _describe(freeze: ChangeFreeze) -> dict[str, str]:
    return {
        "begins_at": freeze.begins_at.isoformat(),
        "ends_at": freeze.ends_at.isoformat(),
        "reason": freeze.reason,
    }


def _get(model: type[Row], pk: int) -> Row:
    """Return a row; raise NotFound, or RowAltered, because an altered row is evidence."""
    row = model.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound(
            _("The maintenance window or change freeze was not found. Nothing was changed.")
        )
    return row.check_row_mac()


def _too_many(most: int) -> Invalid:
    return Invalid(_("The maximum of %d has been reached. Nothing was changed.") % most)
