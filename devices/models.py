"""The zone with its settings, its devices, their registration keys and the zone's sealed keys."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _

from audit.models import Moving, MovingQuerySet
from devices.registration.states import DEVICE, DeviceState
from faults import NotFound
from wire import messages

DAY = 86_400


def _seconds(default: int, least: int, most: int) -> models.PositiveIntegerField[int, int]:
    limits = [MinValueValidator(least), MaxValueValidator(most)]
    return models.PositiveIntegerField(default=default, validators=limits)


class ZoneQuerySet(models.QuerySet["Zone"]):
    """There is one zone in a database."""

    def the(self) -> Zone:
        """Return the zone; raises NotFound where none was created yet."""
        zone = self.first()
        if zone is None:
            raise NotFound(_("There is no zone yet."), action=_("Run manage.py create_zone."))
        return zone

    def lock(self) -> Zone:
        """Return the zone with its row locked: acts that exclude each other queue here."""
        return self.select_for_update().get()


class Zone(models.Model):
    """The zone and its settings (D-48); all durations are in seconds."""

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
    """What a content server may fetch in a second while it replicates, in KiB; 0 is no limit."""
    stage_timeout_seconds = _seconds(3 * DAY, 60, 90 * DAY)
    grace_seconds = _seconds(30 * DAY, 1, 3650 * DAY)
    lead_seconds = _seconds(900, 1, 30 * DAY)
    lockout_seconds = _seconds(600, 1, DAY)
    server_certificate_days = _seconds(365, 1, 3650)
    renewal_days = _seconds(30, 1, 365)
    renews_by_itself = models.BooleanField(default=True)
    ready_servers = models.BooleanField(default=False)
    """Every Primary Server must have applied the update before an activation (B-3)."""
    ready_percent = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(100)])
    """So many of the devices seen in `ready_days` must have rehearsed; 0 asks for none (B-3)."""
    ready_days = _seconds(30, 1, 365)
    time_zone = models.CharField(max_length=64, default="UTC")

    objects = ZoneQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def refresh(self) -> timedelta:
        return timedelta(seconds=self.refresh_seconds)

    @property
    def lead(self) -> timedelta:
        return timedelta(seconds=self.lead_seconds)

    @property
    def lockout(self) -> timedelta:
        return timedelta(seconds=self.lockout_seconds)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_seconds)


class Role(models.TextChoices):
    """What a device is in the zone."""

    PRIMARY = messages.PRIMARY, "Primary Server"
    AUTHENTICATION_SATELLITE = messages.AUTHENTICATION_SATELLITE, "Authentication Satellite Server"
    CONTENT_SATELLITE = messages.CONTENT_SATELLITE, "Content Satellite Server"
    MANAGED = messages.MANAGED, "Managed device"


class DeviceQuerySet(MovingQuerySet["Device"]):
    """Devices by what they are."""

    machine = DEVICE

    def registered(self) -> Self:
        """Return those that belong to the zone now."""
        return self.filter(state=DeviceState.REGISTERED)

    def primaries(self) -> Self:
        """Return the zone's Primary Servers."""
        return self.registered().filter(role=Role.PRIMARY)

    def certified(self) -> Self:
        """Return the servers that hold a certificate of the zone (R016)."""
        return self.registered().filter(role__in=messages.CERTIFIED_ROLES)

    def content_servers(self) -> Self:
        """Return the servers that hold content of updates (R047)."""
        return self.registered().filter(role__in=messages.CONTENT_ROLES)


