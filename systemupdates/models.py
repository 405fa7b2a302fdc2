"""Updates, their assignments, the replicas of their content, and signed notices."""

from __future__ import annotations

import json
import uuid
from typing import ClassVar, Self

from django.db import models

from audit.models import Moving, MovingQuerySet
from devices.models import Device
from systemupdates.updates.states import (
    ASSIGNMENT,
    REPLICA,
    SETTLED,
    UPDATE,
    AssignmentState,
    ReplicaState,
    UpdateState,
)
from wire import json_codec
from wire import metadata as wire_manifest
from wire.envelope import Envelope


class UpdateQuerySet(MovingQuerySet["SystemUpdate"]):
    """System updates."""

    machine = UPDATE

    def shown(self) -> Self:
        """Return those that nobody has deleted."""
        return self.filter(deleted_at=None)


class SystemUpdate(Moving):
    """One change on its way to devices: a signed manifest and the files it names."""

    devices: dict[str, int]
    """How many devices are in which state; only where that was counted."""

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
    assigned_by_hand = models.BooleanField(default=False)
    staged = models.BooleanField(default=False)
    """It goes to the devices in deployment stages; certificate updates never do (R077, D-37)."""
    deleted_at = models.DateTimeField(null=True)
    """It is off the pages and its tool is withdrawn; its signed notices stay (D-39)."""
    tally = models.JSONField(default=dict)
    """Its devices by state as the sweep last counted them, of a large update alone."""
    tallied_at = models.DateTimeField(null=True)

    objects = UpdateQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        permissions: ClassVar = [("deploy_update", "Assign, ignore, redeploy and baseline updates")]

    def __str__(self) -> str:
        return self.name

    def signed(self) -> Envelope:
        """Return the signed manifest as it travels."""
        return json_codec.build(Envelope, self.envelope, "envelope")

    def digests(self) -> list[str]:
        """Return the SHA-256 of every file it names."""
        return [file["sha256"] for file in self.files]


class AssignmentQuerySet(MovingQuerySet["Assignment"]):
    """Assignments of updates to devices."""

    machine = ASSIGNMENT

    def outstanding(self) -> Self:
        """Return those that still hold an operation open (D-27)."""
        gone = ("retired", "unregistered")
        return self.exclude(state__in=SETTLED).exclude(device__state__in=gone)


class Assignment(Moving):
    """One update for one device. `wave` is its place in the order of D-36."""

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
    """First verified contact after activation (B-7)."""
    redeploy = models.BooleanField(default=False)
    told = models.BooleanField(default=False)
    """The device has acknowledged that its update was cancelled."""
    rehearsal = models.JSONField(null=True)
    rehearsed_at = models.DateTimeField(null=True)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("update", "device", name="one_assignment_per_device")
        ]
        indexes: ClassVar = [
            models.Index("update", "state", "id", name="assignment_status"),
            models.Index("device", "state", name="assignment_of_device"),
        ]

    def __str__(self) -> str:
        return f"{self.update_id} for {self.device_id}"


class Sample(models.Model):
    """How many devices of an update were how far at one time: a point of its rollout chart."""

    update = models.ForeignKey(SystemUpdate, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    counts = models.JSONField()

    class Meta:
        ordering: ClassVar = ["at", "pk"]
        indexes: ClassVar = [models.Index("update", "at", name="sample_by_time")]

    def __str__(self) -> str:
        return f"{self.update_id} at {self.at:%c}"


class Stage(models.Model):
    """A deployment stage: which devices get a staged update before the next ones do (D-37)."""

    name = models.CharField(max_length=64, unique=True)
    position = models.PositiveSmallIntegerField()
    timeout_seconds = models.PositiveIntegerField()
    devices = models.ManyToManyField(Device, related_name="stages", blank=True)

    class Meta:
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return self.name


class StageRun(models.Model):
    """One stage of one staged update from its start on; the stage may be changed later."""

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


class ReplicaQuerySet(MovingQuerySet["Replica"]):
    """Copies of content on content servers."""

    machine = REPLICA

    def missing(self) -> Self:
        """Return those that automatic assignment waits for; a server that left holds up nothing."""
        there = (ReplicaState.AVAILABLE, ReplicaState.EXCLUDED, ReplicaState.WITHDRAWN)
        return self.exclude(state__in=there).filter(server__state="registered")


class Replica(Moving):
    """The content of one update on one content server."""

    update = models.ForeignKey(SystemUpdate, on_delete=models.CASCADE, related_name="replicas")
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="replicas")
    state = models.CharField(
        max_length=24, choices=ReplicaState.choices, default=ReplicaState.PENDING
    )
    progress = models.PositiveSmallIntegerField(default=0)
    reason = models.TextField(blank=True)
    tool_sha256 = models.CharField(max_length=64, blank=True)
    """SHA-256 of the Certificate Remint Tool that this server offers; "" while it offers none."""
    changed_at = models.DateTimeField(auto_now=True)

    objects = ReplicaQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("update", "server", name="one_replica_per_server")
        ]

    def __str__(self) -> str:
        return f"{self.update_id} on {self.server_id}"


class Notice(models.Model):
    """Something the zone key announced: go, cancel, activated, retire, rollback."""

    class Kind(models.TextChoices):
        """What is announced; the value is the payload type that is signed."""

        GO = wire_manifest.GO, "Go"
        CANCEL = wire_manifest.CANCEL, "Cancel"
        ACTIVATED = wire_manifest.ACTIVATED, "Activated"
        RETIRE = wire_manifest.RETIRE, "Retire"
        ROLLBACK = wire_manifest.ROLLBACK, "Roll back"

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

    def signed(self) -> Envelope:
        """Return the signed notice as it travels."""
        return json_codec.build(Envelope, self.envelope, "envelope")


def plain(envelope: Envelope) -> dict[str, str]:
    """Return an envelope as JSON for a column."""
    loaded: dict[str, str] = json.loads(json_codec.dump(envelope))
    return loaded
