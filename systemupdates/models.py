"""Updates, their assignments, stages, content replicas, and signed trust notices."""

from __future__ import annotations

import json
import uuid
from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import StatefulModel, StatefulQuerySet
from devices.models import Device
from devices.registration.states import LEFT, DeviceState
from systemupdates.updates.states import (
    ASSIGNMENT,
    MISSING,
    REPLICA,
    SETTLED,
    UPDATE,
    AssignmentState,
    ReplicaState,
    UpdateState,
)
from wire import json_codec
from wire import metadata as wire_metadata
from wire.envelope import Envelope


class UpdateQuerySet(StatefulQuerySet["SystemUpdate"]):
    """System updates."""

    machine = UPDATE

    def visible(self) -> Self:
        """Return the updates that have not been deleted."""
        return self.filter(deleted_at=None)


class SystemUpdate(StatefulModel):
    """A change of certificates or trust: a signed manifest and the files that it lists."""

    devices: dict[str, int]
    """Number of devices by state. Set only where the API counts them."""

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=24)
    state = models.CharField(
        max_length=24, choices=UpdateState.choices, default=UpdateState.CREATED
    )
    revision = models.PositiveIntegerField(default=1)
    envelope = models.JSONField(null=True)
    files = models.JSONField(default=list)
    activates_at = models.DateTimeField(null=True)
    initiating_server = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    assigned_at = models.DateTimeField(null=True)
    assigned_manually = models.BooleanField(default=False)
    staged = models.BooleanField(default=False)
    """Whether it is assigned in deployment stages. Always False for certificate updates (D-37)."""
    deleted_at = models.DateTimeField(null=True)
    """When it was removed from the console. Its signed trust notices are kept (D-39)."""
    counts = models.JSONField(default=dict)
    """Number of devices by state at `counted_at`. Stored only for large updates."""
    counted_at = models.DateTimeField(null=True)

    objects = UpdateQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        permissions: ClassVar = [("deploy_update", "Assign, ignore, redeploy and baseline updates")]

    def __str__(self) -> str:
        return self.name

    def get_envelope(self) -> Envelope:
        """Return the signed manifest in its envelope."""
        return json_codec.build(Envelope, self.envelope, "envelope")

    def digests(self) -> list[str]:
        """Return the SHA-256 of every file of the update."""
        return [file["sha256"] for file in self.files]


class AssignmentQuerySet(StatefulQuerySet["Assignment"]):
    """Assignments of updates to devices."""

    machine = ASSIGNMENT

    def outstanding(self) -> Self:
        """Return the assignments that keep an operation open.

        See: D-27
        """
        return self.exclude(state__in=SETTLED).exclude(device__state__in=LEFT)


class Assignment(StatefulModel):
    """One update for one device. Devices of a lower `wave` receive the update first (D-36)."""

    update = models.ForeignKey(SystemUpdate, on_delete=models.CASCADE, related_name="assignments")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="assignments")
    state = models.CharField(
        max_length=24, choices=AssignmentState.choices, default=AssignmentState.PENDING
    )
    wave = models.PositiveSmallIntegerField(default=2)
    step = models.CharField(max_length=32, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)
    action = models.TextField(blank=True)
    changed_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    activated_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    """First verified contact after the activation."""
    redeploy = models.BooleanField(default=False)
    cancellation_acknowledged = models.BooleanField(default=False)
    """Whether the device has reported that it canceled the update."""
    preflight_results = models.JSONField(null=True)
    preflight_at = models.DateTimeField(null=True)
    stack_results = models.JSONField(null=True)
    """Results of the TLS stacks of the device (wire.update_messages.StackResult)."""
    is_pilot = models.BooleanField(default=False, db_default=False)
    """Whether the device receives the update before most others, and its result decides (D-276)."""

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("update", "device", name="one_assignment_per_device")
        ]
        indexes: ClassVar = [
            models.Index("update", "state", "id", name="assignment_status"),
            models.Index("device", "state", name="assignment_of_device"),
            models.Index("update", condition=models.Q(is_pilot=True), name="assignment_pilot"),
        ]

    def __str__(self) -> str:
        return f"{self.update_id} for {self.device_id}"


