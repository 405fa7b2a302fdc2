"""An operation: a Change CA, Remint CA or Remint Certificate in progress, or its memory."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from audit.models import Moving, MovingQuerySet
from certificates.models.authority import Authority
from certificates.operations.states import BLOCKING, CANCELLABLE, MOVING, OPERATION, OperationState
from devices.models import Device
from systemupdates.models import SystemUpdate
from wire import metadata

NEVER_LOCKED = (OperationState.PROPOSED, OperationState.BLOCKED, OperationState.CANCEL_FAILED)
CA_KINDS = (metadata.REMINT_CA, metadata.CHANGE_CA)


class OperationQuerySet(MovingQuerySet["Operation"]):
    """Operations by what they still do."""

    machine = OPERATION

    def of_ca(self) -> Self:
        """Return those that replace the zone CA."""
        return self.filter(kind__in=CA_KINDS)

    def of_servers(self) -> Self:
        """Return those that replace server certificates alone."""
        return self.filter(kind=metadata.REMINT_SERVER)

    def blocking(self) -> Self:
        """Return those that take the buttons of the page (D-19)."""
        return self.filter(state__in=BLOCKING)

    def moving(self) -> Self:
        """Return those that time or a report may move on."""
        return self.filter(state__in=MOVING)


class Operation(Moving):
    """A Change CA, Remint CA or Remint Certificate in progress, or its memory."""

    class Kind(models.TextChoices):
        """The button that started it."""

        REMINT_CA = metadata.REMINT_CA, "Remint CA"
        CHANGE_CA = metadata.CHANGE_CA, "Change CA"
        REMINT_SERVER = metadata.REMINT_SERVER, "Remint Certificate"

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    idempotency_key = models.UUIDField(unique=True, default=uuid.uuid4)
    kind = models.CharField(max_length=24, choices=Kind.choices)
    state = models.CharField(
        max_length=24, choices=OperationState.choices, default=OperationState.PREPARING
    )
    name = models.CharField(max_length=100)
    order = models.JSONField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    """The second administrator, where two are needed (B-29)."""
    asked_act = models.CharField(max_length=24, blank=True, db_default="", default="")
    """What was asked for and waits for a second administrator: Force or Roll back (B-29)."""
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(null=True)
    authority = models.ForeignKey(
        Authority, on_delete=models.PROTECT, related_name="operations", null=True
    )
    """The zone CA when it started."""
    future_authority = models.ForeignKey(
        Authority, on_delete=models.PROTECT, related_name="+", null=True
    )
    """The zone CA after activation; the same one for a server remint."""
    signing_server = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    """The certificate server, or the initiating one where no CA key is at hand (R076)."""
    update = models.OneToOneField(
        SystemUpdate, null=True, on_delete=models.SET_NULL, related_name="operation"
    )
    activates_at = models.DateTimeField(null=True)
    immediate = models.BooleanField(default=False)
    forced = models.BooleanField(default=False)
    postponed = models.PositiveIntegerField(default=0)
    """How often the readiness policy has put the activation off (B-3)."""
    reason = models.TextField(blank=True)
    action = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(kind__in=CA_KINDS, state__in=BLOCKING),
                name="one_ca_operation",
            )
        ]
        permissions: ClassVar = [
            ("certificate_authority", "Change, remint, move, back up and restore the CA")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def changes_ca(self) -> bool:
        """Tell whether the zone CA is replaced."""
        return self.kind in CA_KINDS

    @property
    def is_blocking(self) -> bool:
        """Tell whether it takes the buttons of the page."""
        return self.state in BLOCKING

    @property
    def is_held(self) -> bool:
        """Tell whether something holds the activation back that an administrator may force."""
        postponed = self.state == OperationState.ASSIGNED and self.postponed > 0
        return (self.state == OperationState.BLOCKED or postponed) and not self.forced

    @property
    def asked_label(self) -> str:
        """Return what waits for a second administrator, in the words of its button."""
        return {"force": "Force activation", "roll-back": "Roll back"}.get(self.asked_act, "")

    def locks_at(self, lockout: timedelta) -> datetime | None:
        """Return when Cancel ends and the go is given; None while Immediate is not assigned."""
        return None if self.activates_at is None else self.activates_at - lockout

    def may_cancel(self, now: datetime, lockout: timedelta) -> bool:
        """Tell whether Cancel works: it ends ten minutes before activation (R095, D-24)."""
        if self.state not in CANCELLABLE:
            return False
        if self.immediate:
            return self.state != OperationState.ASSIGNED
        if self.state in NEVER_LOCKED:
            return True
        return not self.is_locked(now, lockout)

    def is_locked(self, now: datetime, lockout: timedelta) -> bool:
        """Tell whether the lock-out holds it; it ends where the time went by unprepared.

        Without an assignment there is no go, so what missed its time can be given up or a new one.
        """
        locks_at = self.locks_at(lockout)
        if locks_at is None or self.activates_at is None:
            return True
        missed = now >= self.activates_at and self.state != OperationState.ASSIGNED
        return now >= locks_at and not missed
