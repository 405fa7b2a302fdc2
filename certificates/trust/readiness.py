"""The readiness gate: at the lock-out the zone's policy may put the activation off (B-3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import Operation
from certificates.operations.activation_time import limits, stamp
from certificates.operations.publication import publish_again
from certificates.trust import devices_at_risk
from devices.models import Device, Role, Zone
from devices.zone import settings
from faults import Fault, Invalid
from systemupdates.updates.states import AssignmentState

NAMED_AT_MOST = 5
PERCENT = 100
DAYS_AT_MOST = 365


def set_policy(*, servers: bool, percent: int, days: int) -> None:
    """Set what must be ready before an activation; 0 percent asks for no device."""
    if not 0 <= percent <= PERCENT:
        raise Invalid(_("The share of devices must be from 0 to 100 %."), field="percent")
    if not 1 <= days <= DAYS_AT_MOST:
        raise Invalid(_("The devices can be those seen in 1 to 365 days."), field="days")
    settings.save({"ready_servers": servers, "ready_percent": percent, "ready_days": days})


def policy_of(zone: Zone) -> dict[str, int | bool]:
    """Return the policy as values."""
    return {
        "servers": zone.ready_servers,
        "percent": zone.ready_percent,
        "days": zone.ready_days,
    }


def has_policy(zone: Zone) -> bool:
    """Tell whether the zone asks for anything."""
    return zone.ready_servers or zone.ready_percent > 0


def shortfalls(operation: Operation, zone: Zone, now: datetime) -> list[str]:
    """Return what the policy misses now, in words; none where it is met or there is none."""
    if not operation.changes_ca:
        return []
    found = []
    if zone.ready_servers:
        found += _servers(operation)
    if zone.ready_percent:
        found += _devices(operation, zone, now)
    return found


def _servers(operation: Operation) -> list[str]:
    applied = (*devices_at_risk.APPLIED, AssignmentState.IGNORED)
    waiting = devices_at_risk.devices(operation).filter(role=Role.PRIMARY)
    waiting = waiting.exclude(pk__in=_having(operation, applied))
    names = list(waiting.order_by("name").values_list("name", flat=True))
    if not names:
        return []
    return [_("not every Primary Server is ready: %s") % few(names)]


def few(names: list[str]) -> str:
    """Return the first names of a list, and whether there are more."""
    more = " …" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more


def _having(operation: Operation, states: tuple[str, ...]) -> list[UUID]:
    ready = Device.objects.filter(
        assignments__update=operation.update_id, assignments__state__in=states
    )
    return list(ready.filter(role=Role.PRIMARY).values_list("pk", flat=True))


def _devices(operation: Operation, zone: Zone, now: datetime) -> list[str]:
    rehearsed, of = share(operation, zone, now)
    if rehearsed * PERCENT >= zone.ready_percent * of:
        return []
    return [
        _(
            "%(done)d of %(of)d devices seen in %(days)d days have rehearsed, %(percent)d %% are "
            "asked for"
        )
        % {
            "done": rehearsed,
            "of": of,
            "days": zone.ready_days,
            "percent": zone.ready_percent,
        }
    ]


def share(operation: Operation, zone: Zone, now: datetime) -> tuple[int, int]:
    """Return how many of the devices seen lately have rehearsed, of how many."""
    seen = devices_at_risk.devices(operation).filter(
        last_contact__gte=now - timedelta(days=zone.ready_days)
    )
    numbers = seen.aggregate(
        of=Count("pk"), rehearsed=Count("pk", filter=devices_at_risk.OK & ~devices_at_risk.REFUSED)
    )
    return numbers["rehearsed"], numbers["of"]


def postpone(operation: Operation, zone: Zone, why: list[str], *, now: datetime) -> bool:
    """Put the activation off, sign the new time, and say why; False where no later time is left."""
    allowed = limits(operation.kind, now=now)
    later = max(allowed.suggestion, now + 2 * zone.lockout)
    try:
        allowed.check(later)
    except Fault:
        return False
    before = operation.activates_at
    reason = _("The activation was put off to %(at)s: %(why)s.") % {
        "at": stamp(later),
        "why": "; ".join(why),
    }
    Operation.objects.filter(pk=operation.pk).update(
        activates_at=later,
        postponed=operation.postponed + 1,
        reason=reason,
        action=_("Make the devices ready, change the activation time, force it, or cancel."),
    )
    operation.refresh_from_db()
    Entry.objects.record(
        "postpone",
        f"certificates.Operation:{operation.pk}",
        note="; ".join(why)[:500],
        detail={"before": str(before), "after": str(later)},
    )
    publish_again(operation, now=now)
    return True
