"""The page Add Devices. It shows commands, and the devices that register."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from certificates.installation import commands
from certificates.trust.roots import build_roots_pem
from console.pages.responses import show_faults_on
from devices.identity import zone_keys
from devices.inventory.forms import KeyForm
from devices.middleware import ZoneRequest
from devices.models import Device, RegistrationKey, Role
from devices.registration import keys as registration_keys
from devices.registration.certificate_names import ADD_NAMES, find_requested_change
from devices.registration.states import DeviceState
from devices.zone.views import create_key, may_approve
from faults import Fault
from systemupdates.downloads import agent_files

PANE = "certificates/added_devices.html"
SHOWN_SINCE = timedelta(hours=1)
MAX_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@may_approve
def add_devices(request: ZoneRequest) -> HttpResponse:
    """Show the commands for a role and a system. POST creates a key, which is shown once."""
    now = timezone.now()
    role = _choose(request.GET.get("role", ""), Role.values, Role.MANAGED)
    is_post = request.method == "POST"
    form = KeyForm(request, request.POST if is_post else None, initial={"role": role})
    created = ""
    if form.is_valid():
        with show_faults_on(form):
            created = str(create_key(request, form)["key"])
            role = form.cleaned_data["role"]
    usable = RegistrationKey.objects.usable(now).filter(role=role).order_by("-pk")
    context = {
        "nav": "add-devices",
        "form": form,
        "created": created,
        "keys": usable[:MAX_SHOWN],
        **_build_steps(request, role, created),
        **_build_devices(request, now),
    }
    status = 422 if form.errors else 201 if created else 200
    response = render(request, "certificates/add_devices.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_safe
@may_approve
def added_devices(request: ZoneRequest) -> HttpResponse:
    """Return the devices that registered recently, or 204 if the page shows them as they are."""
    context = _build_devices(request, timezone.now())
    if request.GET.get("rev", "") == context["revision"]:
        return HttpResponse(status=204)
    return render(request, PANE, context)


def _choose(value: str, allowed: list[str], default: str) -> str:
    return value if value in allowed else default


def _build_steps(request: ZoneRequest, role: str, key: str) -> dict[str, Any]:
    """Return the choices of role and system, and the commands for those that are selected."""
    files = agent_files.list_agent_files()
    systems = commands.list_systems(role, files)
    wanted = request.GET.get("system", "")
    system = _choose(wanted, [*systems], systems[0] if systems else "")
    roots = build_roots_pem()
    source = commands.Source(
        url=_get_own_url(), roots_sha256=hashlib.sha256(roots.encode()).hexdigest(), files=files
    )
    is_ready = bool(systems and roots) or role == Role.PRIMARY
    return {
        "role": role,
        "roles": [(one.value, one.label) for one in (Role.MANAGED, *_other_roles())],
        "system": system,
        "systems": [(one.value, one.label) for one in systems],
        "steps": commands.list_steps(system, role, key, source) if is_ready else [],
    }


def _other_roles() -> tuple[Role, ...]:
    return (Role.CONTENT_SATELLITE, Role.AUTHENTICATION_SATELLITE, Role.PRIMARY)


def _get_own_url() -> str:
    """Return the URL of this server, which offers the files whose digests the page shows."""
    with suppress(Fault):  # a server whose keys cannot be read still shows the page
        own = Device.objects.filter(pk=zone_keys.get_keyring().server_id).first()
        if own is not None and own.port:
            return own.get_url(own.port, "https")
    return registration_keys.get_primary_server_url()


def _build_devices(request: ZoneRequest, now: datetime) -> dict[str, Any]:
    """Return the newest devices, and a revision that changes with what is shown of them."""
    rows = (
        Device.objects.filter(registered_at__gte=now - SHOWN_SINCE)
        .exclude(state=DeviceState.RETIRED)
        .select_related("replaces")
        .defer("initial_csr", "features")
        .order_by("-registered_at", "name")[:MAX_SHOWN]
    )
    found = list(rows)
    marks = [
        (device.pk, device.state, device.credential_epoch, _had_contact(device)) for device in found
    ]
    return {
        "now": now,
        "added": [(device, _find_name_change(device), _had_contact(device)) for device in found],
        "revision": hashlib.sha256(repr(marks).encode()).hexdigest()[:16],
        "may_add_names": request.user.has_perm(ADD_NAMES),
        "pane_url": reverse("certificates:added_devices"),
    }


def _find_name_change(device: Device) -> Any:
    """Return the names that approving a waiting server adds to its certificate, or None."""
    return find_requested_change(device) if device.state == DeviceState.WAITING else None


def _had_contact(device: Device) -> bool:
    """Return True if a device was in contact after its last registration."""
    contact, registered = device.last_contact, device.registered_at
    return contact is not None and registered is not None and contact >= registered
