"""Devices and registration keys in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.rest.api import Moment, Order, Page, Paging, Text, by_guid, by_number, having, page
from devices.identity import zone_keys
from devices.inventory import tables
from devices.inventory.forms import MOST_NAMES
from devices.models import Device, RegistrationKey, Role, Zone
from devices.registration import keys, registration
from devices.registration.states import DeviceState
from devices.zone import settings
from faults import Fault, Invalid
from pki.names import check_dns_name

router = Router()
CHANGE = "devices.change_device"
APPROVE = "devices.approve_device"
USES_AT_MOST = 1_000_000
SORTS = ("name", "fqdn", "state", "last_contact", "root_sha256", "version", "role")


class DeviceOut(Schema):
    """A Primary Server, satellite or managed device."""

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    state: str
    fqdn: str
    addresses: list[str]
    dns_names: list[str]
    os: str
    version: str
    parent_id: UUID | None
    registered_at: datetime | None
    last_contact: datetime | None
    root_sha256: str
    trusted_sha256: list[str]
    replication_seconds: int | None
    bandwidth_kib: int | None
    replicates: bool
    clock_skew_seconds: float = Field(validation_alias="skew")


class DeviceFilter(Schema):
    """Which devices to return; `role` may also be `silent`, `parent_id` is that of satellites."""

    q: Text = ""
    role: Text = ""
    state: Text = ""
    parent_id: UUID | None = None
    sort: Text = Field("name", description="a field, with - in front for descending")


@router.get("/devices", response=Page[DeviceOut], tags=["devices"])
def list_devices(request: HttpRequest, paging: Query[Paging], wanted: Query[DeviceFilter]) -> Any:
    """List the devices of the zone; retired ones only where their state is asked for."""
    found = Device.objects.defer("first_csr", "features")
    if wanted.state:
        found = found.filter(state=wanted.state)
    else:
        found = found.exclude(state=DeviceState.RETIRED)
    if wanted.parent_id is not None:
        found = found.filter(parent=wanted.parent_id)
    refresh = Zone.objects.the().refresh
    matching = tables.matching(
        found, q=wanted.q, chip=wanted.role, refresh=refresh, now=timezone.now()
    )
    key, down = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    field = F(key if key in SORTS else "name")
    order = field.desc(nulls_last=True) if down else field.asc(nulls_last=True)
    return page(matching.order_by(order, "name", "pk"), paging)


@router.get("/devices/{device_id}", response=DeviceOut, tags=["devices"])
def show_device(request: HttpRequest, device_id: str) -> Any:
    """Show one device."""
    return by_guid(Device.objects.all(), device_id)


class DnsNames(Order):
    """The additional DNS names of a server; they replace those it has."""

    dns_names: list[Text] = Field(max_length=MOST_NAMES)


@router.put(
    "/devices/{device_id}/dns-names", response=DeviceOut, auth=having(CHANGE), tags=["devices"]
)
def set_dns_names(request: HttpRequest, device_id: str, order: DnsNames) -> Any:
    """Set a server's additional DNS names; they count when its certificate is reminted."""
    device = by_guid(Device.objects.all(), device_id)
    registration.save_names(device, list(dict.fromkeys(map(_dns_name, order.dns_names))))
    device.refresh_from_db()
    return device


class ContentOrder(Order):
    """How a content server replicates; null follows the zone."""

    replication_seconds: int | None = Field(None, ge=1, le=7 * 86_400)
    bandwidth_kib: int | None = Field(None, ge=0, le=10_485_760)
    replicates: bool = True


@router.put(
    "/devices/{device_id}/content", response=DeviceOut, auth=having(CHANGE), tags=["devices"]
)
def set_content(request: HttpRequest, device_id: str, order: ContentOrder) -> Any:
    """Set how a content server replicates (D-34)."""
    device = by_guid(Device.objects.all(), device_id)
    settings.save_content(device, settings.ContentSettings(**order.dict()))
    return _again(device)


def _dns_name(name: str) -> str:
    try:
        return check_dns_name(name.strip())
    except Fault as fault:
        raise Invalid(fault.explanation, action=fault.action, field="dns_names") from fault


@router.post(
    "/devices/{device_id}/approve", response=DeviceOut, auth=having(APPROVE), tags=["devices"]
)
def approve_device(request: HttpRequest, device_id: str) -> Any:
    """Let a waiting server into the zone."""
    device = by_guid(Device.objects.all(), device_id)
    registration.approve(device)
    return _again(device)


@router.post(
    "/devices/{device_id}/unregister", response=DeviceOut, auth=having(CHANGE), tags=["devices"]
)
def unregister_device(request: HttpRequest, device_id: str) -> Any:
    """Let a device go; it may register again."""
    device = by_guid(Device.objects.all(), device_id)
    registration.unregister(device)
    return _again(device)


@router.post(
    "/devices/{device_id}/retire", response=DeviceOut, auth=having(CHANGE), tags=["devices"]
)
def retire_device(request: HttpRequest, device_id: str) -> Any:
    """Take a device out for good; its next request is refused."""
    device = by_guid(Device.objects.all(), device_id)
    registration.retire(device)
    return _again(device)


def _again(device: Device) -> Device:
    """Return a device as its row is now: an expression was written to it."""
    return Device.objects.get(pk=device.pk)


class KeyOut(Schema):
    """A registration key; its text is known to nobody but who made it."""

    id: int
    label: str
    role: str
    approves: bool
    uses_left: int
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class NewKey(Schema):
    """A registration key that was just made; the text is shown this once."""

    key: str
    line: str = Field(description="the command that registers a device with it")


class KeyOrder(Order):
    """What a registration key shall open."""

    label: Text = Field(min_length=1, max_length=64)
    role: Role = Role.MANAGED
    uses: int = Field(1, ge=1, le=USES_AT_MOST)
    approves: bool = Field(default=False, description="servers need no further approval")
    expires_at: Moment | None = None


@router.get("/registration-keys", response=Page[KeyOut], auth=having(APPROVE), tags=["devices"])
def list_registration_keys(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the registration keys, the newest first."""
    return page(RegistrationKey.objects.order_by("-pk"), paging)


@router.post("/registration-keys", response={201: NewKey}, auth=having(APPROVE), tags=["devices"])
def make_registration_key(request: HttpRequest, order: KeyOrder) -> Any:
    """Make a registration key; its text is returned this once."""
    if order.expires_at is not None and order.expires_at <= timezone.now():
        raise Invalid(_("The key would have expired already."), field="expires_at")
    made = registration.make_key(
        zone_keys.zone_public(Zone.objects.the()),
        label=order.label,
        role=order.role,
        uses=order.uses,
        approves=order.approves,
        expires_at=order.expires_at,
    )
    return Status(201, {"key": str(made), "line": keys.line(str(made), order.role)})


@router.post(
    "/registration-keys/{key_id}/revoke", response=KeyOut, auth=having(APPROVE), tags=["devices"]
)
def revoke_registration_key(request: HttpRequest, key_id: str) -> Any:
    """Revoke a registration key; devices that it let in stay."""
    key = by_number(RegistrationKey.objects.all(), key_id)
    return registration.revoke_key(key.pk, now=timezone.now())