class Device(Moving):
    """A Primary Server, satellite or managed device; `counter` is the last one it signed with."""

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
    rehearsal_port = models.PositiveIntegerField(default=0)
    os = models.CharField(max_length=100, blank=True)
    version = models.CharField(max_length=40, blank=True)
    features = models.JSONField(default=list, blank=True)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="satellites"
    )

    credential_epoch = models.PositiveIntegerField(default=1)
    counter = models.BigIntegerField(default=0)
    registered_at = models.DateTimeField(null=True, blank=True)
    last_contact = models.DateTimeField(null=True, blank=True, db_index=True)
    errands = models.BooleanField(default=False)
    """Something waits for this device beyond what every device gets (assignment, notice)."""

    wake = models.BooleanField(default=False)
    """A Primary Server whose worker shall wake its agent: it need not wait for its refresh."""

    generation = models.CharField(max_length=80, blank=True)
    root_sha256 = models.CharField(max_length=64, blank=True)
    anchored_sha256 = models.CharField(max_length=64, blank=True)
    trusted_sha256 = models.JSONField(default=list, blank=True)
    skew = models.FloatField(default=0)
    contacts = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)

    vault_key = models.CharField(max_length=100, blank=True)
    ca_vault_key = models.CharField(max_length=100, blank=True)
    first_csr = models.TextField(blank=True)

    replication_seconds = models.PositiveIntegerField(null=True, blank=True)
    """How often this content server replicates; None follows the zone (D-34)."""
    bandwidth_kib = models.PositiveIntegerField(null=True, blank=True)
    replicates = models.BooleanField(default=True)
    """A Content Satellite that is left out holds no content; Primary Servers never are."""

    objects = DeviceQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "name", name="device_name_once", condition=~models.Q(state=DeviceState.RETIRED)
            )
        ]
        # Servers are few among many devices: what speaks of them alone does not read the others.
        indexes: ClassVar = [
            models.Index("name", name="device_by_name"),
            models.Index("role", "state", "name", "guid", name="device_by_role"),
            # An assignment reads all it needs of every device from here, in the order it writes.
            models.Index("state", "guid", "role", name="device_to_assign"),
        ]
        permissions: ClassVar = [("approve_device", "Let servers into the zone")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_certified(self) -> bool:
        """Tell whether it holds a server certificate of the zone."""
        return self.role in messages.CERTIFIED_ROLES

    @property
    def holds_content(self) -> bool:
        """Tell whether content of updates is replicated to it."""
        return self.role in messages.CONTENT_ROLES

    def has_satellites(self) -> bool:
        """Tell whether Authentication Satellites belong to it."""
        return self.satellites.filter(role=Role.AUTHENTICATION_SATELLITE).registered().exists()

    def is_live(self, now: datetime, refresh: timedelta) -> bool:
        """Tell whether it was heard within two refresh intervals and a minute."""
        silence = 2 * refresh + timedelta(minutes=1)
        return self.last_contact is not None and now - self.last_contact < silence

    def replication_interval(self, zone: Zone) -> timedelta:
        """Return how often this content server copies what it lacks (D-34)."""
        primary = self.role == Role.PRIMARY
        usual = zone.primary_replication_seconds if primary else zone.satellite_replication_seconds
        return timedelta(seconds=self.replication_seconds or usual)

    def bandwidth(self, zone: Zone) -> int:
        """Return how many bytes this content server may fetch in a second; 0 is no limit."""
        own = self.bandwidth_kib
        return 1024 * (zone.bandwidth_kib if own is None else own)

    def address(self, port: int, scheme: str) -> str:
        """Return the URL of one of its listeners, by address, as devices register; "" for none."""
        host = next(iter(self.addresses), "") or self.fqdn
        if not port or not host:
            return ""
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def server_address(self) -> messages.ServerAddress:
        """Return where agents find this server."""
        return messages.ServerAddress(
            id=str(self.guid),
            name=self.name,
            fqdn=self.fqdn,
            role=self.role,
            url=self.address(self.port, "https") if self.is_certified else "",
            content_url=self.address(self.content_port, "http"),
            rehearsal_url=self.address(self.rehearsal_port, "https") if self.is_certified else "",
        )


class RegistrationKeyQuerySet(models.QuerySet["RegistrationKey"]):
    """Keys that open the zone to new devices."""

    def usable(self, now: datetime) -> Self:
        """Return those not revoked, not expired and not used up."""
        return self.filter(revoked_at=None, uses_left__gt=0).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class RegistrationKey(models.Model):
    """A registration key; only the SHA-256 of its secret is kept (S-50)."""

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
    """The zone key or zone master, sealed to one Primary Server's vault key."""

    class Kind(models.TextChoices):
        """Which of the two secrets every Primary Server holds."""

        SIGNING = "signing", "Zone key"
        MASTER = "master", "Zone master"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="zone_keys")
    blob = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("kind", "server", name="zone_key_once_per_server")
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.server}"