class RolloutSample(models.Model):
    """Numbers of devices of an update at one time: a point of its rollout chart."""

    update = models.ForeignKey(SystemUpdate, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    counts = models.JSONField()

    class Meta:
        ordering: ClassVar = ["at", "pk"]
        indexes: ClassVar = [models.Index("update", "at", name="sample_by_time")]

    def __str__(self) -> str:
        return f"{self.update_id} at {self.at:%c}"


class Stage(models.Model):
    """A deployment stage: devices that receive a staged update before the next stage does.

    See: D-37
    """

    name = models.CharField(max_length=64, unique=True)
    position = models.PositiveSmallIntegerField()
    timeout_seconds = models.PositiveIntegerField()
    devices = models.ManyToManyField(Device, related_name="stages", blank=True)

    class Meta:
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return self.name


class StageRun(models.Model):
    """A copy of a stage for one staged update, so that the stage can be changed later."""

    update = models.ForeignKey(SystemUpdate, on_delete=models.CASCADE, related_name="stage_runs")
    wave = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=64)
    timeout_seconds = models.PositiveIntegerField()
    started_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["wave"]
        constraints: ClassVar = [
            models.UniqueConstraint("update", "wave", name="one_run_per_stage")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.update_id}"


class ReplicaQuerySet(StatefulQuerySet["Replica"]):
    """Replicas of content on content servers."""

    machine = REPLICA

    def missing(self) -> Self:
        """Return the replicas on registered servers that delay the automatic assignment."""
        return self.filter(state__in=MISSING, server__state=DeviceState.REGISTERED)


class Replica(StatefulModel):
    """The content of one update on one content server."""

    update = models.ForeignKey(SystemUpdate, on_delete=models.CASCADE, related_name="replicas")
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="replicas")
    state = models.CharField(
        max_length=24, choices=ReplicaState.choices, default=ReplicaState.PENDING
    )
    progress = models.PositiveSmallIntegerField(default=0)
    reason = models.TextField(blank=True)
    tool_sha256 = models.CharField(max_length=64, blank=True)
    """SHA-256 of the Certificate Remint Tool on this server, "" if it does not offer the tool."""
    changed_at = models.DateTimeField(auto_now=True)

    objects = ReplicaQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("update", "server", name="one_replica_per_server")
        ]

    def __str__(self) -> str:
        return f"{self.update_id} on {self.server_id}"


class TrustNotice(models.Model):
    """A document that informs devices about a change of trust, signed with the zone key."""

    class Kind(models.TextChoices):
        """The kinds of trust notices. The value is the signed payload type."""

        ACTIVATION_ORDER = wire_metadata.ACTIVATION_ORDER, _("Activation order")
        CANCELLATION = wire_metadata.CANCELLATION, _("Cancellation")
        ACTIVATED = wire_metadata.ACTIVATION_NOTICE, _("Activation")
        RETIREMENT = wire_metadata.RETIREMENT, _("Root retirement")
        ROLLBACK = wire_metadata.ROLLBACK, _("Rollback")

    kind = models.CharField(max_length=64, choices=Kind.choices)
    update = models.ForeignKey(
        SystemUpdate, null=True, on_delete=models.CASCADE, related_name="notices"
    )
    revision = models.PositiveIntegerField(default=1)
    envelope = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("update", "kind", "revision", name="one_notice_per_revision")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.update_id}"

    def get_envelope(self) -> Envelope:
        """Return the signed trust notice in its envelope."""
        return json_codec.build(Envelope, self.envelope, "envelope")


def serialize_envelope(envelope: Envelope) -> dict[str, str]:
    """Return an envelope as plain JSON for a JSONField."""
    loaded: dict[str, str] = json.loads(json_codec.dump(envelope))
    return loaded
