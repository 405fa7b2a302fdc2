"""REST API of devices and registration keys."""

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

from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    Timestamp,
    get_by_guid,
    get_by_number,
    paginate,
    require,
)
from devices.identity import zone_keys
from devices.inventory import tables
from devices.inventory.forms import MAX_DNS_NAMES
from devices.models import Device, RegistrationKey, Role, Zone
from devices.registration import changes, keys, registration
from devices.registration.states import DeviceState
from devices.zone import settings
from faults import Fault, Invalid
from pki.names import check_dns_name

router = Router()
CHANGE = "devices.change_device"
APPROVE = "devices.approve_device"
MAX_USES = 1_000_000
SORTS = ("name", "fqdn", "state", "last_contact", "root_sha256", "version", "role")


class ChangedValueOut(Schema):
    """A value of a server, as it is recorded and as the server reports it."""

    name: str
    before: str
    after: str


class RequestedChangeOut(Schema):
    """A change that a server has reported and that is waiting for a decision."""

    at: str
    address: str
    changes: list[ChangedValueOut]


class DeviceOut(Schema):
    """A Primary Server, satellite, or managed device."""

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    state: str
    epoch: int = Field(validation_alias="credential_epoch")
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
    unknown_roots: list[str]
    replication_seconds: int | None
    bandwidth_kib: int | None
    replicates: bool
    clock_skew_seconds: float
    requested_change: RequestedChangeOut | None
    replaces_id: UUID | None
    released_until: datetime | None

    @staticmethod
    def resolve_unknown_roots(device: Device) -> list[str]:
        """Return the digests of the roots that the device trusts but the zone never issued."""
        return device.unknown_roots.split()

    @staticmethod
    def resolve_requested_change(device: Device) -> dict[str, Any] | None:
        """Return the change that is waiting for a decision, with the current values."""
        if not device.requested_change:
            return None
        return {**device.requested_change, "changes": changes.describe_change(device)}


class DeviceFilter(Schema):
    """The devices to return.

    `role` can also be `no-contact` for devices without recent contact, or `unknown-root` for
    devices that trust a root the zone never issued. `parent_id` selects the satellites of a server.
    """

    q: Text = ""
    role: Text = ""
    state: Text = ""
    parent_id: UUID | None = None
    sort: Text = Field("name", description=("field to sort by; prefix with - for descending order"))


@router.get("/devices", response=Page[DeviceOut], tags=["devices"])
def list_devices(request: HttpRequest, paging: Query[Paging], selected: Query[DeviceFilter]) -> Any:
    """List devices. Retired devices are included only if you filter by that state."""
    found = Device.objects.defer("initial_csr", "features")
    if selected.state:
        found = found.filter(state=selected.state)
    else:
        found = found.exclude(state=DeviceState.RETIRED)
    if selected.parent_id is not None:
        found = found.filter(parent=selected.parent_id)
    refresh = Zone.objects.get_zone().refresh
    matching = tables.filter_devices(
        found, q=selected.q, group=selected.role, refresh=refresh, now=timezone.now()
    )
    name, descending = selected.sort.removeprefix("-"), selected.sort.startswith("-")
    field = F(name if name in SORTS else "name")
    order = field.desc(nulls_last=True) if descending else field.asc(nulls_last=True)
    return paginate(matching.order_by(order, "name", "pk"), paging)


@router.get("/devices/{device_id}", response=DeviceOut, tags=["devices"])
def show_device(request: HttpRequest, device_id: str) -> Any:
    """Get a device."""
    return get_by_guid(Device.objects.all(), device_id)


class DnsNamesIn(RequestBody):
    """The additional DNS names of a server. They replace the current names."""

    dns_names: list[Text] = Field(max_length=MAX_DNS_NAMES)


@router.put(
    "/devices/{device_id}/dns-names", response=DeviceOut, auth=require(CHANGE), tags=["devices"]
)
def set_dns_names(request: HttpRequest, device_id: str, body: DnsNamesIn) -> Any:
    """Set the additional DNS names of a server.

    They take effect the next time its certificate is reminted.
    """
    device = get_by_guid(Device.objects.all(), device_id)
    registration.save_dns_names(device, list(dict.fromkeys(map(_dns_name, body.dns_names))))
    device.refresh_from_db()
    return device


