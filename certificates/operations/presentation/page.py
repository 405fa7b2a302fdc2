"""The page of one operation and its signed report (B-2, B-6 to B-8).

The list of all operations, with a page of its own for each.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from certificates.authority.views import news, rights
from certificates.models import Operation
from certificates.operations.presentation import devices
from certificates.operations.presentation.actions import operation_of
from certificates.operations.states import OperationState
from certificates.progress import counts as operation_counts
from certificates.progress import progress, stages
from certificates.progress import report as reports
from certificates.trust import devices_at_risk, readiness, stragglers
from certificates.trust.devices_at_risk import Contact
from console.pages import chart, tables
from devices.middleware import ZoneRequest
from devices.models import Zone
from systemupdates.assignments import rollout as spread

State = OperationState
PAGE = "certificates/operation_page.html"
PANE = "certificates/operation_live.html#operation-pane"
AFTER = (State.ACTIVATED, State.COMPLETED)


@dataclass
class Standing:
    """An operation with everything that its live pane shows."""

    operation: Operation
    zone: Zone
    now: datetime
    shown: progress.Progress
    how_far: devices_at_risk.Trusting

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Return how many devices there are of each standing."""
        return devices_at_risk.count(devices_at_risk.standing(self.operation, self.zone, self.now))

    @cached_property
    def is_bridged(self) -> bool:
        """Tell whether a bridge carries devices that miss the update."""
        return devices_at_risk.is_bridged(self.operation)

    @property
    def mark(self) -> str:
        """Return a text that changes when the pane would; from what is cheap to ask (P-10)."""
        states, _servers, rest = progress.mark([self.shown], self.how_far).split(".")
        # Here the rows follow every device, not the servers alone.
        rows = progress.digest(self.shown.counts, self.how_far)
        return f"{states}.{rows}.{rest}"


def standing(zone: Zone, operation: Operation, now: datetime) -> Standing:
    """Read how an operation stands."""
    counts = operation_counts.count([operation], now=now)[operation.pk]
    return Standing(
        operation=operation,
        zone=zone,
        now=now,
        shown=progress.progress(operation, counts, zone, now),
        how_far=devices_at_risk.trusting(operation),
    )


def live_context(request: ZoneRequest, stand: Standing, now: datetime) -> dict[str, Any]:
    """Return what the live pane shows: message, stages, who would be cut off, the chart."""
    operation = stand.operation
    risks = sum(
        n for why, n in stand.numbers.items() if why and not devices_at_risk.is_over(operation)
    )
    relying = sum(stand.numbers.get(why, 0) for why in devices_at_risk.BRIDGE_HELPS)
    relying = relying if stand.is_bridged and not devices_at_risk.is_over(operation) else 0
    return {
        "operation": operation,
        "p": stand.shown,
        "mark": stand.mark,
        "cut_over": stages.cut_over(operation, stand.how_far) if operation.changes_ca else [],
        "how_far": stand.how_far,
        "is_over": devices_at_risk.is_over(operation),
        "contacts": [(c.value, c.label, stand.numbers.get(c, 0)) for c in Contact],
        "cut_off": risks - relying,
        "relying": relying,
        "is_bridged": stand.is_bridged,
        "rely_now": stand.how_far.of - stand.how_far.trusting,
        "readiness": _readiness(request, operation, now),
        "unrefreshed": _unrefreshed(operation),
        "chart": _chart(operation, stand, now),
        "now": now,
        **rights(request),
    }


def _unrefreshed(operation: Operation) -> int | None:
    """Return how many devices do not know of the last new certificate yet (D-47)."""
    if stragglers.last_stored(operation) is None:
        return None
    return stragglers.not_refreshed(operation).count()


def _readiness(request: ZoneRequest, operation: Operation, now: datetime) -> dict[str, Any]:
    """Return how the zone's policy stands to an operation that is not activated yet."""
    zone = request.zone
    waits = operation.state in (State.ASSIGNED, State.BLOCKED)
    return {
        "on": readiness.has_policy(zone),
        "policy": readiness.policy_of(zone),
        "missing": readiness.shortfalls(operation, zone, now) if waits else [],
        "waits": waits,
    }


def _chart(operation: Operation, stand: Standing, now: datetime) -> chart.Chart | None:
    update = operation.update
    if update is None:
        return None
    until = max(filter(None, (operation.ended_at or now, operation.activated_at)))
    moments = chart.edges(operation.created_at, until)
    made = spread.counted(operation.futures.exclude(made_at=None), "made_at", moments)
    lines = spread.series(update, moments)
    lines.insert(1, chart.Series("made", _("Certificates made"), made))
    moment = operation.activated_at or operation.activates_at
    marks = [chart.Mark("activation", _("Activation"), moment)] if moment else []
    return chart.draw(moments, lines, of=stand.how_far.of, marks=marks)


@require_safe
def operation(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show one operation: stages, who would be cut off, the rollout, the contacts after it."""
    found, now = operation_of(pk), timezone.now()
    stand = standing(request.zone, found, now)
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(devices.COLUMNS, asked.sort)
    rows = devices.matching(devices_at_risk.standing(found, request.zone, now), found, asked)
    rows = devices.ordered(rows, field, descending=descending)
    if request.GET.get("export") == "csv":
        return devices.export(found, rows, is_bridged=stand.is_bridged)
    page = tables.page_of(rows, asked)
    context = live_context(request, stand, now) | {
        "nav": "certificates",
        "asked": asked,
        "columns": columns,
        "page": page,
        "rows": devices.rows(found, page.object_list, is_bridged=stand.is_bridged),
        "chips": devices.chips(found, stand.numbers, asked),
        "sizes": tables.PAGE_SIZES,
        "here": request.get_full_path(),
    }
    return render(request, PAGE, context)


@require_safe
def live(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Answer the live pane of an operation: 204 while nothing is new."""
    found, now = operation_of(pk), timezone.now()
    stand = standing(request.zone, found, now)

    def context() -> dict[str, Any]:
        return live_context(request, stand, now) | {"is_news": True}

    return news(request, PANE, context, stand.mark, [stand.shown])


@require_POST
def report(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Sign the report of an operation and give it as JSON, or as a page to print (B-8)."""
    found = operation_of(pk)
    made = reports.build(found, now=timezone.now())
    signed = reports.sign(made)
    if request.POST.get("as") != "page":
        text = json.dumps(vars(signed), indent=1)
        response = HttpResponse(text, content_type="application/json")
        return tables.as_download(response, f"report_{slugify(found.name)}.json")
    context = {
        "nav": "certificates",
        "operation": found,
        "report": made,
        "signed": signed,
        "digest": hashlib.sha256(base64.b64decode(signed.payload)).hexdigest(),
        "p": None,
    }
    return render(request, "certificates/report.html", context)


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
