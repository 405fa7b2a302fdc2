"""The pages of Audit and Messages: filtered list, one entry, CSV and JSON export."""

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
from audit.entries.subjects import build_rows
from audit.entries.tables import Filter
from audit.models import Entry
from console.pages import tables
from console.pages.responses import Request, require_right

RIGHT = "ledger.view_entry"
RIGHT_LABEL = _("View Audit Log")
COLUMNS = (
    tables.Column("time", _("Time"), "seq"),
    tables.Column("actor", _("User"), "actor"),
    tables.Column("action", _("Action"), "action"),
    tables.Column("subject", _("Subject"), "subject"),
    tables.Column("note", _("Note")),
)
MAX_EXPORT = 100_000
can_view = require_right(RIGHT, str(RIGHT_LABEL))


@require_safe
@can_view
def list_entries(request: Request) -> HttpResponse:
    """List the entries, newest first, or return them as a CSV or JSON file."""
    query = tables.TableQuery.parse(request.GET)
    columns, field, descending = tables.sort_columns(COLUMNS, query.sort)
    actions = Entry.objects.order_by("action").values_list("action", flat=True).distinct()
    form = AuditFilter(list(actions), data=request.GET)
    conditions = form.to_filter() if form.is_valid() else Filter()
    found = conditions.entries()
    if field:
        by = F(field).desc() if descending else F(field).asc()
        found = found.order_by(by, "-seq")
    if request.GET.get("export") in EXPORTS and form.is_valid():
        return EXPORTS[request.GET["export"]](found[:MAX_EXPORT])
    page = tables.get_page(found, query)
    context = {
        "nav": "audit",
        "query": query,
        "columns": columns,
        "form": form,
        "is_filtered": conditions.is_active,
        "page": page,
        "rows": build_rows(page),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "audit/audit.html", context, status=422 if form.errors else 200)


def _export_csv(found: Any) -> HttpResponse:
    """Return the entries as CSV with their digests."""
    rows = ([_format_cell(getattr(entry, name)) for name in FIELD_NAMES] for entry in found)
    return tables.csv_download(f"audit_{timezone.now():%Y-%m-%d}.csv", FIELD_NAMES, rows)


def _export_json(found: Any) -> HttpResponse:
    """Return the entries as JSON with every value that their digests include."""
    rows = [{name: getattr(entry, name) for name in FIELD_NAMES} for entry in found]
    response = JsonResponse({"entries": rows}, json_dumps_params={"indent": 1})
    return tables.as_attachment(response, f"audit_{timezone.now():%Y-%m-%d}.json")


def _format_cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


FIELD_NAMES = [field.name for field in Entry._meta.concrete_fields]
EXPORTS = {"csv": _export_csv, "json": _export_json}


def _changes(detail: Any) -> list[dict[str, Any]]:
    """Return the changed values with their state before and after; [] if there are none."""
    if not isinstance(detail, dict):
        return []
    if not set(detail) & set(SIDES):
        # Some actions record before and after for each name instead.
        pairs = {name: pair for name, pair in detail.items() if _is_pair(pair)}
        detail = {side: {name: pair[side] for name, pair in pairs.items()} for side in SIDES}
    before, after = (detail.get(side) for side in SIDES)
    if not isinstance(before, dict) and not isinstance(after, dict):
        return []
    before, after = before or {}, after or {}
    return [
        {
            "name": name,
            "before": _format_value(before.get(name)),
            "after": _format_value(after.get(name)),
        }
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(SIDES)


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)


SIDES = ("before", "after")


@require_safe
@can_view
def show_entry(request: Request, seq: int) -> HttpResponse:
    """Show one entry with its detail and its position in the chain."""
    found = get_object_or_404(Entry, seq=seq)
    context = {
        "nav": "audit",
        "entry": found,
        "row": build_rows([found])[0],
        "detail": json.dumps(found.detail, indent=2, sort_keys=True, ensure_ascii=False),
        "changes": _changes(found.detail),
        "newer": Entry.objects.filter(seq=seq + 1).exists(),
    }
    return render(request, "audit/entry.html", context)
