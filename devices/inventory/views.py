"""The Devices list and the pages of a device."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.pages import formatting
from console.pages import tables as pages_tables
from console.pages.listing import (
    follow_rows,
    get_own_url,
    list_keys,
    require_safe_or_export,
    select_rows,
)
from console.pages.paging import get_page, sort_rows
from console.pages.responses import missing_right, show_faults_on
from devices.inventory import agent_versions, host_reports, tls_stacks
from devices.inventory import tables as inventory_tables
from devices.inventory.bulk_actions import ACTIONS
from devices.inventory.forms import ContentForm, SettingsForm
from devices.middleware import ZoneRequest
from devices.models import Device, Role
from devices.registration import certificate_names, changes, registration, server_names
from devices.registration.certificate_names import ADD_NAMES
from devices.registration.states import DEVICE, DeviceState
from devices.zone import settings as zone_settings
from pki.certificates.details import get_details
from wire.messages import CONTENT_ROLES

RIGHT = "devices.change_device"
RIGHT_LABEL = gettext_lazy("Change Device")
WITHOUT_CONTACT, WAITING = inventory_tables.WITHOUT_CONTACT, inventory_tables.WAITING
UNKNOWN_ROOT, OLDER_AGENT = inventory_tables.UNKNOWN_ROOT, inventory_tables.OLDER_AGENT
SATELLITES = (Role.AUTHENTICATION_SATELLITE, Role.CONTENT_SATELLITE)


@require_safe_or_export
def devices(request: ZoneRequest) -> HttpResponseBase:
    """Show the list of devices with search, filter, and sort order, or return it as CSV."""
    now = timezone.now()
    query = pages_tables.TableQuery.parse(request.GET)
    table = inventory_tables.DEVICES.get_view(request, query)
    every = Device.objects.exclude(state=DeviceState.RETIRED)
    every = every.defer("initial_csr", "features", "host_report")
    found = inventory_tables.filter_devices(
        every, q=query.q, group=query.state, refresh=request.zone.refresh, now=now
    )
    order = table.get_order("name")
    if inventory_tables.DEVICES.is_exported(request):
        return inventory_tables.DEVICES.export(sort_rows(select_rows(request, found), order))
    numbers, counted_at = inventory_tables.get_groups(request.zone.refresh, now)
    is_known = counted_at is not None and not query.q and query.state in numbers
    page = get_page(found, query, order, count=numbers[query.state] if is_known else None)
    shown = follow_rows(request, every, page.rows, most=query.size)
    context = {
        "nav": "devices",
        "now": now,
        "counted_at": counted_at,
        "query": query,
        "table": table,
        "bulk_actions": ACTIONS if request.user.has_perm(RIGHT) else {},
        "columns": table.columns,
        "page": page,
        "rows": shown,
        "kept": list_keys(shown),
        "here": get_own_url(request),
        "older": {one.pk for one in shown if agent_versions.is_older(one.version)},
        "chips": _chips(numbers, query),
        "sizes": pages_tables.PAGE_SIZES,
        "refresh": request.zone.refresh,
    }
    return render(request, "devices/list.html", context)


def _chips(numbers: dict[str, int], query: pages_tables.TableQuery) -> list[dict[str, Any]]:
    labels = {
        "": _("All"),
        **dict(Role.choices),
        WITHOUT_CONTACT: _("No recent contact"),
        WAITING: _("Waiting for approval"),
        UNKNOWN_ROOT: _("Unknown root"),
        OLDER_AGENT: _("Older agent"),
    }
    return [
        {"key": key, "label": label, "n": numbers[key], "on": query.state == key}
        for key, label in labels.items()
    ]


def _get_device(pk: UUID) -> Device:
    return get_object_or_404(Device.objects.select_related("parent", "replaces"), pk=pk)


@require_safe
def device(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the summary of a device: properties, certificates, and updates."""
    found = _get_device(pk)
    now = timezone.now()
    assignments = found.assignments.select_related("update").order_by("-update__created_at")[:20]
    context = {
        "nav": "devices",
        "tab": "summary",
        "device": found,
        "now": now,
        "online": found.is_online(now, request.zone.refresh),
        "older_agent": agent_versions.is_older(found.version),
        "may": request.user.has_perm(RIGHT),
        "may_approve": request.user.has_perm("devices.approve_device"),
        "next_states": DEVICE.transitions[found.state],
        "has_copy": found.has_copy(now),
        "unknown_roots": found.unknown_roots.split(),
        "change": changes.describe_change(found),
        "name_change": certificate_names.find_requested_change(found),
        "may_add_names": request.user.has_perm(ADD_NAMES),
        "replacements": found.replacements.filter(state=DeviceState.WAITING),
        "released": found.released_until is not None and found.released_until > now,
        "assignments": [(row, tls_stacks.describe(row.stack_results)) for row in assignments],
        "hook_run": host_reports.get_hook_run(found),
        "system_trust": host_reports.describe_system_trust(found),
        **_get_certificates(found),
    }
    return render(request, "devices/device.html", context)


