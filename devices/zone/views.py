"""Pages under Configuration: the zone's settings (D-48) and registration keys (S-50, S-54)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from console.pages.responses import faults_on, missing, needs
from devices.identity import zone_keys
from devices.inventory.forms import KeyForm, ZoneSettingsForm
from devices.middleware import ZoneRequest
from devices.models import Device, RegistrationKey, Zone
from devices.registration import keys as registration_keys
from devices.registration import registration
from devices.registration.states import DeviceState
from devices.zone import settings as zone_settings

CHANGE_ZONE = "devices.change_zone"
CHANGE_ZONE_LABEL = gettext_lazy("Change Zone Settings")
APPROVE = "devices.approve_device"
APPROVE_LABEL = gettext_lazy("Approve Device")
may_approve = needs(APPROVE, str(APPROVE_LABEL))
KEYS_SHOWN = 100


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: ZoneRequest) -> HttpResponse:
    """Show and save the settings of the zone."""
    may = request.user.has_perm(CHANGE_ZONE)
    if request.method == "POST" and not may:
        raise missing(str(CHANGE_ZONE_LABEL))
    zone = Zone.objects.the()
    initial = {one.name: getattr(zone, one.name) for one in zone_settings.SETTINGS}
    form = ZoneSettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        with faults_on(form):
            changed = zone_settings.save(form.cleaned_data)
            said = _("The settings are saved.") if changed else _("Nothing was different.")
            messages.success(request, said)
            return HttpResponseRedirect(reverse("zone:settings"))
    context = {"nav": "zone-settings", "form": form, "may": may}
    return render(
        request, "devices/zone_settings.html", context, status=422 if form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@may_approve
def keys(request: ZoneRequest) -> HttpResponse:
    """List the registration keys; a new one is shown in the answer to its creation alone."""
    form = KeyForm(request, request.POST if request.method == "POST" else None)
    made: dict[str, Any] = {}
    if form.is_valid():
        with faults_on(form):
            made = _make(request, form.cleaned_data)
            form = KeyForm(request)
    context = {
        "nav": "registration",
        "now": timezone.now(),
        "form": form,
        "made": made,
        "keys": RegistrationKey.objects.order_by("-pk")[:KEYS_SHOWN],
        "usable": set(RegistrationKey.objects.usable(timezone.now()).values_list("pk", flat=True)),
        "waiting": Device.objects.filter(state=DeviceState.WAITING).order_by("name"),
        "url": registration_keys.url(),
    }
    status = 422 if form.errors else 201 if made else 200
    response = render(request, "devices/keys.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _make(request: ZoneRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Make a key and return what the page shows of it this once."""
    key = registration.make_key(
        zone_keys.zone_public(request.zone),
        label=given["label"],
        role=given["role"],
        uses=given["uses"],
        approves=given["approves"],
        expires_at=timezone.now() + timedelta(days=given["days"]),
    )
    return {"key": str(key), "line": registration_keys.line(str(key), given["role"])}


@require_POST
@may_approve
def revoke(request: ZoneRequest, pk: int) -> HttpResponse:
    """Revoke a registration key; devices that it let in stay."""
    key = registration.revoke_key(pk, now=timezone.now())
    messages.success(request, _("The registration key %s is revoked.") % key.label)
    return HttpResponseRedirect(reverse("zone:keys"))
