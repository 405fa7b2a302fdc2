"""Devices: Primary Servers, satellites, and managed devices."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuthenticatedModel, StatefulModel, StatefulQuerySet
from devices.models.zone import Zone
from devices.registration.states import DEVICE, DeviceState
from wire import messages

# Number of rejected requests that prove a copy of a device, and how long a copy is shown (D-178).
COPY_REJECTIONS = 3
COPY_SHOWN_FOR = timedelta(days=1)


def get_contact_limit(refresh: timedelta) -> timedelta:
    """Return how long a device counts as online after a contact, with this refresh interval."""
    return 2 * refresh + timedelta(minutes=1)


class Role(models.TextChoices):
    """The role of a device in the zone."""

    PRIMARY = messages.PRIMARY, _("Primary Server")
    AUTHENTICATION_SATELLITE = (
        messages.AUTHENTICATION_SATELLITE,
        _("Authentication Satellite Server"),
    )
    CONTENT_SATELLITE = messages.CONTENT_SATELLITE, _("Content Satellite Server")
    MANAGED = messages.MANAGED, _("Managed device")


class DeviceQuerySet(StatefulQuerySet["Device"]):
    """Devices by state and role."""

    machine = DEVICE

    def registered(self) -> Self:
        """Return the devices that belong to the zone."""
        return self.filter(state=DeviceState.REGISTERED)

    def primaries(self) -> Self:
        """Return the registered Primary Servers."""
        return self.registered().filter(role=Role.PRIMARY)

    def asked_to_refresh(self) -> Self:
        """Return the Primary Servers whose agents must refresh now."""
        return self.primaries().filter(refresh_requested=True)

    def have_feature(self, feature: str) -> bool:
        """Return True if the agents of all these devices have reported a feature."""
        return all(feature in listed for listed in self.values_list("features", flat=True))

    def certified(self) -> Self:
        """Return the registered servers that need a server certificate."""
        return self.registered().filter(role__in=messages.CERTIFIED_ROLES)

    def content_servers(self) -> Self:
        """Return the registered servers to which the content of updates is replicated."""
        return self.registered().filter(role__in=messages.CONTENT_ROLES)


# What an administrator must decide about a device, or has decided. Usually, they are empty.
DECISION_FIELDS = ("requested_change", "replaces", "outside_key", "released_until")


class Device(AuthenticatedModel, StatefulModel):
    """A Primary Server, satellite, or managed device."""

    authenticated_fields = (
        *DECISION_FIELDS,
        *("guid", "name", "role", "state", "fqdn", "addresses", "dns_names"),
        *("port", "content_port", "preflight_port", "credential_epoch"),
        *("vault_key", "ca_vault_key", "initial_csr"),
    )

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64)
    role = models.CharField(max_length=32, choices=Role.choices, default=Role.MANAGED)
    state = models.CharField(
        max_length=24, choices=DeviceState.choices, default=DeviceState.REGISTERED
    )
    fqdn = models.CharField(max_length=253, blank=True)
    addresses = models.JSONField(default=list, blank=True)
    dns_names = models.JSONField(default=list, blank=True)
    port = models.PositiveIntegerField(default=0)
    content_port = models.PositiveIntegerField(default=0)
    preflight_port = models.PositiveIntegerField(default=0)
    os = models.CharField(max_length=100, blank=True)
    version = models.CharField(max_length=40, blank=True)
    features = models.JSONField(default=list, blank=True)
    remint_repository = models.CharField(max_length=200, blank=True, default="", db_default="")
    """The folder of a server in which its agent reads the files of the manual CSR option."""
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="satellites"
    )

    credential_epoch = models.PositiveIntegerField(default=1)
    counter = models.BigIntegerField(default=0)
    """Highest request counter that the device has used."""
    registered_at = models.DateTimeField(null=True, blank=True)
    last_contact = models.DateTimeField(null=True, blank=True, db_index=True)
    has_pending_work = models.BooleanField(default=False)
    """Whether the next refresh must look for assignments, trust notices, or content requests."""
    refresh_requested = models.BooleanField(default=False)
    """Whether the worker of this Primary Server must notify its agent to refresh immediately."""
    generation = models.CharField(max_length=80, blank=True)
    root_sha256 = models.CharField(max_length=64, blank=True)
    connection_root_sha256 = models.CharField(max_length=64, blank=True)
    """Root that verified the last connection of the device."""
    trusted_sha256 = models.JSONField(default=list, blank=True)
    unknown_roots = models.TextField(blank=True)
    """Digests of roots that the device trusts, but the zone never issued, separated by spaces."""
    clock_skew_seconds = models.FloatField(default=0)
    failed_contacts = models.BigIntegerField(default=0)
    """Number of connections on which the device could not verify a server."""

    requested_change = models.JSONField(default=dict, blank=True)
    """What this server reported and an administrator must approve first (D-123). {} is nothing."""
    needs_certificate = models.BooleanField(default=False)
    """Whether a certificate for approved changes must be created."""
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replacements"
    )
    """The device with the same name that was in contact when this one registered (D-124)."""
    outside_key = models.JSONField(default=dict, blank=True)
    """The registration key of this waiting device, and what it does not approve. {} is nothing."""
    released_until = models.DateTimeField(null=True, blank=True)
    """Until when another device can take over this name with a registration key."""

    copied_at = models.DateTimeField(null=True, blank=True)
    """When a host with the secret of this device last sent an old counter (D-178)."""
    copied_address = models.CharField(max_length=64, blank=True, default="", db_default="")
    copied_count = models.PositiveIntegerField(default=0, db_default=0)
    host_report = models.JSONField(null=True, blank=True)
    """What the agent last did on its host (wire.host_messages.HostReport), None for nothing."""

    vault_key = models.CharField(max_length=100, blank=True)
    ca_vault_key = models.CharField(max_length=100, blank=True)
    initial_csr = models.TextField(blank=True)

    replication_seconds = models.PositiveIntegerField(null=True, blank=True)
    """Replication interval of this content server. None means the zone setting (D-34)."""
    bandwidth_kib = models.PositiveIntegerField(null=True, blank=True)
    replicates = models.BooleanField(default=True)
    """Whether content is replicated to this server. Always True for Primary Servers."""

    objects = DeviceQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "name", name="device_name_once", condition=~models.Q(state=DeviceState.RETIRED)
            )
        ]
        # Queries for servers must not read the many managed devices.
        indexes: ClassVar = [
            models.Index("name", name="device_by_name"),
            models.Index("role", "state", "name", "guid", name="device_by_role"),
            # Covers the assignment of an update to all devices, in the order of the inserted rows.
            models.Index("state", "guid", "role", name="device_to_assign"),
            models.Index("name", name="device_unknown_root", condition=~models.Q(unknown_roots="")),
            # The page Add Devices reads the newest devices every two seconds.
            models.Index("registered_at", name="device_by_registration"),
        ]
        permissions: ClassVar = [("approve_device", "Approve servers and manage registration keys")]

    def __str__(self) -> str:
        return self.name

    def get_authenticated_values(self) -> dict[str, Any]:
        """Return the values that the MAC covers: of the decisions, those that are not empty.

        So a row without decisions has the same MAC as in earlier versions, which did not cover
        them. A decision that is added or removed changes the MAC in any case (D-243).
        """
        values = super().get_authenticated_values()
        empty = [name for name in DECISION_FIELDS if not values[name]]
        return {name: value for name, value in values.items() if name not in empty}

    @property
    def is_certified(self) -> bool:
        """Return True if the device needs a server certificate."""
        return self.role in messages.CERTIFIED_ROLES

    @property
    def is_content_server(self) -> bool:
        """Return True if the content of updates is replicated to the device."""
        return self.role in messages.CONTENT_ROLES

    def has_satellites(self) -> bool:
        """Return True if Authentication Satellite Servers are registered with this server."""
        return self.satellites.filter(role=Role.AUTHENTICATION_SATELLITE).registered().exists()

    def is_online(self, now: datetime, refresh: timedelta) -> bool:
        """Return True if the last contact was within two refresh intervals and a minute."""
        limit = get_contact_limit(refresh)
        return self.last_contact is not None and now - self.last_contact < limit

    def has_copy(self, now: datetime) -> bool:
        """Return True if another host has used the identity of this device in the last day."""
        is_recent = self.copied_at is not None and now - self.copied_at < COPY_SHOWN_FOR
        return is_recent and self.copied_count >= COPY_REJECTIONS

    def get_replication_interval(self, zone: Zone) -> timedelta:
        """Return the interval at which this content server copies missing content (D-34)."""
        primary = self.role == Role.PRIMARY
        usual = zone.primary_replication_seconds if primary else zone.satellite_replication_seconds
        return timedelta(seconds=self.replication_seconds or usual)

    def get_bandwidth(self, zone: Zone) -> int:
        """Return the replication limit in bytes per second, 0 for no limit."""
        limit = zone.bandwidth_kib if self.bandwidth_kib is None else self.bandwidth_kib
        return 1024 * limit

    def get_url(self, port: int, scheme: str) -> str:
        """Return the URL of a listener of this server, or "" if the port or address is not set."""
        host = next(iter(self.addresses), "") or self.fqdn
        if not port or not host:
            return ""
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def get_server_address(self) -> messages.ServerAddress:
        """Return the name and URLs of this server for the agents."""
        return messages.ServerAddress(
            id=str(self.guid),
            name=self.name,
            fqdn=self.fqdn,
            role=self.role,
            url=self.get_url(self.port, "https") if self.is_certified else "",
            content_url=self.get_url(self.content_port, "http"),
            preflight_url=self.get_url(self.preflight_port, "https") if self.is_certified else "",
        )
