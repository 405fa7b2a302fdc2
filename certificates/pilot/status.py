"""What the devices of the pilot group have reported, and whether the rest can follow.

See: D-279
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Case, CharField, Count, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Operation
from certificates.operations.activation_time import format_time
from certificates.trust.devices_at_risk import PREFLIGHT_FAILED, PREFLIGHT_PASSED
from certificates.trust.readiness import MAX_PERCENT, format_names
from devices.registration.states import DeviceState
from systemupdates.models import Assignment
from systemupdates.updates.states import APPLIED, ERRORS, AssignmentState

NOT_COUNTED = (AssignmentState.IGNORED, AssignmentState.CANCELED)
PASSED, FAILED, WAITING = "passed", "failed", ""
MAX_NAMES = 20


@dataclass(frozen=True)
class PilotStatus:
    """The numbers of a pilot group, and the names of the first devices without success.

    `needed` is the number of devices that must pass, and `waiting` that of devices without result.
    """

    total: int
    passed: int
    failed: int
    waiting: int
    needed: int
    until: datetime
    failed_devices: tuple[str, ...] = ()
    waiting_devices: tuple[str, ...] = ()

    @property
    def has_passed(self) -> bool:
        """Return True if the rest can receive the update: enough have passed, and none failed."""
        return self.total > 0 and not self.failed and self.passed >= self.needed

    def get_problem(self, now: datetime) -> str:
        """Return why an administrator must decide, "" if the devices still have time."""
        if not self.total:
            return _("The pilot group has no registered device.")
        if self.failed:
            return ngettext(
                "%(n)s device of the pilot group failed: %(names)s",
                "%(n)s devices of the pilot group failed: %(names)s",
                self.failed,
            ) % {"n": intcomma(self.failed), "names": format_names(list(self.failed_devices))}
        if now < self.until:
            return ""
        text = _(
            "%(passed)s of %(of)s devices of the pilot group passed the preflight check until "
            "%(until)s; %(needed)s required. No result: %(names)s"
        )
        return text % {
            "passed": intcomma(self.passed),
            "of": intcomma(self.total),
            "needed": intcomma(self.needed),
            "until": format_time(self.until),
            "names": format_names(list(self.waiting_devices)),
        }


def get_status(operation: Operation) -> PilotStatus:
    """Return what the pilot group of an operation has reported. The operation must have one."""
    pilot = operation.parameters["pilot"]
    rows = _annotate_results(operation)
    counts = dict(rows.order_by().values_list("result").annotate(n=Count("pk")))
    total = sum(counts.values())
    return PilotStatus(
        total=total,
        passed=counts.get(PASSED, 0),
        failed=counts.get(FAILED, 0),
        waiting=counts.get(WAITING, 0),
        needed=max(1, math.ceil(pilot["percent"] * total / MAX_PERCENT)),
        until=datetime.fromisoformat(pilot["until"]),
        failed_devices=_list_names(rows, FAILED) if FAILED in counts else (),
        waiting_devices=_list_names(rows, WAITING) if WAITING in counts else (),
    )


def _annotate_results(operation: Operation) -> QuerySet[Any, Any]:
    """Return the assignments of the registered devices of the pilot group with their result."""
    rows: QuerySet[Any, Any] = Assignment.objects.filter(
        update=operation.update_id, is_pilot=True, device__state=DeviceState.REGISTERED
    ).exclude(state__in=NOT_COUNTED)
    rows = rows.annotate(preflight=Cast("preflight_results", TextField()))
    result = Case(
        When(Q(state__in=ERRORS) | PREFLIGHT_FAILED, then=Value(FAILED)),
        When(Q(state__in=APPLIED) & PREFLIGHT_PASSED, then=Value(PASSED)),
        default=Value(WAITING),
        output_field=CharField(),
    )
    found: QuerySet[Any, Any] = rows.annotate(result=result)
    return found


def _list_names(rows: QuerySet[Any, Any], result: str) -> tuple[str, ...]:
    found = rows.filter(result=result).order_by("device__name")
    return tuple(found.values_list("device__name", flat=True)[:MAX_NAMES])
