"""The pages of an update: Status by Device, content and tool, Release Details."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from audit.models import from_timestamp
from console.pages import tables as pages_tables
from console.pages.listing import (
    get_own_url,
    keep_rows,
    require_safe_or_export,
    select_rows,
)
from console.pages.responses import trigger
from devices.middleware import ZoneRequest
from systemupdates.assignments import rollout
from systemupdates.assignments.assignment import REDEPLOYABLE
from systemupdates.content import replica_status
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle
from systemupdates.updates import tables as updates_tables
from systemupdates.updates.bulk_actions import ACTIONS
from systemupdates.updates.list_views import RIGHT, TONES, UPDATE_TONES, build_badges
from systemupdates.updates.states import ASSIGNMENT, ERRORS, SETTLED, AssignmentState, UpdateState

RIGHT_LABEL = gettext_lazy("Deploy Update")
A = AssignmentState


def find_update(pk: UUID) -> SystemUpdate:
    """Return an update that has not been deleted, without its manifest."""
    return get_object_or_404(
        SystemUpdate.objects.visible()
        .select_related("initiating_server", "operation")
        .defer("envelope"),
        pk=pk,
    )


@require_safe_or_export
def devices(request: ZoneRequest, pk: UUID) -> HttpResponseBase:
    """Show Status by Device of an update, or return it as CSV."""
    update = find_update(pk)
    now = timezone.now()
    query = pages_tables.TableQuery.parse(request.GET)
    numbers = rollout.get_recent_counts(update, now=now)
    table = updates_tables.STATUS_BY_DEVICE.get_view(request, query)
    order = table.get_order()
    if updates_tables.STATUS_BY_DEVICE.is_exported(request):
        found = updates_tables.list_status_by_device(update, query.state, query.q, order)
        return updates_tables.STATUS_BY_DEVICE.export(select_rows(request, found))
    found = updates_tables.get_status_by_device(update, numbers, query.state, query.q, order)
    page = updates_tables.get_page(found, query, order)
    every = Assignment.objects.filter(update=update).select_related("device")
    shown = keep_rows(request, every) or page.rows
    context = {
        "nav": "updates",
        "query": query,
        "table": table,
        "bulk_actions": ACTIONS if request.user.has_perm(RIGHT) else {},
        "columns": table.columns,
        "page": page,
        "rows": [_row(assignment, request) for assignment in shown],
        "kept": ",".join(str(assignment.pk) for assignment in shown),
        "here": get_own_url(request),
        "chips": _chips(numbers, query),
        "sizes": pages_tables.PAGE_SIZES,
        **_frame(request, update, "devices"),
        **_rollout(request, update, numbers, now),
    }
    return render(request, "systemupdates/devices.html", context)


def _row(assignment: Assignment, request: ZoneRequest) -> dict[str, Any]:
    """Return a row of the table with the actions that the state and the user's role allow."""
    may = request.user.has_perm(RIGHT)
    state = A(assignment.state)
    return {
        "assignment": assignment,
        "tone": TONES.get(state, ""),
        "may_ignore": may and ASSIGNMENT.can_change(state, A.IGNORED),
        "may_redeploy": may and state in REDEPLOYABLE,
        "may_clear": may and state in ERRORS,
        "may_refresh": may and state not in SETTLED,
    }


def _chips(numbers: dict[str, int], query: pages_tables.TableQuery) -> list[dict[str, Any]]:
    shown = {
        "": sum(numbers.values()),
        updates_tables.OPEN: sum(n for state, n in numbers.items() if state not in SETTLED),
        **{state: numbers.get(state, 0) for state in A.values},
    }
    labels = {"": _("All"), updates_tables.OPEN: _("Outstanding"), **dict(AssignmentState.choices)}
    return [
        {"key": key, "label": label, "n": shown[key], "on": query.state == key}
        for key, label in labels.items()
        if shown[key] or key in ("", query.state)
    ]


