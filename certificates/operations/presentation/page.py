"""The list of operations, and the page of an operation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from certificates.acme import hosts
from certificates.authority import gates
from certificates.authority.views import get_rights, render_if_changed
from certificates.models import Operation
from certificates.operations.presentation import devices
from certificates.operations.presentation.actions import get_operation
from certificates.operations.presentation.dialogs import BULK_ACTIONS
from certificates.operations.states import OperationState
from certificates.progress import counts as operation_counts
from certificates.progress import progress, stages
from certificates.summaries import listing
from certificates.summaries.operations import OperationSummary
from certificates.trust import devices_at_risk, readiness
from certificates.trust.devices_at_risk import Contact, Risk
from console.pages import chart, tables
from console.pages.listing import (
    CHUNK_SIZE,
    Table,
    follow_rows,
    get_own_url,
    keep_rows,
    list_keys,
    require_safe_or_export,
    select_rows,
)
from console.pages.paging import get_page, sort_rows
from devices.middleware import ZoneRequest
from devices.models import Zone
from systemupdates.assignments import rollout as spread

State = OperationState
UNDONE = (State.CANCELED, State.ROLLED_BACK)
PAGE = "certificates/operation_page.html"
PANE = "certificates/operation_live.html#operation-pane"


@dataclass
class OperationStatus:
    """An operation with the data of its live pane."""

    operation: Operation
    shown: progress.Progress
    summary: OperationSummary
    host_counts: hosts.HostCounts

    @property
    def trust(self) -> devices_at_risk.TrustCounts:
        """Return the number of devices by progress."""
        return self.summary.trust

    @property
    def numbers(self) -> dict[str, int]:
        """Return the number of devices by status."""
        return self.summary.numbers

    @cached_property
    def has_cross_certificate(self) -> bool:
        """Return True if devices that miss the update can rely on a cross-certificate."""
        return devices_at_risk.has_cross_certificate(self.operation)

    @property
    def revision(self) -> str:
        """Return a text that changes whenever the pane would change, using cheap queries only."""
        states, _servers, rest = progress.get_revision([self.shown], self.trust).split(".")
        # This page lists every device and host, not only the servers.
        rows = progress.digest(self.shown.counts, self.trust, self.host_counts)
        return f"{states}.{rows}.{rest}"


def get_status(zone: Zone, operation: Operation, now: datetime) -> OperationStatus:
    """Return the current status of an operation."""
    counts = operation_counts.get_counts([operation], now=now)[operation.pk]
    return OperationStatus(
        operation=operation,
        shown=progress.get_progress(operation, counts, zone, now),
        summary=OperationSummary(operation, zone, now),
        host_counts=hosts.count(operation, now),
    )


def build_live_context(
    request: ZoneRequest, status: OperationStatus, now: datetime
) -> dict[str, Any]:
    """Return the context of the live pane: message, stages, devices at risk, and chart."""
    operation = status.operation
    is_over = devices_at_risk.is_activated(operation)
    not_ready = 0 if is_over else sum(n for why, n in status.numbers.items() if why)
    # Nothing is activated without them, so they lose no contact.
    blocking = 0 if is_over else status.numbers.get(Risk.NO_CERTIFICATE, 0)
    relying = 0
    if status.has_cross_certificate and not is_over:
        relying = sum(
            status.numbers.get(why, 0) for why in devices_at_risk.HELPED_BY_CROSS_CERTIFICATE
        )
    is_undone = operation.state in UNDONE
    cutover_stages = (
        stages.get_cutover_stages(operation, status.trust, status.shown.stages)
        if operation.changes_ca and not is_undone
        else []
    )
    return {
        "operation": operation,
        "p": status.shown,
        "revision": status.revision,
        "cutover_stages": cutover_stages,
        "trust": status.trust,
        "is_over": is_over,
        "is_undone": is_undone,
        "contacts": [(c.value, c.label, status.numbers.get(c, 0)) for c in Contact],
        "at_risk": not_ready - relying - blocking,
        "blocking": blocking,
        "relying": relying,
        "has_cross_certificate": status.has_cross_certificate,
        "relying_now": status.trust.of - status.trust.trusting,
        "readiness": _readiness(request, status),
        "unrefreshed": status.summary.not_refreshed,
        "stack_warnings": None if is_over else status.summary.stack_warnings,
        "chart": _chart(status),
        "counted_at": status.summary.counted_at,
        "now": now,
        **get_rights(request),
    }


def _readiness(request: ZoneRequest, status: OperationStatus) -> dict[str, Any]:
    """Return the readiness policy and whether an operation meets it."""
    zone = request.zone
    is_pending = status.operation.state in (State.ASSIGNED, State.BLOCKED)
    return {
        "on": readiness.has_policy(zone),
        "policy": readiness.get_policy(zone),
        "missing": status.summary.list_shortfalls() if is_pending else [],
        "is_pending": is_pending,
    }


def _chart(status: OperationStatus) -> chart.Chart | None:
    operation = status.operation
    if operation.update is None:
        return None
    moments, lines = status.summary.get_series()
    made = spread.count_until(operation.futures.exclude(available_at=None), "available_at", moments)
    lines.insert(1, chart.Series("made", _("Certificates created"), made))
    if operation.state in UNDONE and not any(line.last for line in lines):
        return None
    moment = operation.activated_at or operation.activates_at
    marks = [chart.Mark("activation", _("Activation"), moment)] if moment else []
    return chart.build_chart(moments, lines, of=status.trust.of, marks=marks)


@require_safe_or_export
def operation(request: ZoneRequest, pk: UUID) -> HttpResponseBase:
    """Show the page of an operation, or return its devices as CSV.

    The page contains stages, devices at risk, rollout, and contacts.
    """
    found, now = get_operation(pk), timezone.now()
    status = get_status(request.zone, found, now)
    query = tables.TableQuery.parse(request.GET)
    table = devices.DEVICES.get_view(request, query)
    every = devices_at_risk.get_devices_by_status(found, request.zone, now)
    rows = devices.filter_devices(every, found, query)
    order = devices.get_order(table.order_field, descending=table.is_descending)
    build_rows = partial(
        devices.build_rows, found, has_cross_certificate=status.has_cross_certificate
    )
    if devices.DEVICES.is_exported(request):
        selected = sort_rows(select_rows(request, rows), order)
        return devices.DEVICES.export(build_rows(selected.iterator(chunk_size=CHUNK_SIZE)))
    page = listing.get_page(rows, query, order, status.summary)
    shown = keep_rows(request, every) or page.rows
    context = build_live_context(request, status, now) | {
        "nav": "operations",
        "query": query,
        "table": table,
        "columns": table.columns,
        "page": page,
        "rows": list(build_rows(shown)),
        "kept": ",".join(str(device.pk) for device in shown),
        "chips": devices.build_chips(found, status.numbers, query),
        "sizes": tables.PAGE_SIZES,
        "here": get_own_url(request),
        "hosts": status.host_counts,
        "hosts_at_risk": hosts.list_at_risk(found, now)[: hosts.MAX_NAMED],
        "hosts_must_return": hosts.was_undone(found),
    }
    return render(request, PAGE, context)


@require_safe
def operation_live(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the live pane of an operation, or 204 if it has not changed."""
    found, now = get_operation(pk), timezone.now()
    status = get_status(request.zone, found, now)

    def context() -> dict[str, Any]:
        return build_live_context(request, status, now) | {"is_news": True}

    return render_if_changed(request, PANE, context, status.revision, [status.shown])


