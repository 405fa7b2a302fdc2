"""The pages of Audit and Messages: filtered list, one entry, CSV and JSON export."""

from __future__ import annotations

import json

from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from audit.entries.exports import EXPORTS
from audit.entries.forms import AuditFilter
from audit.entries.subjects import build_rows
from audit.entries.tables import Filter
from audit.models import Entry
from console.pages import tables
from console.pages.listing import Table, require_safe_or_export, select_rows
from console.pages.paging import get_page
from console.pages.responses import Request, require_right

RIGHT = "ledger.view_entry"
RIGHT_LABEL = _("View Audit Log")
COLUMNS = (
    tables.Column("time", _("Time"), "seq"),
    tables.Column("event", _("Event"), "action"),
    tables.Column("actor", _("User"), "actor"),
    tables.Column("changes", _("Changes")),
    tables.Column("note", _("Note")),
)
AUDIT_LOG = Table("audit-log", COLUMNS, (), fixed="time")
can_view = require_right(RIGHT, RIGHT_LABEL)


@require_safe_or_export
@can_view
def list_entries(request: Request) -> HttpResponseBase:
    """List the entries, newest first, or return them as a CSV or JSON file."""
    query = tables.TableQuery.parse(request.GET)
    table = AUDIT_LOG.get_view(request, query)
    actions = Entry.objects.order_by("action").values_list("action", flat=True).distinct()
    form = AuditFilter(list(actions), data=request.GET)
    conditions = form.to_filter() if form.is_valid() else Filter()
    found = conditions.entries()
    if request.GET.get("export") in EXPORTS and form.is_valid():
        return EXPORTS[request.GET["export"]](select_rows(request, found))
    page = get_page(found, query, table.get_order("-seq"))
    context = {
        "nav": "audit",
        "query": query,
        "table": table,
        "columns": table.columns,
        "form": form,
        "is_filtered": conditions.is_active,
        "page": page,
        "rows": build_rows(page),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "audit/audit.html", context, status=422 if form.errors else 200)


@require_safe
@can_view
def show_entry(request: Request, seq: int) -> HttpResponseBase:
    """Show one entry with its detail and its position in the chain."""
    found = get_object_or_404(Entry, seq=seq)
    context = {
        "nav": "audit",
        "entry": found,
        "row": build_rows([found])[0],
        "detail": json.dumps(found.detail, indent=2, sort_keys=True, ensure_ascii=False),
        "newer": Entry.objects.filter(seq=seq + 1).exists(),
    }
    return render(request, "audit/entry.html", context)