def _get_certificates(found: Device) -> dict[str, Any]:
    """Return the certificates of a server.

    They are found through relations, because this app must not import the models of certificates.
    """
    if not found.is_certified:
        return {}
    relations: Any = found
    future = relations.futures.open().one_per_device().first()
    return {
        "certificates": relations.certificates.order_by("-active_since")[:10],
        "future": future,
        "new_certificate": get_details(future.chain_pem) if future and future.chain_pem else None,
        "satellites": found.satellites.registered().filter(role__in=SATELLITES).order_by("name"),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show and save the additional DNS names of a device."""
    found = _get_device(pk)
    if request.method == "POST" and not request.user.has_perm(RIGHT):
        raise missing_right(str(RIGHT_LABEL))
    data = request.POST if request.method == "POST" else None
    may_add_names = request.user.has_perm(ADD_NAMES)
    form = SettingsForm(data, initial={"dns_names": found.dns_names})
    if form.is_valid():
        with show_faults_on(form):
            names = form.cleaned_data["dns_names"]
            server_names.check(server_names.ServerNames.of(found, dns_names=tuple(names)))
            if form.is_confirmed(found, may_add_names=may_add_names):
                registration.save_dns_names(found, names, may_add_names=may_add_names)
                messages.success(request, _("The settings of %s have been saved.") % found.name)
                return HttpResponseRedirect(reverse("devices:settings", args=[pk]))
    return _render_settings(request, found, form=form, content_form=_content_form(found))


@require_POST
def content(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Save the replication settings of a content server."""
    if not request.user.has_perm(RIGHT):
        raise missing_right(str(RIGHT_LABEL))
    found = get_object_or_404(Device, pk=pk, role__in=CONTENT_ROLES)
    form = _content_form(found, request.POST)
    if form.is_valid():
        with show_faults_on(form):
            zone_settings.save_content_settings(found, form.get_settings())
            messages.success(request, _("The settings of %s have been saved.") % found.name)
            return HttpResponseRedirect(reverse("devices:settings", args=[pk]))
    names = SettingsForm(initial={"dns_names": found.dns_names})
    return _render_settings(request, found, form=names, content_form=form)


def _content_form(found: Device, data: Any = None) -> ContentForm:
    initial = {name: getattr(found, name) for name in ("replication_seconds", "bandwidth_kib")}
    initial["replicates"] = found.replicates
    return ContentForm(data, initial=initial, primary=found.role == Role.PRIMARY)


def _render_settings(
    request: ZoneRequest, found: Device, *, form: SettingsForm, content_form: ContentForm
) -> HttpResponse:
    zone = request.zone
    primary = found.role == Role.PRIMARY
    default = zone.primary_replication_seconds if primary else zone.satellite_replication_seconds
    context = {
        "nav": "devices",
        "tab": "settings",
        "device": found,
        "form": form,
        "content_form": content_form,
        "default_interval": formatting.format_duration(default),
        "may": request.user.has_perm(RIGHT),
    }
    status = 422 if form.errors or content_form.errors else 200
    return render(request, "devices/settings.html", context, status=status)
