"""Acts on one device by an administrator: approve, unregister, retire."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from console.pages.responses import close_dialog, dialog, needs
from devices.inventory.views import RIGHT, RIGHT_LABEL
from devices.middleware import ZoneRequest
from devices.models import Device
from devices.registration import registration
from devices.zone.views import may_approve

may_change = needs(RIGHT, str(RIGHT_LABEL))


def _device(pk: UUID) -> Device:
    return get_object_or_404(Device, pk=pk)


@require_POST
@may_approve
def approve(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Approve a waiting server: it belongs to the zone from now on (S-54)."""
    found = _device(pk)
    registration.approve(found)
    said = _("%s belongs to the zone now. It hears of it at its next refresh.") % found.name
    return close_dialog(request, reverse("devices:device", args=[pk]), said=said)


def _leave(
    request: ZoneRequest, pk: UUID, *, act: Callable[[Device], None], word: str, said: str
) -> HttpResponse:
    found = _device(pk)
    if request.method == "POST":
        act(found)
        there = reverse("devices:device", args=[pk])
        return close_dialog(request, there, said=said % found.name)
    context = {"device": found, "word": word, "reason": registration.stays_because(found)}
    return dialog(request, "devices/dialogs/leave.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def unregister(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Unregister a device, after a confirmation; it may register again (R220)."""
    said = _("%s is unregistered.")
    return _leave(request, pk, act=registration.unregister, word="unregister", said=said)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def retire(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Retire a device for good, after a confirmation (S-58)."""
    said = _("%s is retired.")
    return _leave(request, pk, act=registration.retire, word="retire", said=said)
