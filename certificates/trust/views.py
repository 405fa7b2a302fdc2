"""The pages Roots and Cross-Certificates and Not Refreshed Yet.

See: docs/decisions.md D-28, D-29, D-47
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.operations.presentation.actions import get_operation
from certificates.trust import stragglers
from console.pages import tables
from console.pages.listing import (
    CHUNK_SIZE,
    Table,
    follow_rows,
    get_own_url,
    get_selection,
    list_keys,
    require_safe_or_export,
    select_rows,
)
from console.pages.paging import get_page, sort_rows
from devices.middleware import ZoneRequest

COLUMNS = (
    tables.Column("device", gettext_lazy("Device"), "name"),
    tables.Column("status", gettext_lazy("Status"), "status"),
    tables.Column("contact", gettext_lazy("Last contact"), "last_contact"),
    tables.Column("remedy", gettext_lazy("Recommended action")),
)
ROOTS = Table(
    "roots",
    (
        tables.Column("root", gettext_lazy("Root")),
        tables.Column("state", gettext_lazy("Status")),
        tables.Column("until", gettext_lazy("Expires On")),
        tables.Column("holders", gettext_lazy("Devices using it")),
        tables.Column("cross", gettext_lazy("Cross-certificate to current root")),
        tables.Column("retired", gettext_lazy("Retired")),
    ),
    (
        (gettext_lazy("Root"), lambda root: root.authority.subject),
        (gettext_lazy("SHA256 Fingerprint"), lambda root: root.authority.sha256),
        (gettext_lazy("Status"), lambda root: root.authority.get_state_display()),
        (gettext_lazy("Expires On"), lambda root: root.authority.not_after),
        (gettext_lazy("Devices using it"), lambda root: root.holders),
        (
            gettext_lazy("Cross-certificate to current root"),
            lambda root: root.cross_certificate_until,
        ),
        (gettext_lazy("Retired"), lambda root: root.retires),
    ),
    fixed="root",
)
STRAGGLERS = Table(
    "devices-without-current-root",
    COLUMNS,
    (
        (gettext_lazy("Device"), lambda row: row["device"].name),
        (gettext_lazy("Status"), lambda row: row["label"]),
        (gettext_lazy("Last contact"), lambda row: row["device"].last_contact),
        (gettext_lazy("Recommended action"), lambda row: row["todo"]),
    ),
    fixed="device",
)
NOT_REFRESHED = Table(
    "devices-not-refreshed",
    (COLUMNS[0], COLUMNS[2]),
    (
        (gettext_lazy("Device"), lambda device: device.name),
        (gettext_lazy("Role"), lambda device: device.get_role_display()),
        (gettext_lazy("Last contact"), lambda device: device.last_contact),
    ),
)


@require_safe_or_export
def show_trust(request: ZoneRequest) -> HttpResponseBase:
    """Show the roots of the zone and the devices that do not use the current root yet.

    Both tables can be returned as CSV.
    """
    now = timezone.now()
    query = tables.TableQuery.parse(request.GET)
    if ROOTS.is_exported(request):
        selection = get_selection(request)
        every_root = stragglers.list_roots(now)
        return ROOTS.export(
            root for root in every_root if selection is None or str(root.authority.pk) in selection
        )
    table = STRAGGLERS.get_view(request, query)
    every = stragglers.get_stragglers()
    numbers = stragglers.count_by_status(every)
    found = every.filter(status=query.state) if query.state in numbers else every
    if query.q:
        found = found.filter(name__icontains=query.q)
    order = table.get_order("-status", "name")
    has_cross_certificate = stragglers.has_cross_certificate(now)

    def build(devices: Iterable[Any]) -> Iterator[dict[str, Any]]:
        for device in devices:
            yield _build_row(device, request, now, has_cross_certificate=has_cross_certificate)

    if STRAGGLERS.is_exported(request):
        devices = sort_rows(found, order).iterator(chunk_size=CHUNK_SIZE)
        return STRAGGLERS.export(build(devices))
    page = get_page(found, query, order)
    # A device that uses the current root now stays in its place, so that no row moves.
    shown = follow_rows(request, stragglers.get_devices(), page.rows, most=query.size)
    roots = stragglers.list_roots(now)
    context = {
        "nav": "trust",
        "now": now,
        "roots": roots,
        "roots_page": {"count": len(roots)},
        "has_cross_certificate": has_cross_certificate,
        "relying": numbers[stragglers.RELIES_ON_CROSS_CERTIFICATE],
        "query": query,
        "table": table,
        "roots_table": ROOTS.get_view(request, query),
        "previous": stragglers.list_previous(),
        "columns": table.columns,
        "page": page,
        "rows": list(build(shown)),
        "kept": list_keys(shown),
        "here": get_own_url(request),
        "chips": _build_chips(numbers, query, has_cross_certificate=has_cross_certificate),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/trust.html", context)


def _get_label(key: str, *, has_cross_certificate: bool) -> str:
    if key == stragglers.NOT_SWITCHED:
        return _("Trusts the new root but does not use it yet")
    return (
        _("Relies on the cross-certificate")
        if has_cross_certificate
        else _("Trusts only the old root")
    )


def _build_chips(
    numbers: dict[str, int], query: tables.TableQuery, *, has_cross_certificate: bool
) -> list[dict[str, Any]]:
    labels = {"": _("All")} | {
        key: _get_label(key, has_cross_certificate=has_cross_certificate) for key in numbers
    }
    shown = {"": sum(numbers.values()), **numbers}
    return [
        {"key": key, "label": label, "n": shown[key], "on": query.state == key}
        for key, label in labels.items()
    ]


def _build_row(
    device: Any, request: ZoneRequest, now: Any, *, has_cross_certificate: bool
) -> dict[str, Any]:
    if not device.status:
        return {"device": device, "label": _("Uses the current root"), "tone": "ok", "todo": "—"}
    relies = device.status == stragglers.RELIES_ON_CROSS_CERTIFICATE
    if device.is_online(now, request.zone.refresh):
        todo = _(
            "The device switches at its next refresh. If it does not, "
            "check the status of its system update."
        )
    elif has_cross_certificate:
        todo = _(
            "Start the device. It connects through the cross-certificate "
            "and switches automatically."
        )
    else:
        todo = _(
            "Start the device. It recovers with the signed trust notice. "
            "If it does not, run the Certificate Remint Tool on it."
        )
    return {
        "device": device,
        "label": _get_label(device.status, has_cross_certificate=has_cross_certificate),
        "tone": "bad" if relies and not has_cross_certificate else "busy",
        "todo": todo,
    }


@require_safe_or_export
def show_not_refreshed(request: ZoneRequest, pk: UUID) -> HttpResponseBase:
    """Show the devices without a refresh since the last new certificate was stored, or as CSV."""
    operation = get_operation(pk)
    query = tables.TableQuery.parse(request.GET)
    table = NOT_REFRESHED.get_view(request, query)
    found = stragglers.get_not_refreshed(operation)
    if query.q:
        found = found.filter(name__icontains=query.q)
    order = table.get_order("name")
    if NOT_REFRESHED.is_exported(request):
        return NOT_REFRESHED.export(sort_rows(select_rows(request, found), order))
    context = {
        "nav": "certificates",
        "operation": operation,
        "stored": stragglers.get_last_stored(operation),
        "query": query,
        "table": table,
        "columns": table.columns,
        "page": get_page(found, query, order),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/not_refreshed.html", context)