OPERATION_COLUMNS = (
    tables.Column("name", gettext_lazy("Operation"), "name"),
    tables.Column("state", gettext_lazy("Status"), "state"),
    tables.Column("by", gettext_lazy("Started by"), "requested_by__username"),
    tables.Column("created", gettext_lazy("Started"), "created_at"),
    tables.Column("activation", gettext_lazy("Activation"), "activates_at"),
    tables.Column("ended", gettext_lazy("Ended"), "ended_at"),
)


def _get_requester(operation: Operation) -> str:
    return operation.requested_by.username if operation.requested_by is not None else ""


OPERATIONS = Table(
    "operations",
    OPERATION_COLUMNS,
    (
        (gettext_lazy("Operation"), lambda operation: operation.name),
        (gettext_lazy("Kind"), lambda operation: operation.get_kind_display()),
        (gettext_lazy("Status"), lambda operation: operation.get_state_display()),
        (gettext_lazy("Started by"), _get_requester),
        (gettext_lazy("Started"), lambda operation: operation.created_at),
        (gettext_lazy("Activation"), lambda operation: operation.activates_at),
        (gettext_lazy("Ended"), lambda operation: operation.ended_at),
    ),
    fixed="name",
)


@require_safe_or_export
def operations(request: ZoneRequest) -> HttpResponseBase:
    """List all operations, newest first, or return them as CSV."""
    query = tables.TableQuery.parse(request.GET)
    table = OPERATIONS.get_view(request, query)
    every = found = Operation.objects.select_related("requested_by")
    if query.q:
        found = found.filter(name__icontains=query.q)
    numbers = tables.count_by_condition(found, dict(_by_kind()))
    if query.state in Operation.Kind.values:
        found = found.filter(kind=query.state)
    order = table.get_order("-created_at")
    if OPERATIONS.is_exported(request):
        return OPERATIONS.export(sort_rows(select_rows(request, found), order))
    labels = {"": _("All"), **dict(Operation.Kind.choices)}
    page = get_page(found, query, order)
    shown = follow_rows(request, every, page.rows)
    context = {
        "nav": "operations",
        "query": query,
        "table": table,
        "bulk_actions": BULK_ACTIONS if request.user.has_perm(gates.CA_RIGHT) else {},
        "columns": table.columns,
        "page": page,
        "rows": shown,
        "kept": list_keys(shown),
        "here": get_own_url(request),
        "chips": [
            {"key": key, "label": label, "n": numbers[key], "on": query.state == key}
            for key, label in labels.items()
        ],
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/operations.html", context)


def _by_kind() -> list[tuple[str, Any]]:
    return [(kind, Q(kind=kind)) for kind in Operation.Kind.values]
