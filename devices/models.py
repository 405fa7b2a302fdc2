"""The zone and its settings, its devices, registration keys, and the encrypted zone keys."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _

from audit.models import StatefulModel, StatefulQuerySet
from devices.registration.states import DEVICE, DeviceState
from faults import NotFound
from wire import messages

DAY = 86_400


def _seconds(default: int, least: int, most: int) -> models.PositiveIntegerField[int, int]:
    limits = [MinValueValidator(least), MaxValueValidator(most)]
    return models.PositiveIntegerField(default=default, validators=limits)


class ZoneQuerySet(models.QuerySet["Zone"]):
    """Access to the one zone of a database."""

    def get_zone(self) -> Zone:
        """Return the zone. Raise NotFound if it has not been created."""
        zone = self.first()
        if zone is None:
            missing = _("No zone has been created yet.")
            raise NotFound(missing, action=_("To create the zone, run manage.py create_zone."))
        return zone

    def lock(self) -> Zone:
        """Lock and return the zone, so that only one such action runs at a time."""
        return self.select_for_update().get()


class Zone(models.Model):
    """The zone and its settings (D-48). All durations are in seconds."""

    guid = models.UUIDField(default=uuid.uuid4, unique=True)
    name = models.CharField(max_length=64)
    public_key = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    epoch = models.PositiveIntegerField(default=0)
    revision = models.PositiveBigIntegerField(default=1)

    refresh_seconds = _seconds(12 * 3600, 1, 7 * DAY)
    primary_replication_seconds = _seconds(3600, 1, 7 * DAY)
    satellite_replication_seconds = _seconds(300, 1, 7 * DAY)
    bandwidth_kib = _seconds(0, 0, 10 * 1024 * 1024)
    """Replication limit of each content server in KiB per second. 0 means no limit."""
    stage_timeout_seconds = _seconds(3 * DAY, 60, 90 * DAY)
    grace_seconds = _seconds(30 * DAY, 1, 3650 * DAY)
    lead_time_seconds = _seconds(900, 1, 30 * DAY)
    freeze_seconds = _seconds(600, 1, DAY)
    server_certificate_days = _seconds(365, 1, 3650)
    renewal_days = _seconds(30, 1, 365)
    automatic_renewal = models.BooleanField(default=True)
    ready_servers = models.BooleanField(default=False)
    """Whether every Primary Server must have applied the update before a CA is activated."""
    ready_percent = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(100)])
    """Share of devices seen within `ready_days` that must pass the preflight check. 0 is off."""
    ready_days = _seconds(30, 1, 365)
    time_zone = models.CharField(max_length=64, default="UTC")

    objects = ZoneQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def refresh(self) -> timedelta:
        """Return the refresh interval."""
        return timedelta(seconds=self.refresh_seconds)

    @property
    def lead_time(self) -> timedelta:
        """Return the minimum time between the start of an operation and its activation."""
        return timedelta(seconds=self.lead_time_seconds)

    @property
    def freeze_period(self) -> timedelta:
        """Return how long before its activation an operation can no longer be canceled."""
        return timedelta(seconds=self.freeze_seconds)

    @property
    def grace(self) -> timedelta:
        """Return the grace period of an old root."""
        return timedelta(seconds=self.grace_seconds)


class Role(models.TextChoices):
    """The role of a device in the zone."""

    PRIMARY = messages.PRIMARY, "Primary Server"
    AUTHENTICATION_SATELLITE = messages.AUTHENTICATION_SATELLITE, "Authentication Satellite Server"
    CONTENT_SATELLITE = messages.CONTENT_SATELLITE, "Content Satellite Server"
    MANAGED = messages.MANAGED, "Managed device"


class DeviceQuerySet(StatefulQuerySet["Device"]):
    """Devices by state and role."""

    machine = DEVICE

    def registered(self) -> Self:
        """Return the devices that belong to the zone."""
        return self.filter(state=DeviceState.REGISTERED)

    def primaries(self) -> Self:
        """Return the registered Primary Servers."""
        return self.registered().filter(role=Role.PRIMARY)

    def certified(self) -> Self:
        """Return the registered servers that need a server certificate."""
        return self.registered().filter(role__in=messages.CERTIFIED_ROLES)

    def content_servers(self) -> Self:
        """Return the registered servers to which the content of updates is replicated."""
        return self.registered().filter(role__in=messages.CONTENT_ROLES)


class Device(StatefulModel):
    """A Primary Server, satellite, or managed device."""

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
    clock_skew_seconds = models.FloatField(default=0)
    failed_contacts = models.BigIntegerField(default=0)
    """Number of connections on which the device could not verify a server."""

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
        ]
        permissions: ClassVar = [("approve_device", "Approve servers and manage registration keys")]

    def __str__(self) -> str:
        return self.name

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
        limit = 2 * refresh + timedelta(minutes=1)
        return self.last_contact is not None and now - self.last_contact < limit

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


class RegistrationKeyQuerySet(models.QuerySet["RegistrationKey"]):
    """Registration keys."""

    def usable(self, now: datetime) -> Self:
        """Return the keys that are not revoked, expired, or used up."""
        return self.filter(revoked_at=None, uses_left__gt=0).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class RegistrationKey(models.Model):
    """A registration key. Only the SHA-256 of its secret is stored."""

    label = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=32, choices=Role.choices, default=Role.MANAGED)
    approves = models.BooleanField(default=False)
    uses = models.PositiveIntegerField(default=1)
    uses_left = models.PositiveIntegerField(default=1)
    created_by = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RegistrationKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return self.label


class ZoneKey(models.Model):
    """The zone key or the zone master key, encrypted for one Primary Server."""

    class Kind(models.TextChoices):
        """The two secrets of the zone."""

        SIGNING = "signing", "Zone key"
        MASTER = "master", "Zone master key"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="zone_keys")
    blob = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("kind", "server", name="zone_key_once_per_server")
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.server}"
