"""The list of all operations, with a page of its own for each."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from certificates.models import Operation
from console.pages import tables
from devices.http import ZoneRequest

OPERATION_COLUMNS = (
    tables.Column("name", gettext_lazy("Operation"), "name"),
    tables.Column("state", gettext_lazy("Status"), "state"),
    tables.Column("by", gettext_lazy("Started by"), "requested_by__username"),
    tables.Column("created", gettext_lazy("Started"), "created_at"),
    tables.Column("activation", gettext_lazy("Activation"), "activates_at"),
    tables.Column("ended", gettext_lazy("Ended"), "ended_at"),
)


@require_safe
def operations(request: ZoneRequest) -> HttpResponse:
    """List every operation, those in progress first."""
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(OPERATION_COLUMNS, asked.sort)
    found = Operation.objects.select_related("requested_by")
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    numbers = tables.counts(found, dict(_by_kind()))
    if asked.state in Operation.Kind.values:
        found = found.filter(kind=asked.state)
    order = f"{'-' if descending else ''}{field}" if field else "-created_at"
    labels = {"": _("All"), **dict(Operation.Kind.choices)}
    context = {
        "nav": "certificates",
        "asked": asked,
        "columns": columns,
        "page": tables.page_of(found.order_by(order, "pk"), asked),
        "chips": [
            {"key": key, "label": label, "n": numbers[key], "on": asked.state == key}
            for key, label in labels.items()
        ],
        "sizes": tables.PAGE_SIZES,
        "now": timezone.now(),
    }
    return render(request, "certificates/operations.html", context)


def _by_kind() -> list[tuple[str, Any]]:
    return [(kind, Q(kind=kind)) for kind in Operation.Kind.values]
