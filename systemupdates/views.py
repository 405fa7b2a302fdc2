"""The System Updates page and the Status by Device of one update (R053, R056, R097)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from console import tables
from console.http import close_dialog, needs
from devices.http import ZoneRequest
from systemupdates import assignment as acts
from systemupdates import table
from systemupdates.machine import ASSIGNMENT, SETTLED, AssignmentState, UpdateState
from systemupdates.models import Assignment, SystemUpdate

RIGHT = "systemupdates.deploy_update"
RIGHT_LABEL = gettext_lazy("Deploy Update")
A = AssignmentState
COLUMNS = (
    tables.Column("device", gettext_lazy("Device"), "device__name"),
    tables.Column("state", gettext_lazy("Status"), "state"),
    tables.Column("changed", gettext_lazy("Changed"), "changed_at"),
    tables.Column("contact", gettext_lazy("Last contact"), "device__last_contact"),
)
UPDATE_COLUMNS = (
    tables.Column("name", gettext_lazy("System update"), "name"),
    tables.Column("created", gettext_lazy("Created"), "created_at"),
    tables.Column("state", gettext_lazy("Status"), "state"),
    tables.Column("activation", gettext_lazy("Activation"), "activates_at"),
)
TONES = {
    A.FAILED: "bad",
    A.NEEDS_CRT: "bad",
    A.APPLIED: "ok",
    A.ACTIVATED: "ok",
    A.DOWNLOADING: "busy",
    A.APPLYING: "busy",
    A.ACTIVATING: "busy",
}
may_deploy = needs(RIGHT, str(RIGHT_LABEL))


@require_safe
def updates(request: ZoneRequest) -> HttpResponse:
    """System Updates: every update with how its devices stand."""
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(UPDATE_COLUMNS, asked.sort)
    found = SystemUpdate.objects.defer("envelope")
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    if asked.state in UpdateState.values:
        found = found.filter(state=asked.state)
    order = f"{'-' if descending else ''}{field}" if field else "-created_at"
    page = tables.page_of(found.order_by(order, "pk"), asked)
    rows = _with_badges(list(page.object_list))
    context = {
        "nav": "updates",
        "asked": asked,
        "columns": columns,
        "page": page,
        "rows": rows,
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "systemupdates/list.html", context)


def _with_badges(found: list[SystemUpdate]) -> list[tuple[SystemUpdate, list[dict[str, Any]]]]:
    """Return the updates with their devices by state."""
    numbers = table.counts(found)
    return [
        (
            update,
            [
                {"state": s.value, "label": s.label, "tone": TONES.get(s, ""), "n": n}
                for s in AssignmentState
                if (n := numbers[update.pk].get(s.value, 0))
            ],
        )
        for update in found
    ]


@require_safe
def devices(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Status by Device of one update, filtered by state."""
    update = get_object_or_404(SystemUpdate.objects.defer("envelope"), pk=pk)
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(COLUMNS, asked.sort)
    every = Assignment.objects.filter(update=update)
    found = table.matching(every, asked.state, asked.q).select_related("device")
    order = (
        (f"{'-' if descending else ''}{field}",) if field else (table.WORST_FIRST, "device__name")
    )
    page = tables.page_of(found.order_by(*order, "pk"), asked)
    context = {
        "nav": "updates",
        "now": timezone.now(),
        "update": update,
        "asked": asked,
        "columns": columns,
        "page": page,
        "rows": [_row(assignment, request) for assignment in page.object_list],
        "chips": _chips(every, asked),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "systemupdates/devices.html", context)


def _row(assignment: Assignment, request: ZoneRequest) -> dict[str, Any]:
    """Return one device with the acts that its state allows and the role may do."""
    may = request.user.has_perm(RIGHT)
    state = A(assignment.state)
    return {
        "assignment": assignment,
        "tone": TONES.get(state, ""),
        "may_ignore": may and A.IGNORED in ASSIGNMENT.moves[state],
        "may_redeploy": may and state in acts.REDEPLOYABLE,
    }


def _chips(every: Any, asked: tables.Asked) -> list[dict[str, Any]]:
    conditions = {"open": ~Q(state__in=SETTLED)} | {s.value: Q(state=s) for s in AssignmentState}
    numbers = tables.counts(every, conditions)
    labels = {"": _("All"), "open": _("Outstanding"), **dict(AssignmentState.choices)}
    return [
        {"key": key, "label": label, "n": numbers[key], "on": asked.state == key}
        for key, label in labels.items()
        if numbers[key] or key in ("", asked.state)
    ]


@require_POST
@may_deploy
def ignore(request: ZoneRequest, pk: int) -> HttpResponse:
    """Ignore Device: leave a device out of an update (R097)."""
    assignment = _assignment(pk)
    acts.ignore_device(assignment, now=timezone.now())
    said = _("%s is left out of this update.") % assignment.device.name
    return close_dialog(request, _back(request, assignment), said=said)


@require_POST
@may_deploy
def redeploy(request: ZoneRequest, pk: int) -> HttpResponse:
    """Redeploy an update on a failed device (R053)."""
    assignment = _assignment(pk)
    acts.redeploy(assignment, now=timezone.now())
    said = _("The update is offered to %s again.") % assignment.device.name
    return close_dialog(request, _back(request, assignment), said=said)


def _assignment(pk: int) -> Assignment:
    return get_object_or_404(Assignment.objects.select_related("device", "update"), pk=pk)


def _back(request: ZoneRequest, assignment: Assignment) -> str:
    """Return the list the act came from, with its filter and page."""
    there = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(there, {request.get_host()}, request.is_secure()):
        return there
    return reverse("systemupdates:devices", args=[assignment.update_id])
