"""The System Updates page."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from console.pages import tables as pages_tables
from console.pages.listing import (
    follow_rows,
    get_own_url,
    list_keys,
    require_safe_or_export,
    select_rows,
)
from console.pages.paging import get_page, sort_rows
from devices.middleware import ZoneRequest
from systemupdates.assignments import rollout
from systemupdates.models import SystemUpdate
from systemupdates.updates import tables as updates_tables
from systemupdates.updates.bulk_actions import UPDATE_ACTIONS
from systemupdates.updates.states import AssignmentState, UpdateState

RIGHT = "systemupdates.deploy_update"
A = AssignmentState
TONES = {
    A.FAILED: "bad",
    A.NEEDS_CRT: "bad",
    A.APPLIED: "ok",
    A.ACTIVATED: "ok",
    A.DOWNLOADING: "busy",
    A.APPLYING: "busy",
    A.ACTIVATING: "busy",
}
UPDATE_TONES = {
    UpdateState.ERROR: "bad",
    UpdateState.COMPLETED: "ok",
    UpdateState.BASELINED: "",
    UpdateState.CANCELED: "",
}


@require_safe_or_export
def updates(request: ZoneRequest) -> HttpResponseBase:
    """Show the updates with the numbers of their devices by state, or return them as CSV."""
    query = pages_tables.TableQuery.parse(request.GET)
    table = updates_tables.UPDATES.get_view(request, query)
    found = updates_tables.filter_updates(query.q, query.state)
    order = table.get_order("-created_at")
    if updates_tables.UPDATES.is_exported(request):
        return updates_tables.UPDATES.export(
            _rows(list(sort_rows(select_rows(request, found), order)))
        )
    page = get_page(found, query, order)
    shown = follow_rows(request, updates_tables.filter_updates("", ""), page.rows)
    context = {
        "nav": "updates",
        "tab": "updates",
        "query": query,
        "table": table,
        "bulk_actions": UPDATE_ACTIONS if request.user.has_perm(RIGHT) else {},
        "columns": table.columns,
        "chips": _chips(SystemUpdate.objects.visible(), query),
        "page": page,
        "rows": _rows(shown),
        "kept": list_keys(shown),
        "here": get_own_url(request),
        "sizes": pages_tables.PAGE_SIZES,
    }
    return render(request, "systemupdates/list.html", context)


def _chips(every: Any, query: pages_tables.TableQuery) -> list[dict[str, Any]]:
    labels = {
        "": _("All"),
        "available": _("Available"),
        "deploying": _("Deploying"),
        "history": _("History"),
    }
    conditions = {key: Q(state__in=states) for key, states in updates_tables.GROUPS.items()}
    numbers = pages_tables.count_by_condition(every, conditions)
    return [
        {"key": key, "label": label, "n": numbers[key], "on": query.state == key}
        for key, label in labels.items()
    ]


def _rows(found: list[SystemUpdate]) -> list[dict[str, Any]]:
    """Return the rows of the table: numbers of devices by state, activated, and in total."""
    numbers = updates_tables.count_devices(found)
    rows = []
    for update in found:
        summary = rollout.summarize_counts(numbers[update.pk])
        rows.append(
            {
                "update": update,
                "tone": UPDATE_TONES.get(UpdateState(update.state), "busy"),
                "is_open": update.state not in updates_tables.HISTORY,
                "counts": build_badges(numbers[update.pk]),
                "done": summary["activated"],
                "of": summary["of"],
            }
        )
    return rows


def build_badges(numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Return the states that occur, with the number of devices in each."""
    return [
        {"state": s.value, "label": s.label, "tone": TONES.get(s, ""), "n": n}
        for s in AssignmentState
        if (n := numbers.get(s.value, 0))
    ]
