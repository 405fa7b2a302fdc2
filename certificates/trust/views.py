"""Roots and bridges of the zone: who relies on what is old, and when it goes (D-28, D-29, D-47)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from certificates.operations.presentation.actions import operation_of
from certificates.trust import stragglers
from console.pages import tables
from devices.middleware import ZoneRequest

COLUMNS = (
    tables.Column("device", gettext_lazy("Device"), "name"),
    tables.Column("standing", gettext_lazy("Standing"), "standing"),
    tables.Column("contact", gettext_lazy("Last contact"), "last_contact"),
    tables.Column("remedy", gettext_lazy("What to do")),
)
LATE_COLUMNS = (COLUMNS[0], COLUMNS[2])


@require_safe
def trust(request: ZoneRequest) -> HttpResponse:
    """Show the zone's roots, and by name the devices that do not use the current one yet."""
    now = timezone.now()
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(COLUMNS, asked.sort)
    every = stragglers.standing_back()
    numbers = stragglers.count(every)
    found = every.filter(standing=asked.state) if asked.state in numbers else every
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    order = (f"{'-' if descending else ''}{field}",) if field else ("-standing", "name")
    page = tables.page_of(found.order_by(*order, "pk"), asked)
    bridged = stragglers.is_bridged(now)
    context = {
        "nav": "certificates",
        "now": now,
        "roots": stragglers.roots(now),
        "bridged": bridged,
        "relying": numbers[stragglers.RELIES],
        "asked": asked,
        "columns": columns,
        "page": page,
        "rows": [_row(device, request, now, bridged=bridged) for device in page.object_list],
        "chips": _chips(numbers, asked, bridged=bridged),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/trust.html", context)


def _label(key: str, *, bridged: bool) -> str:
    if key == stragglers.NOT_YET:
        return _("Trusts the new root, does not use it yet")
    return _("Relies on the bridge") if bridged else _("Knows the old root alone")


def _chips(numbers: dict[str, int], asked: tables.Asked, *, bridged: bool) -> list[dict[str, Any]]:
    labels = {"": _("All")} | {key: _label(key, bridged=bridged) for key in numbers}
    shown = {"": sum(numbers.values()), **numbers}
    return [
        {"key": key, "label": label, "n": shown[key], "on": asked.state == key}
        for key, label in labels.items()
    ]


def _row(device: Any, request: ZoneRequest, now: Any, *, bridged: bool) -> dict[str, Any]:
    live = device.is_live(now, request.zone.refresh)
    if live:
        todo = _("It takes over at its next refresh; look at its update if it does not.")
    elif bridged:
        todo = _("Start it: it connects through the bridge and takes over by itself.")
    else:
        todo = _("Start it: it recovers by the signed notice. Else run the remint tool on it.")
    return {
        "device": device,
        "label": _label(device.standing, bridged=bridged),
        "tone": "bad" if device.standing == stragglers.RELIES and not bridged else "busy",
        "todo": todo,
    }


@require_safe
def not_refreshed(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the devices that have not refreshed since the last new certificate was stored."""
    operation = operation_of(pk)
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(LATE_COLUMNS, asked.sort)
    found = stragglers.not_refreshed(operation)
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    order = f"{'-' if descending else ''}{field}" if field else "name"
    context = {
        "nav": "certificates",
        "now": timezone.now(),
        "operation": operation,
        "stored": stragglers.last_stored(operation),
        "asked": asked,
        "columns": columns,
        "page": tables.page_of(found.order_by(order, "pk"), asked),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/not_refreshed.html", context)