def _frame(request: ZoneRequest, update: SystemUpdate, tab: str) -> dict[str, Any]:
    """Return the context of the heading, and the actions that are available."""
    may, now = request.user.has_perm(RIGHT), timezone.now()
    operation = getattr(update, "operation", None)
    is_replicating = operation is not None and operation.state == "replicating"
    is_running = operation is not None and operation.is_blocking
    freeze = request.zone.freeze_period
    return {
        "update": update,
        "tab": tab,
        "tone": UPDATE_TONES.get(UpdateState(update.state), "busy"),
        "operation": operation,
        "is_pending": is_running and update.activates_at is not None and now < update.activates_at,
        "freezes_at": operation.get_cancel_deadline(now, freeze) if operation else None,
        "may_deploy": may,
        "may_assign": may and is_replicating,
        "why_baseline": _why_not_baseline(update),
        "why_delete": _why_not_delete(update),
    }


def _why_not_baseline(update: SystemUpdate) -> str:
    """Return why the update cannot be baselined, "" if it can."""
    if update.state == UpdateState.COMPLETED:
        return ""
    if update.state == UpdateState.BASELINED:
        return _("The update has already been baselined.")
    if update.state == UpdateState.CANCELED:
        return _("The update was canceled and does not need a baseline. You can delete it.")
    return _("You can baseline the update when every device is activated or ignored.")


def _why_not_delete(update: SystemUpdate) -> str:
    if update.state in lifecycle.DELETABLE:
        return ""
    return _("You can delete the update when it is baselined or canceled.")


def _rollout(
    request: ZoneRequest, update: SystemUpdate, numbers: dict[str, int], now: Any
) -> dict[str, Any]:
    is_live = update.state not in updates_tables.HISTORY
    return {
        "chart": rollout.build_rollout_chart(update, numbers, now=now),
        "badges": build_badges(numbers),
        "failed": numbers.get(A.FAILED, 0),
        "stage_runs": list(update.stage_runs.all()) if update.staged else [],
        "is_live": is_live,
        "page_revision": _get_revision(update, numbers),
    }


def _get_revision(update: SystemUpdate, numbers: dict[str, int]) -> str:
    operation = getattr(update, "operation", None)
    operation_state = operation.state if operation else ""
    facts = (update.state, sorted(numbers.items()), update.activates_at, operation_state)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


@require_safe
def pane(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the live pane of the rollout, or 204 if it has not changed."""
    update, now = find_update(pk), timezone.now()
    numbers = rollout.get_recent_counts(update, now=now)
    if request.GET.get("rev", "") == _get_revision(update, numbers):
        return HttpResponse(status=204)
    context = _rollout(request, update, numbers, now)
    context |= _frame(request, update, "devices") | {"is_update": True}
    response = render(request, "systemupdates/rollout.html", context)
    return trigger(response, zcc_rows={})


@require_safe
def content(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the replication status of an update and the servers that offer its tool."""
    update = find_update(pk)
    now = timezone.now()
    rows = replica_status.get_replica_rows(update, request.zone, now)
    context = {
        "nav": "updates",
        "rows": rows,
        "tool": next((row for row in rows if row.tool_download_url), None),
        "tool_name": build.get_name(update),
        "back": request.path,
        "waiting": update.replicas.missing().exists(),
        **_frame(request, update, "content"),
    }
    return render(request, "systemupdates/content.html", context)


@require_safe
def details(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the release details of an update."""
    update = get_object_or_404(
        SystemUpdate.objects.visible().select_related("initiating_server"), pk=pk
    )
    manifest = lifecycle.get_verified_manifest(update, request.zone)
    context = {
        "nav": "updates",
        "manifest": manifest,
        "grace_until": from_timestamp(manifest.grace_until) if manifest is not None else None,
        "notices": update.notices.order_by("pk"),
        "stage_runs": list(update.stage_runs.all()),
        **_frame(request, update, "details"),
    }
    return render(request, "systemupdates/details.html", context)
