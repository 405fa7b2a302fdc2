"""Audit and Messages: what was done, by whom, when; filtered, in detail, exported (B-22, B-24)."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import F
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from audit.entries.forms import AuditFilter
from audit.entries.tables import Filter
from audit.models import Entry
from console.pages import tables
from console.pages.responses import Request, needs

RIGHT = "ledger.view_entry"
RIGHT_LABEL = _("View Audit Log")
COLUMNS = (
    tables.Column("time", _("Time"), "seq"),
    tables.Column("actor", _("Who"), "actor"),
    tables.Column("action", _("Action"), "action"),
    tables.Column("subject", _("Subject"), "subject"),
    tables.Column("note", _("Note")),
)
EXPORT_AT_MOST = 100_000
may_view = needs(RIGHT, str(RIGHT_LABEL))


@require_safe
@may_view
def audit(request: Request) -> HttpResponse:
    """List the entries, the newest first, or give them as CSV or JSON."""
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(COLUMNS, asked.sort)
    actions = Entry.objects.order_by("action").values_list("action", flat=True).distinct()
    form = AuditFilter(list(actions), data=request.GET)
    wanted = form.wanted() if form.is_valid() else Filter()
    found = wanted.entries()
    if field:
        by = F(field).desc() if descending else F(field).asc()
        found = found.order_by(by, "-seq")
    if request.GET.get("export") in EXPORTS and form.is_valid():
        return EXPORTS[request.GET["export"]](found[:EXPORT_AT_MOST])
    context = {
        "nav": "audit",
        "asked": asked,
        "columns": columns,
        "form": form,
        "is_filtered": wanted.is_on,
        "page": tables.page_of(found, asked),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "audit/audit.html", context, status=422 if form.errors else 200)


def _as_csv(found: Any) -> HttpResponse:
    """Return the entries as CSV, with their digests, so that the chain can be checked again."""
    rows = ([_cell(getattr(entry, name)) for name in NAMES] for entry in found)
    return tables.csv_download(f"audit_{timezone.now():%Y-%m-%d}.csv", NAMES, rows)


def _as_json(found: Any) -> HttpResponse:
    """Return the entries as JSON, one object for each, with every part that its digest covers."""
    rows = [{name: getattr(entry, name) for name in NAMES} for entry in found]
    response = JsonResponse({"entries": rows}, json_dumps_params={"indent": 1})
    return tables.as_download(response, f"audit_{timezone.now():%Y-%m-%d}.json")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


NAMES = [field.name for field in Entry._meta.concrete_fields]
EXPORTS = {"csv": _as_csv, "json": _as_json}


def _changes(detail: Any) -> list[dict[str, Any]]:
    """Return what an act changed, from its state before and after; [] where it has none."""
    if not isinstance(detail, dict):
        return []
    if not set(detail) & set(SIDES):
        # Some acts tell before and after by name instead.
        pairs = {name: pair for name, pair in detail.items() if _is_pair(pair)}
        detail = {side: {name: pair[side] for name, pair in pairs.items()} for side in SIDES}
    before, after = (detail.get(side) for side in SIDES)
    if not isinstance(before, dict) and not isinstance(after, dict):
        return []
    before, after = before or {}, after or {}
    return [
        {"name": name, "before": _words(before.get(name)), "after": _words(after.get(name))}
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(SIDES)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)


SIDES = ("before", "after")


@require_safe
@may_view
def entry(request: Request, seq: int) -> HttpResponse:
    """Show one entry with its detail and its place in the chain."""
    found = get_object_or_404(Entry, seq=seq)
    context = {
        "nav": "audit",
        "entry": found,
        "detail": json.dumps(found.detail, indent=2, sort_keys=True, ensure_ascii=False),
        "changes": _changes(found.detail),
        "newer": Entry.objects.filter(seq=seq + 1).exists(),
    }
    return render(request, "audit/entry.html", context)
