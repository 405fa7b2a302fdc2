"""One update: Status by Device with its rollout, its content and tools, release details."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from console.pages import tables as pages_tables
from console.pages.responses import trigger
from devices.middleware import ZoneRequest
from systemupdates.assignments import rollout
from systemupdates.assignments.assignment import REDEPLOYABLE
from systemupdates.content import replica_status
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates import lifecycle
from systemupdates.updates import lifecycle as updates_lifecycle
from systemupdates.updates import tables as updates_tables
from systemupdates.updates.list_views import TONES, UPDATE_TONES, badges
from systemupdates.updates.states import ASSIGNMENT, SETTLED, AssignmentState, UpdateState

RIGHT = "systemupdates.deploy_update"
RIGHT_LABEL = gettext_lazy("Deploy Update")
A = AssignmentState
HAS_ERROR = (A.FAILED, A.NEEDS_CRT)


def find(pk: UUID) -> SystemUpdate:
    """Return an update that is still on the pages, without its manifest."""
    return get_object_or_404(
        SystemUpdate.objects.shown()
        .select_related("initiating_server", "operation")
        .defer("envelope"),
        pk=pk,
    )


@require_safe
def devices(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Status by Device of one update, filtered by state."""
    update = find(pk)
    now = timezone.now()
    asked = pages_tables.Asked.read(request.GET)
    numbers = updates_tables.counts([update])[update.pk]
    columns, field, descending = pages_tables.sorted_by(updates_tables.DEVICE_COLUMNS, asked.sort)
    order = f"-{field}" if descending and field else field
    found = updates_tables.status_by_device(update, numbers, asked.state, asked.q, order)
    page = pages_tables.page_of(found, asked)
    context = {
        "nav": "updates",
        "asked": asked,
        "columns": columns,
        "page": page,
        "rows": [_row(assignment, request) for assignment in page.object_list],
        "chips": _chips(numbers, asked),
        "sizes": pages_tables.PAGE_SIZES,
        **_frame(request, update, "devices"),
        **_rollout(request, update, numbers, now),
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
        "may_redeploy": may and state in REDEPLOYABLE,
        "may_clear": may and state in HAS_ERROR,
        "may_refresh": may and state not in SETTLED,
    }


def _chips(numbers: dict[str, int], asked: pages_tables.Asked) -> list[dict[str, Any]]:
    shown = {
        "": sum(numbers.values()),
        updates_tables.OPEN: sum(n for state, n in numbers.items() if state not in SETTLED),
        **{state: numbers.get(state, 0) for state in A.values},
    }
    labels = {"": _("All"), updates_tables.OPEN: _("Outstanding"), **dict(AssignmentState.choices)}
    return [
        {"key": key, "label": label, "n": shown[key], "on": asked.state == key}
        for key, label in labels.items()
        if shown[key] or key in ("", asked.state)
    ]


def _frame(request: ZoneRequest, update: SystemUpdate, tab: str) -> dict[str, Any]:
    """Return what the heading of every page of an update shows, and which acts are open."""
    may = request.user.has_perm(RIGHT)
    operation = getattr(update, "operation", None)
    waits = operation is not None and operation.state == "replicating"
    return {
        "update": update,
        "tab": tab,
        "now": timezone.now(),
        "tone": UPDATE_TONES.get(UpdateState(update.state), "busy"),
        "operation": operation,
        "may_deploy": may,
        "may_assign": may and waits,
        "why_baseline": _why_not_baseline(update),
        "why_delete": _why_not_delete(update),
    }


def _why_not_baseline(update: SystemUpdate) -> str:
    """Return why Baseline is shut, "" where it is open (D-39)."""
    if update.state == UpdateState.COMPLETED:
        return ""
    if update.state == UpdateState.BASELINED:
        return _("The update is baselined already.")
    if update.state == UpdateState.CANCELED:
        return _("The update was cancelled: it can be deleted at once.")
    return _("Baseline is possible once every device is activated or ignored.")


def _why_not_delete(update: SystemUpdate) -> str:
    if update.state in lifecycle.MAY_DELETE:
        return ""
    return _("Delete is possible once the update is baselined or cancelled.")


def _rollout(
    request: ZoneRequest, update: SystemUpdate, numbers: dict[str, int], now: Any
) -> dict[str, Any]:
    live = update.state not in updates_tables.HISTORY
    return {
        "chart": rollout.drawn(update, numbers, now=now),
        "badges": badges(numbers),
        "failed": numbers.get(A.FAILED, 0),
        "stage_runs": list(update.stage_runs.all()) if update.staged else [],
        "live": live,
        "mark": _mark(update, numbers),
    }


def _mark(update: SystemUpdate, numbers: dict[str, int]) -> str:
    operation = getattr(update, "operation", None)
    stands = operation.state if operation else ""
    facts = (update.state, sorted(numbers.items()), update.activates_at, stands)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


@require_safe
def pane(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Answer the live pane of a rollout: 204 while nothing is new, else the pane."""
    update, now = find(pk), timezone.now()
    numbers = rollout.recent(update, now=now)
    if request.GET.get("rev", "") == _mark(update, numbers):
        return HttpResponse(status=204)
    context = _rollout(request, update, numbers, now)
    context |= _frame(request, update, "devices") | {"is_news": True}
    response = render(request, "systemupdates/rollout.html", context)
    return trigger(response, zcc_rows={})


@require_safe
def content(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show where the content of an update is, and which servers offer its tool (R049, D-40)."""
    update = find(pk)
    now = timezone.now()
    context = {
        "nav": "updates",
        "rows": replica_status.standing(update, request.zone, now),
        "back": request.path,
        "waiting": update.replicas.missing().exists(),
        **_frame(request, update, "content"),
    }
    return render(request, "systemupdates/content.html", context)


@require_safe
def details(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the release details of an update: what was signed, by whom, for whom."""
    update = get_object_or_404(
        SystemUpdate.objects.shown().select_related("initiating_server"), pk=pk
    )
    signed = updates_lifecycle.signed(update, request.zone)
    context = {
        "nav": "updates",
        "signed": signed,
        "grace_until": updates_lifecycle.moment(signed.grace_until) if signed is not None else None,
        "notices": update.notices.order_by("pk"),
        "stage_runs": list(update.stage_runs.all()),
        **_frame(request, update, "details"),
    }
    return render(request, "systemupdates/details.html", context)
