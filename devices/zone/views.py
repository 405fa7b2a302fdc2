"""Pages under Configuration: Zone Settings and Registration Keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from console.pages import bulk
from console.pages.listing import Table, select_rows
from console.pages.paging import sort_rows
from console.pages.responses import missing_right, render_once, require_right, show_faults_on
from console.pages.tables import Column, TableQuery
from devices.identity import zone_keys
from devices.inventory.forms import KeyForm, ZoneSettingsForm
from devices.middleware import ZoneRequest
from devices.models import Device, RegistrationKey, Role, Zone
from devices.models.keys import RegistrationKeyQuerySet
from devices.registration import keys as registration_keys
from devices.registration.certificate_names import ADD_NAMES, find_requested_change
from devices.registration.states import DeviceState
from devices.zone import settings as zone_settings
from faults import Conflict

CHANGE_ZONE = "devices.change_zone"
CHANGE_ZONE_LABEL = gettext_lazy("Change Zone Settings")
APPROVE = "devices.approve_device"
APPROVE_LABEL = gettext_lazy("Approve Device")
may_approve = require_right(APPROVE, APPROVE_LABEL)


def _revoke(key: RegistrationKey) -> None:
    if key.revoked_at is not None:
        raise Conflict(_("The key has already been revoked."))
    registration_keys.revoke_registration_key(key.pk, now=timezone.now())


KEY_ACTIONS = {
    "revoke": bulk.BulkAction(
        gettext_lazy("Revoke"),
        gettext_lazy(
            "Devices can no longer register with these keys. Devices that have registered with "
            "them are not affected."
        ),
        _revoke,
        is_dangerous=True,
    ),
}
KEYS = Table(
    "registration-keys",
    (
        Column("name", gettext_lazy("Name"), "label"),
        Column("role", gettext_lazy("Role"), "role"),
        Column("state", gettext_lazy("Status")),
        Column("uses", gettext_lazy("Uses left"), "uses_left"),
        Column("until", gettext_lazy("Valid until"), "expires_at"),
        Column("created", gettext_lazy("Created"), "created_at"),
    ),
    (
        (gettext_lazy("Name"), lambda key: key.label),
        (gettext_lazy("Role"), lambda key: key.get_role_display()),
        (gettext_lazy("Uses left"), lambda key: key.uses_left),
        (gettext_lazy("Uses"), lambda key: key.uses),
        (gettext_lazy("Valid until"), lambda key: key.expires_at),
        (gettext_lazy("Revoked"), lambda key: key.revoked_at),
        (gettext_lazy("Created"), lambda key: key.created_at),
        (gettext_lazy("Created by"), lambda key: key.created_by),
        (gettext_lazy("Approves automatically"), lambda key: key.approves),
        (gettext_lazy("Domains"), lambda key: key.domains),
        (gettext_lazy("Networks"), lambda key: key.networks),
        (gettext_lazy("Only for"), lambda key: key.device),
    ),
    fixed="name",
)
VALID, NOT_VALID = "valid", "not-valid"
KEY_CHIPS = {
    "": gettext_lazy("All"),
    VALID: gettext_lazy("Valid"),
    NOT_VALID: gettext_lazy("No longer valid"),
}


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: ZoneRequest) -> HttpResponse:
    """Show and save the settings of the zone."""
    may_change = request.user.has_perm(CHANGE_ZONE)
    if request.method == "POST" and not may_change:
        raise missing_right(str(CHANGE_ZONE_LABEL))
    zone = Zone.objects.get_zone()
    initial = {setting.name: getattr(zone, setting.name) for setting in zone_settings.SETTINGS}
    form = ZoneSettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        with show_faults_on(form):
            changed = zone_settings.save_zone_settings(form.cleaned_data)
            saved, unchanged = (
                _("The settings have been saved."),
                _("There were no changes to save."),
            )
            messages.success(request, saved if changed else unchanged)
            return HttpResponseRedirect(reverse("zone:settings"))
    context = {"nav": "zone-settings", "form": form, "may": may_change}
    return render(
        request, "devices/zone_settings.html", context, status=422 if form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@may_approve
def keys(request: ZoneRequest) -> HttpResponseBase:
    """Show the registration keys or return them as CSV, and create a key, which is shown once."""
    now = timezone.now()
    matching = RegistrationKey.objects.filter(label__icontains=TableQuery.parse(request.GET).q)
    found = KEYS.filter_rows(request, _by_validity(matching, now), KEY_CHIPS, "-pk")
    if KEYS.is_exported(request):
        return KEYS.export(sort_rows(select_rows(request, found.rows), found.order))
    form = KeyForm(request, request.POST if request.method == "POST" else None)
    created: dict[str, Any] = {}
    if form.is_valid():
        with show_faults_on(form):
            created = create_key(request, form)
            form = KeyForm(request)
    waiting = Device.objects.filter(state=DeviceState.WAITING).select_related("replaces")
    context = {
        "nav": "registration",
        "now": now,
        "form": form,
        "created": created,
        **found.build_context(),
        "bulk_actions": KEY_ACTIONS if request.user.has_perm(APPROVE) else {},
        "usable": set(RegistrationKey.objects.usable(now).values_list("pk", flat=True)),
        "waiting": [(device, find_requested_change(device)) for device in waiting.order_by("name")],
        "may_add_names": request.user.has_perm(ADD_NAMES),
        "changed": Device.objects.registered()
        .exclude(role=Role.MANAGED)
        .exclude(requested_change={}),
        "url": registration_keys.get_primary_server_url(),
    }
    return render_once(request, "devices/keys.html", context)


def _by_validity(
    keys: RegistrationKeyQuerySet, now: datetime
) -> dict[str, RegistrationKeyQuerySet]:
    """Return the keys of each filter."""
    usable = RegistrationKey.objects.usable(now).values("pk")
    return {"": keys, VALID: keys.filter(pk__in=usable), NOT_VALID: keys.exclude(pk__in=usable)}


def create_key(request: ZoneRequest, form: KeyForm) -> dict[str, Any]:
    """Create a registration key and return the key and its command for the page."""
    values = form.cleaned_data
    registration_keys.check_may_create(
        values["role"],
        approves=values["approves"],
        may_add_names=request.user.has_perm(ADD_NAMES),
    )
    key = registration_keys.create_registration_key(
        zone_keys.get_public_key(request.zone),
        label=values["label"],
        role=values["role"],
        uses=values["uses"],
        approves=values["approves"],
        expires_at=timezone.now() + timedelta(days=values["days"]),
        limits=form.get_limits(),
    )
    return {
        "key": str(key),
        "command": registration_keys.build_registration_command(str(key), values["role"]),
    }


@require_POST
@may_approve
def revoke(request: ZoneRequest, pk: int) -> HttpResponse:
    """Revoke a registration key. Devices that have registered with it are not affected."""
    key = registration_keys.revoke_registration_key(pk, now=timezone.now())
    messages.success(request, _("The registration key %s has been revoked.") % key.label)
    return HttpResponseRedirect(reverse("zone:keys"))


@require_POST
@may_approve
def run_bulk_action(request: ZoneRequest) -> HttpResponse:
    """Show the confirmation dialog for the selected keys, or revoke them."""
    return bulk.run_action(
        request, KEY_ACTIONS, _find_keys, back=reverse("zone:keys"), name=lambda key: key.label
    )


def _find_keys(ids: Sequence[str]) -> list[RegistrationKey]:
    keys = [int(text) for text in ids if re.fullmatch(r"[0-9]{1,18}", text)]
    return list(RegistrationKey.objects.filter(pk__in=keys).order_by("pk"))
