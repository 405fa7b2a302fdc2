"""The readiness policy, which can postpone an activation when the freeze period begins."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import Operation
from certificates.operations.activation_time import format_time
from certificates.operations.publication import publish_new_revision
from certificates.trust import devices_at_risk
from certificates.windows.waiting import find_later_time
from devices.models import Device, Role, Zone
from devices.zone import settings
from faults import Invalid
from systemupdates.updates.states import AssignmentState

MAX_NAMES = 5
MAX_PERCENT = 100
MAX_DAYS = 365


def save_policy(*, servers: bool, percent: int, days: int) -> None:
    """Save the readiness policy. With 0 percent, devices are not checked. Raise Invalid."""
    if not 0 <= percent <= MAX_PERCENT:
        raise Invalid(_("The percentage of devices must be between 0 and 100."), field="percent")
    if not 1 <= days <= MAX_DAYS:
        raise Invalid(_("The number of days must be between 1 and 365."), field="days")
    settings.save_zone_settings(
        {"ready_servers": servers, "ready_percent": percent, "ready_days": days}
    )


def get_policy(zone: Zone) -> dict[str, int | bool]:
    """Return the readiness policy of the zone."""
    return {
        "servers": zone.ready_servers,
        "percent": zone.ready_percent,
        "days": zone.ready_days,
    }


def has_policy(zone: Zone) -> bool:
    """Return True if the zone has a readiness policy."""
    return zone.ready_servers or zone.ready_percent > 0


def list_shortfalls(
    operation: Operation, zone: Zone, now: datetime, *, counted: tuple[int, int] | None = None
) -> list[str]:
    """Return the requirements of the policy that are not met, as text.

    `counted` is the result of `count_preflight_passed`, if it is known already.
    """
    if not operation.changes_ca:
        return []
    found = []
    if zone.ready_servers:
        found += _list_server_shortfalls(operation)
    if zone.ready_percent:
        found += _list_device_shortfalls(
            zone, counted or count_preflight_passed(operation, zone, now)
        )
    return found


def _list_server_shortfalls(operation: Operation) -> list[str]:
    applied = (*devices_at_risk.APPLIED, AssignmentState.IGNORED)
    waiting = devices_at_risk.get_devices(operation).filter(role=Role.PRIMARY)
    waiting = waiting.exclude(pk__in=_list_servers_in_state(operation, applied))
    names = list(waiting.order_by("name").values_list("name", flat=True))
    if not names:
        return []
    return [_("not every Primary Server is ready: %s") % format_names(names)]


def format_names(names: list[str]) -> str:
    """Return up to MAX_NAMES names as text, with an ellipsis if there are more."""
    more = " …" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _list_servers_in_state(operation: Operation, states: tuple[str, ...]) -> list[UUID]:
    ready = Device.objects.filter(
        assignments__update=operation.update_id, assignments__state__in=states
    )
    return list(ready.filter(role=Role.PRIMARY).values_list("pk", flat=True))


def _list_device_shortfalls(zone: Zone, counted: tuple[int, int]) -> list[str]:
    passed, total = counted
    if passed * MAX_PERCENT >= zone.ready_percent * total:
        return []
    return [
        _(
            "%(done)s of %(of)s devices seen in the last %(days)d days passed "
            "the preflight check; %(percent)d%% required"
        )
        % {
            "done": intcomma(passed),
            "of": intcomma(total),
            "days": zone.ready_days,
            "percent": zone.ready_percent,
        }
    ]


def count_preflight_passed(operation: Operation, zone: Zone, now: datetime) -> tuple[int, int]:
    """Return how many of the recently seen devices passed the preflight check, and their total."""
    seen = devices_at_risk.get_devices(operation).filter(
        last_contact__gte=now - timedelta(days=zone.ready_days)
    )
    numbers = seen.aggregate(
        total=Count("pk"),
        passed=Count(
            "pk", filter=devices_at_risk.PREFLIGHT_PASSED & ~devices_at_risk.PREFLIGHT_FAILED
        ),
    )
    return numbers["passed"], numbers["total"]


def postpone_activation(operation: Operation, zone: Zone, why: list[str], *, now: datetime) -> bool:
    """Postpone the activation and publish the new time.

    Return False if the activation cannot be later.
    """
    later = find_later_time(operation, zone, now=now)
    if later is None:
        return False
    before = operation.activates_at
    reason = _("The activation was postponed to %(at)s: %(why)s.") % {
        "at": format_time(later),
        "why": "; ".join(why),
    }
    Operation.objects.filter(pk=operation.pk).update(
        activates_at=later,
        postponed=operation.postponed + 1,
        reason=reason,
        action=_(
            "Fix the devices that are not ready, change the activation "
            "time, force the activation, or cancel the operation."
        ),
    )
    operation.refresh_from_db()
    Entry.objects.record(
        "postpone",
        f"certificates.Operation:{operation.pk}",
        note="; ".join(why)[:500],
        detail={"before": str(before), "after": str(later)},
    )
    publish_new_revision(operation, now=now)
    return True
