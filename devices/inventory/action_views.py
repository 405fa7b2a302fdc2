"""Actions on a device: approve, replace, release, unregister, and retire."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from console.pages import bulk
from console.pages.responses import close_dialog, render_dialog, require_right
from devices.inventory.bulk_actions import ACTIONS
from devices.inventory.views import RIGHT, RIGHT_LABEL
from devices.middleware import ZoneRequest
from devices.models import Device
from devices.registration import changes, registration, replacement
from devices.registration.certificate_names import ADD_NAMES
from devices.zone.views import may_approve
from faults import Invalid

may_change = require_right(RIGHT, RIGHT_LABEL)


def _get_device(pk: UUID) -> Device:
    return get_object_or_404(Device, pk=pk)


@require_POST
@may_approve
def approve(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Approve a server that is waiting for approval."""
    found = _get_device(pk)
    registration.approve(found, epoch=_get_epoch(request), may_add_names=_may_add_names(request))
    message = _("%s has been approved. It joins the zone at its next refresh.") % found.name
    return close_dialog(request, reverse("devices:device", args=[pk]), message=message)


def _may_add_names(request: ZoneRequest) -> bool:
    return request.user.has_perm(ADD_NAMES)


def _get_epoch(request: ZoneRequest) -> int:
    """Return the registration that the page showed; raise Invalid if the form has none."""
    text = request.POST.get("epoch", "")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Invalid(
            _("The form does not name the registration. Nothing was changed."),
            action=_("Reload the page, check the name and addresses, and decide again."),
        )
    return int(text)


@require_POST
@may_approve
def replace(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Retire the device whose name a waiting device registered with, and approve it instead."""
    found = _get_device(pk)
    registration.replace(found, epoch=_get_epoch(request), may_add_names=_may_add_names(request))
    message = _("%s has been replaced. The new device joins the zone at its next refresh.")
    return close_dialog(request, reverse("devices:device", args=[pk]), message=message % found.name)


@require_POST
@may_approve
def decide_change(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Approve or reject the change that a server has requested."""
    found, at = _get_device(pk), request.POST.get("at", "")
    if request.POST.get("decision") == "approve":
        changes.approve_change(found, at=at, may_add_names=_may_add_names(request))
        message = _("The change of %s has been approved.") % found.name
    else:
        changes.reject_change(found, at=at)
        message = _("The change of %s has been rejected.") % found.name
    return close_dialog(request, reverse("devices:device", args=[pk]), message=message)


@require_POST
@may_approve
def release(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Allow another device to take over the name of a device for 24 hours."""
    found = _get_device(pk)
    replacement.release(found, now=timezone.now())
    message = _("%s can be registered again with a registration key for 24 hours.") % found.name
    return close_dialog(request, reverse("devices:device", args=[pk]), message=message)


def _remove_from_zone(
    request: ZoneRequest, pk: UUID, *, remove: Callable[[Device], None], action: str, message: str
) -> HttpResponse:
    """Show the confirmation dialog, or remove the device."""
    found = _get_device(pk)
    if request.method == "POST":
        remove(found)
        url = reverse("devices:device", args=[pk])
        return close_dialog(request, url, message=message % found.name)
    context = {
        "device": found,
        "action": action,
        "reason": registration.get_retention_reason(found),
    }
    return render_dialog(request, "devices/dialogs/leave.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def unregister(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Unregister a device after a confirmation. The device can register again."""
    return _remove_from_zone(
        request,
        pk,
        remove=registration.unregister,
        action="unregister",
        message=_("%s has been unregistered."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def retire(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Retire a device permanently after a confirmation."""
    return _remove_from_zone(
        request,
        pk,
        remove=registration.retire,
        action="retire",
        message=_("%s has been retired."),
    )


@require_POST
@may_change
def run_bulk_action(request: ZoneRequest) -> HttpResponse:
    """Show the confirmation dialog for the selected devices, or perform the action on them."""
    return bulk.run_action(
        request, ACTIONS, _find_devices, back=reverse("devices:list"), name=lambda row: row.name
    )


def _find_devices(ids: Sequence[str]) -> list[Device]:
    keys = []
    for text in ids:
        with suppress(ValueError):
            keys.append(UUID(text))
    return list(Device.objects.filter(pk__in=keys).order_by("name"))
