"""REST API of decisions on devices: taken names, releases, and changes that servers report."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from console.access.api_tokens import has_right
from console.rest.api import RequestBody, Text, get_by_guid, require
from devices.inventory.api import APPROVE, DeviceOut, reload
from devices.models import Device
from devices.registration import changes, registration, replacement
from devices.registration.certificate_names import ADD_NAMES

router = Router()


@router.post(
    "/devices/{device_id}/replace", response=DeviceOut, auth=require(APPROVE), tags=["devices"]
)
def replace_device(request: HttpRequest, device_id: str, epoch: int | None = None) -> Any:
    """Approve a device that is waiting with the name of another one, which is retired.

    With `epoch`, a registration that was made later is not approved. For a server, this requires
    the right Certificate Authority, too.
    """
    device = get_by_guid(Device.objects.all(), device_id)
    registration.replace(device, epoch=epoch, may_add_names=has_right(request, ADD_NAMES))
    return reload(device)


@router.post(
    "/devices/{device_id}/release", response=DeviceOut, auth=require(APPROVE), tags=["devices"]
)
def release_device(request: HttpRequest, device_id: str) -> Any:
    """Release a device for re-imaging: for 24 hours, a registration key can take over its name."""
    device = get_by_guid(Device.objects.all(), device_id)
    replacement.release(device, now=timezone.now())
    return reload(device)


class ChangeDecisionIn(RequestBody):
    """The change to decide on. With `at`, a change that was requested later is not affected."""

    at: Text = ""


@router.post(
    "/devices/{device_id}/approve-change",
    response=DeviceOut,
    auth=require(APPROVE),
    tags=["devices"],
)
def approve_change(request: HttpRequest, device_id: str, body: ChangeDecisionIn) -> Any:
    """Approve the change that a server has reported. The server gets a new certificate.

    Names that its certificate does not have require the right Certificate Authority, too.
    """
    device = get_by_guid(Device.objects.all(), device_id)
    changes.approve_change(device, at=body.at, may_add_names=has_right(request, ADD_NAMES))
    return reload(device)


@router.post(
    "/devices/{device_id}/reject-change",
    response=DeviceOut,
    auth=require(APPROVE),
    tags=["devices"],
)
def reject_change(request: HttpRequest, device_id: str, body: ChangeDecisionIn) -> Any:
    """Reject the change that a server has reported. Its record stays in force."""
    device = get_by_guid(Device.objects.all(), device_id)
    changes.reject_change(device, at=body.at)
    return reload(device)
