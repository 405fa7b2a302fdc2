"""REST API of devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from console.access.api_tokens import has_right
from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    check_sort,
    get_by_guid,
    paginate,
    require,
)
from devices.inventory import tables
from devices.inventory.forms import MAX_DNS_NAMES
from devices.inventory.report_schemas import (
    HooksOut,
    SystemTrustOut,
    TlsLibrariesOut,
    get_hooks,
    get_system_trust,
    get_tls_libraries,
)
from devices.models import Device, Zone
from devices.registration import changes, registration
from devices.registration.certificate_names import ADD_NAMES, NameChange, find_requested_change
from devices.registration.states import DeviceState
from devices.zone import settings
from faults import Fault, Invalid
from pki.names import check_dns_name

router = Router()
CHANGE = "devices.change_device"
APPROVE = "devices.approve_device"
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


class CertificateNamesOut(Schema):
    """The names that a decision adds to the certificate of a server and removes from it."""

    added: list[str]
    removed: list[str]


class OutsideKeyOut(Schema):
    """The names and addresses of a waiting device that its registration key does not approve."""

    key: str = Field(description="name of the registration key")
    names: list[str]


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
    certificate_names: CertificateNamesOut | None = Field(
        description="null if no decision on this device is pending"
    )
    outside_key: OutsideKeyOut | None
    replaces_id: UUID | None
    released_until: datetime | None
    copied_at: datetime | None = Field(
        description="when another host last used the identity of the device, null if it did not "
        "within a day"
    )
    copied_address: str

    @staticmethod
    def resolve_copied_at(device: Device) -> datetime | None:
        """Return when another host last used the identity of the device."""
        return device.copied_at if device.has_copy(timezone.now()) else None

    @staticmethod
    def resolve_copied_address(device: Device) -> str:
        """Return the address of the other host."""
        return device.copied_address if device.has_copy(timezone.now()) else ""

    @staticmethod
    def resolve_unknown_roots(device: Device) -> list[str]:
        """Return the digests of the roots that the device trusts but the zone never issued."""
        return device.unknown_roots.split()

    @staticmethod
    def resolve_certificate_names(device: Device) -> NameChange | None:
        """Return what changes in the certificate if the pending decision is an approval."""
        is_pending = device.state == DeviceState.WAITING or device.requested_change
        return find_requested_change(device) if is_pending else None

    @staticmethod
    def resolve_outside_key(device: Device) -> dict[str, Any] | None:
        """Return what the registration key of a waiting device does not approve."""
        return device.outside_key or None

    @staticmethod
    def resolve_requested_change(device: Device) -> dict[str, Any] | None:
        """Return the change that is waiting for a decision, with the current values."""
        if not device.requested_change:
            return None
        return {**device.requested_change, "changes": changes.describe_change(device)}


class DeviceDetailOut(DeviceOut):
    """A device with what it reports about its host. A field is null if it has reported nothing."""

    hooks: HooksOut | None
    system_trust: SystemTrustOut | None
    tls_libraries: TlsLibrariesOut | None

    @staticmethod
    def resolve_hooks(device: Device) -> dict[str, Any] | None:
        """Return the results of the hooks."""
        return get_hooks(device)

    @staticmethod
    def resolve_system_trust(device: Device) -> Any:
        """Return what the agent did with the trust store of the operating system."""
        return get_system_trust(device)

    @staticmethod
    def resolve_tls_libraries(device: Device) -> dict[str, Any] | None:
        """Return the results of the TLS libraries in the last preflight check."""
        return get_tls_libraries(device)


class DeviceFilter(Schema):
    """The devices to return.

    `role` can also be `no-contact` for devices without recent contact, `unknown-root` for devices
    that trust a root the zone never issued, or `older-agent` for devices whose agent is older than
    the console. `parent_id` selects the satellites of a server.
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
    check_sort(selected.sort, SORTS)
    name, descending = selected.sort.removeprefix("-"), selected.sort.startswith("-")
    field = F(name or "name")
    order = field.desc(nulls_last=True) if descending else field.asc(nulls_last=True)
    return paginate(matching.order_by(order, "name", "pk"), paging)


@router.get("/devices/{device_id}", response=DeviceDetailOut, tags=["devices"])
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

    They take effect the next time its certificate is reminted. Names that the certificate does
    not have require the right Certificate Authority, too.
    """
    device = get_by_guid(Device.objects.all(), device_id)
    names = list(dict.fromkeys(map(_dns_name, body.dns_names)))
    registration.save_dns_names(device, names, may_add_names=has_right(request, ADD_NAMES))
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

    With `epoch`, a registration that was made later is not approved. Names that the certificate
    of the server does not have require the right Certificate Authority, too.
    """
    device = get_by_guid(Device.objects.all(), device_id)
    registration.approve(device, epoch=epoch, may_add_names=has_right(request, ADD_NAMES))
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
