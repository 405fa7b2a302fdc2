"""Upgrades of the agents of devices, which administrators start."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from audit.models import StatefulModel, StatefulQuerySet
from certificates.agent_upgrades.states import (
    TARGET,
    UNSETTLED,
    UPGRADE,
    TargetState,
    UpgradeState,
)
from devices.models import Device


class UpgradeQuerySet(StatefulQuerySet["AgentUpgrade"]):
    """Upgrades of agents."""

    machine = UPGRADE


class AgentUpgrade(StatefulModel):
    """One version of the agent for some devices: first for a pilot, then for the others.

    The file is that of the console which started the upgrade, with its signatures as an agent.
    """

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=24, choices=UpgradeState.choices)
    version = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    signature = models.CharField(max_length=200)
    second_signature = models.TextField(blank=True)
    created_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    rest_started_at = models.DateTimeField(null=True)
    """When the upgrade was offered to the devices that are not in the pilot."""
    ended_at = models.DateTimeField(null=True)
    accepts_failures = models.BooleanField(default=False)
    """Whether an administrator has resumed it after a failure in the pilot."""
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.TextField(blank=True)
    """Why it is paused or was canceled, "" otherwise."""

    objects = UpgradeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"agents {self.version}"


class AgentUpgradeTargetQuerySet(StatefulQuerySet["AgentUpgradeTarget"]):
    """The devices of upgrades."""

    machine = TARGET

    def unsettled(self) -> Self:
        """Return the devices without a result."""
        return self.filter(state__in=UNSETTLED)


class AgentUpgradeTarget(StatefulModel):
    """One device of an upgrade. `reason` says why it failed."""

    upgrade = models.ForeignKey(AgentUpgrade, on_delete=models.CASCADE, related_name="targets")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="agent_upgrades")
    state = models.CharField(max_length=24, choices=TargetState.choices)
    is_pilot = models.BooleanField(default=False)
    previous_version = models.CharField(max_length=40, blank=True)
    changed_at = models.DateTimeField()
    reason = models.TextField(blank=True)

    objects = AgentUpgradeTargetQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-is_pilot", "device__name"]
        constraints: ClassVar = [
            models.UniqueConstraint("upgrade", "device", name="one_agent_upgrade_per_device")
        ]
        indexes: ClassVar = [
            models.Index("upgrade", "state", name="agent_upgrade_status"),
            models.Index("device", "state", name="agent_upgrade_of_device"),
        ]

    def __str__(self) -> str:
        return f"{self.upgrade_id} for {self.device_id}"