class ContentSettingsIn(RequestBody):
    """Replication settings of a content server. null means the zone setting."""

    replication_seconds: int | None = Field(None, ge=1, le=7 * 86_400)
    bandwidth_kib: int | None = Field(None, ge=0, le=10_485_760)
    replicates: bool = True


@router.put(
    "/devices/{device_id}/content", response=DeviceOut, auth=require(CHANGE), tags=["devices"]
)
def set_content(request: HttpRequest, device_id: str, body: ContentSettingsIn) -> Any:
    """Set the content replication settings of a content server."""
    device = get_by_guid(Device.objects.all(), device_id)
    settings.save_content_settings(device, settings.ContentSettings(**body.dict()))
    return reload(device)


def _dns_name(name: str) -> str:
    try:
        return check_dns_name(name.strip())
    except Fault as fault:
        raise Invalid(fault.explanation, action=fault.action, field="dns_names") from fault


@router.post(
    "/devices/{device_id}/approve", response=DeviceOut, auth=require(APPROVE), tags=["devices"]
)
def approve_device(request: HttpRequest, device_id: str, epoch: int | None = None) -> Any:
    """Approve a server that is waiting for approval.

    With `epoch`, a registration that was made later is not approved.
    """
    device = get_by_guid(Device.objects.all(), device_id)
    registration.approve(device, epoch=epoch)
    return reload(device)


@router.post(
    "/devices/{device_id}/unregister", response=DeviceOut, auth=require(CHANGE), tags=["devices"]
)
def unregister_device(request: HttpRequest, device_id: str) -> Any:
    """Unregister a device. The device can register again."""
    device = get_by_guid(Device.objects.all(), device_id)
    registration.unregister(device)
    return reload(device)


@router.post(
    "/devices/{device_id}/retire", response=DeviceOut, auth=require(CHANGE), tags=["devices"]
)
def retire_device(request: HttpRequest, device_id: str) -> Any:
    """Retire a device permanently. Its next request is rejected."""
    device = get_by_guid(Device.objects.all(), device_id)
    registration.retire(device)
    return reload(device)


def reload(device: Device) -> Device:
    """Return the device with the values that the database has computed."""
    return Device.objects.get(pk=device.pk)


class RegistrationKeyOut(Schema):
    """A registration key. The key itself cannot be read again."""

    id: int
    label: str
    role: str
    approves: bool
    uses_left: int
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class NewRegistrationKeyOut(Schema):
    """A registration key that has just been created. The key is returned only once."""

    key: str
    command: str = Field(description="command that registers a device with this key")
    line: str = Field(validation_alias="command", description="use `command`", deprecated=True)


class RegistrationKeyIn(RequestBody):
    """The registration key to create."""

    label: Text = Field(min_length=1, max_length=64)
    role: Role = Role.MANAGED
    uses: int = Field(1, ge=1, le=MAX_USES)
    approves: bool = Field(
        default=False, description=("whether servers that use this key are approved automatically")
    )
    expires_at: Timestamp | None = None


@router.get(
    "/registration-keys", response=Page[RegistrationKeyOut], auth=require(APPROVE), tags=["devices"]
)
def list_registration_keys(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List registration keys, newest first."""
    return paginate(RegistrationKey.objects.order_by("-pk"), paging)


@router.post(
    "/registration-keys",
    response={201: NewRegistrationKeyOut},
    auth=require(APPROVE),
    tags=["devices"],
)
def create_registration_key(request: HttpRequest, body: RegistrationKeyIn) -> Any:
    """Create a registration key. The key is returned only once."""
    if body.expires_at is not None and body.expires_at <= timezone.now():
        raise Invalid(_("The expiration date is in the past."), field="expires_at")
    created = keys.create_registration_key(
        zone_keys.get_public_key(Zone.objects.get_zone()),
        label=body.label,
        role=body.role,
        uses=body.uses,
        approves=body.approves,
        expires_at=body.expires_at,
    )
    return Status(
        201,
        {"key": str(created), "command": keys.build_registration_command(str(created), body.role)},
    )


@router.post(
    "/registration-keys/{key_id}/revoke",
    response=RegistrationKeyOut,
    auth=require(APPROVE),
    tags=["devices"],
)
def revoke_registration_key(request: HttpRequest, key_id: str) -> Any:
    """Revoke a registration key. Devices that are already registered are not affected."""
    key = get_by_number(RegistrationKey.objects.all(), key_id)
    return keys.revoke_registration_key(key.pk, now=timezone.now())
