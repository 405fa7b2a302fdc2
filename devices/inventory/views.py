"""The Devices list and the page of a device."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import F, Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.pages import formatting
from console.pages import tables as pages_tables
from console.pages.responses import faults_on, missing
from devices.inventory import tables as inventory_tables
from devices.inventory.forms import ContentForm, SettingsForm
from devices.middleware import ZoneRequest
from devices.models import Device, Role
from devices.registration import registration
from devices.registration.states import DEVICE, DeviceState
from devices.zone import settings as zone_settings
from pki.certificates.details import describe
from wire.messages import CONTENT_ROLES

RIGHT = "devices.change_device"
RIGHT_LABEL = gettext_lazy("Change Device")
COLUMNS = (
    pages_tables.Column("name", gettext_lazy("Device"), "name"),
    pages_tables.Column("fqdn", gettext_lazy("Address"), "fqdn"),
    pages_tables.Column("state", gettext_lazy("Status"), "state"),
    pages_tables.Column("contact", gettext_lazy("Last contact"), "last_contact"),
    pages_tables.Column("root", gettext_lazy("Trusts the root"), "root_sha256"),
    pages_tables.Column("version", gettext_lazy("Version"), "version"),
)
SILENT, WAITING = inventory_tables.SILENT, inventory_tables.WAITING
SATELLITES = (Role.AUTHENTICATION_SATELLITE, Role.CONTENT_SATELLITE)


@require_safe
def devices(request: ZoneRequest) -> HttpResponse:
    """Devices: search, filter by role, sort, last contact, the root each trusts."""
    now = timezone.now()
    asked = pages_tables.Asked.read(request.GET)
    columns, field, descending = pages_tables.sorted_by(COLUMNS, asked.sort)
    every = Device.objects.exclude(state=DeviceState.RETIRED)
    found = inventory_tables.matching(
        every, q=asked.q, chip=asked.state, refresh=request.zone.refresh, now=now
    ).defer("first_csr", "features")
    by = F(field or "name")
    order = by.desc(nulls_last=True) if descending else by.asc(nulls_last=True)
    context = {
        "nav": "devices",
        "now": now,
        "asked": asked,
        "columns": columns,
        "page": pages_tables.page_of(found.order_by(order, "name"), asked),
        "chips": _chips(every, asked, request, now),
        "sizes": pages_tables.PAGE_SIZES,
        "refresh": request.zone.refresh,
    }
    return render(request, "devices/list.html", context)


def _chips(
    every: QuerySet[Device], asked: pages_tables.Asked, request: ZoneRequest, now: datetime
) -> list[dict[str, Any]]:
    conditions = {role.value: Q(role=role) for role in Role}
    conditions[SILENT] = inventory_tables.silent(request.zone.refresh, now)
    conditions[WAITING] = Q(state=DeviceState.WAITING)
    labels = {
        "": _("All"),
        **dict(Role.choices),
        SILENT: _("Not heard lately"),
        WAITING: _("Waiting for approval"),
    }
    numbers = pages_tables.counts(every, conditions)
    return [
        {"key": key, "label": label, "n": numbers[key], "on": asked.state == key}
        for key, label in labels.items()
    ]


def _device(pk: UUID) -> Device:
    return get_object_or_404(Device.objects.select_related("parent"), pk=pk)


@require_safe
def device(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Summary of a device: facts, contact, its certificates, its updates."""
    found = _device(pk)
    now = timezone.now()
    assignments = found.assignments.select_related("update").order_by("-update__created_at")[:20]
    context = {
        "nav": "devices",
        "tab": "summary",
        "device": found,
        "now": now,
        "live": found.is_live(now, request.zone.refresh),
        "may": request.user.has_perm(RIGHT),
        "may_approve": request.user.has_perm("devices.approve_device"),
        "leaves": DEVICE.moves[found.state],
        "assignments": assignments,
        **_certificates(found),
    }
    return render(request, "devices/device.html", context)


def _certificates(found: Device) -> dict[str, Any]:
    """Return a server's certificates.

    Their tables belong to a higher storey: they are reached through the relations alone.
    """
    if not found.is_certified:
        return {}
    relations: Any = found
    coming = relations.futures.open().foremost().first()
    return {
        "certificates": relations.certificates.order_by("-active_since")[:10],
        "future": coming,
        "coming": describe(coming.chain_pem) if coming and coming.chain_pem else None,
        "satellites": found.satellites.registered().filter(role__in=SATELLITES).order_by("name"),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show and save the settings of a device: additional DNS names (R039)."""
    found = _device(pk)
    if request.method == "POST" and not request.user.has_perm(RIGHT):
        raise missing(str(RIGHT_LABEL))
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(data, initial={"dns_names": found.dns_names})
    if form.is_valid():
        registration.save_names(found, form.cleaned_data["dns_names"])
        messages.success(request, _("The settings of %s are saved.") % found.name)
        return HttpResponseRedirect(reverse("devices:settings", args=[pk]))
    return _settings(request, found, form=form, content_form=_content_form(found))


@require_POST
def content(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Save how a content server replicates (D-34)."""
    if not request.user.has_perm(RIGHT):
        raise missing(str(RIGHT_LABEL))
    found = get_object_or_404(Device, pk=pk, role__in=CONTENT_ROLES)
    form = _content_form(found, request.POST)
    if form.is_valid():
        with faults_on(form):
            zone_settings.save_content(found, form.order())
            messages.success(request, _("The settings of %s are saved.") % found.name)
            return HttpResponseRedirect(reverse("devices:settings", args=[pk]))
    names = SettingsForm(initial={"dns_names": found.dns_names})
    return _settings(request, found, form=names, content_form=form)


def _content_form(found: Device, data: Any = None) -> ContentForm:
    initial = {name: getattr(found, name) for name in ("replication_seconds", "bandwidth_kib")}
    initial["replicates"] = found.replicates
    return ContentForm(data, initial=initial, primary=found.role == Role.PRIMARY)


def _settings(
    request: ZoneRequest, found: Device, *, form: SettingsForm, content_form: ContentForm
) -> HttpResponse:
    own = request.zone
    primary = found.role == Role.PRIMARY
    usual = own.primary_replication_seconds if primary else own.satellite_replication_seconds
    context = {
        "nav": "devices",
        "tab": "settings",
        "device": found,
        "form": form,
        "content_form": content_form,
        "usual": formatting.words(usual),
        "may": request.user.has_perm(RIGHT),
    }
    status = 422 if form.errors or content_form.errors else 200
    return render(request, "devices/settings.html", context, status=status)
