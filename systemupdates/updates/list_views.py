"""The System Updates page: what is available, deploying and past (R056, D-33)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from console.pages import tables as pages_tables
from devices.middleware import ZoneRequest
from systemupdates.assignments import rollout
from systemupdates.models import SystemUpdate
from systemupdates.updates import tables as updates_tables
from systemupdates.updates.states import AssignmentState, UpdateState

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


@require_safe
def updates(request: ZoneRequest) -> HttpResponse:
    """System Updates: every update with how its devices stand."""
    asked = pages_tables.Asked.read(request.GET)
    columns, field, descending = pages_tables.sorted_by(updates_tables.UPDATE_COLUMNS, asked.sort)
    found = updates_tables.updates(asked.q, asked.state)
    order = f"{'-' if descending else ''}{field}" if field else "-created_at"
    page = pages_tables.page_of(found.order_by(order, "pk"), asked)
    context = {
        "nav": "updates",
        "tab": "updates",
        "asked": asked,
        "columns": columns,
        "chips": _chips(SystemUpdate.objects.shown(), asked),
        "page": page,
        "rows": _rows(list(page.object_list)),
        "sizes": pages_tables.PAGE_SIZES,
    }
    return render(request, "systemupdates/list.html", context)


def _chips(every: Any, asked: pages_tables.Asked) -> list[dict[str, Any]]:
    labels = {
        "": _("All"),
        "available": _("Available"),
        "deploying": _("Deploying"),
        "history": _("History"),
    }
    conditions = {key: Q(state__in=states) for key, states in updates_tables.GROUPS.items()}
    numbers = pages_tables.counts(every, conditions)
    return [
        {"key": key, "label": label, "n": numbers[key], "on": asked.state == key}
        for key, label in labels.items()
    ]


def _rows(found: list[SystemUpdate]) -> list[dict[str, Any]]:
    """Return the updates with their devices by state, and how many of all are through."""
    numbers = updates_tables.counts(found)
    rows = []
    for update in found:
        shown = rollout.reckon(numbers[update.pk])
        rows.append(
            {
                "update": update,
                "tone": UPDATE_TONES.get(UpdateState(update.state), "busy"),
                "counts": badges(numbers[update.pk]),
                "done": shown["activated"],
                "of": shown["of"],
            }
        )
    return rows


def badges(numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Return the states that devices are in, in the order of D-33, with how many are."""
    return [
        {"state": s.value, "label": s.label, "tone": TONES.get(s, ""), "n": n}
        for s in AssignmentState
        if (n := numbers.get(s.value, 0))
    ]
