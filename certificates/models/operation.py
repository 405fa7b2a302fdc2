"""Operations: Change CA, Remint CA, and Remint Certificate."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from audit.models import AuthenticatedModel, StatefulModel, StatefulQuerySet
from certificates.models.authority import Authority
from certificates.operations.states import (
    BLOCKING,
    CANCELABLE,
    IN_PROGRESS,
    OPERATION,
    OperationState,
)
from devices.models import Device
from systemupdates.models import SystemUpdate
from wire import metadata

NEVER_FROZEN = (OperationState.PROPOSED, OperationState.BLOCKED, OperationState.CANCEL_FAILED)
ACTION_LABELS = {"force": _("Force Activation"), "roll-back": _("Roll Back")}
CA_KINDS = (metadata.REMINT_CA, metadata.CHANGE_CA)


class OperationQuerySet(StatefulQuerySet["Operation"]):
    """Queries for operations by kind and state."""

    machine = OPERATION

    def of_ca(self) -> Self:
        """Return the operations that replace the zone CA."""
        return self.filter(kind__in=CA_KINDS)

    def of_servers(self) -> Self:
        """Return the operations that replace only server certificates."""
        return self.filter(kind=metadata.REMINT_SERVER)

    def blocking(self) -> Self:
        """Return the operations that block other CA operations (D-19)."""
        return self.filter(state__in=BLOCKING)

    def in_progress(self) -> Self:
        """Return the operations that the scheduler advances."""
        return self.filter(state__in=IN_PROGRESS)


class Operation(AuthenticatedModel, StatefulModel):
    """A Change CA, Remint CA, or Remint Certificate operation, in progress or completed."""

    authenticated_fields = (
        *("guid", "kind", "state", "parameters", "requested_by", "approved_by"),
        *("requested_action", "action_requested_by", "authority", "future_authority"),
        *("signing_server", "activates_at", "immediate", "forced"),
    )

    class Kind(models.TextChoices):
        """The action that started the operation."""

        REMINT_CA = metadata.REMINT_CA, _("Remint CA")
        CHANGE_CA = metadata.CHANGE_CA, _("Change CA")
        REMINT_SERVER = metadata.REMINT_SERVER, _("Remint Certificate")

        @property
        def english_label(self) -> str:
            """The label in English, for a name that is stored (D-237)."""
            with translation.override(settings.LANGUAGE_CODE):
                return str(self.label)

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    idempotency_key = models.UUIDField(unique=True, default=uuid.uuid4)
    kind = models.CharField(max_length=24, choices=Kind.choices)
    state = models.CharField(
        max_length=24, choices=OperationState.choices, default=OperationState.PREPARING
    )
    name = models.CharField(max_length=100)
    parameters = models.JSONField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    """The second administrator, if two-administrator approval is on."""
    requested_action = models.CharField(max_length=24, blank=True, db_default="", default="")
    """The action waiting for approval by a second administrator: force or roll-back."""
    action_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    action_requested_at = models.DateTimeField(null=True)
    authority = models.ForeignKey(
        Authority, on_delete=models.PROTECT, related_name="operations", null=True
    )
    """The zone CA at the start of the operation."""
    future_authority = models.ForeignKey(
        Authority, on_delete=models.PROTECT, related_name="+", null=True
    )
    """The zone CA after activation. Unchanged for Remint Certificate."""
    signing_server = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    """The certificate server, or the initiating server if the CA is external."""
    update = models.OneToOneField(
        SystemUpdate, null=True, on_delete=models.SET_NULL, related_name="operation"
    )
    activates_at = models.DateTimeField(null=True)
    immediate = models.BooleanField(default=False)
    forced = models.BooleanField(default=False)
    postponed = models.PositiveIntegerField(default=0)
    """How often the readiness policy has postponed the activation."""
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
            ("certificate_authority", ("Change, remint, move, back up, and restore the CA"))
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def changes_ca(self) -> bool:
        """Return True if the operation replaces the zone CA."""
        return self.kind in CA_KINDS

    @property
    def is_blocking(self) -> bool:
        """Return True if the operation blocks other CA operations."""
        return self.state in BLOCKING

    @property
    def is_held_by_pilot(self) -> bool:
        """Return True while only servers and the pilot group receive the update (D-276)."""
        pilot = (self.parameters or {}).get("pilot")
        return pilot is not None and not pilot["released"]

    @property
    def awaits_ca_certificate(self) -> bool:
        """Return True if an administrator must import the certificate of a subordinate CA."""
        new = self.future_authority if self.state == OperationState.PREPARING else None
        return new is not None and new.awaits_certificate

    @property
    def can_be_forced(self) -> bool:
        """Return True if the activation is blocked or postponed and has not been forced."""
        if self.is_held_by_pilot:
            return False
        postponed = self.state == OperationState.ASSIGNED and self.postponed > 0
        return (self.state == OperationState.BLOCKED or postponed) and not self.forced

    @property
    def requested_action_label(self) -> str:
        """Return the label of the action that is waiting for approval."""
        return str(ACTION_LABELS.get(self.requested_action, ""))

    def freezes_at(self, freeze_period: timedelta) -> datetime | None:
        """Return when the freeze period begins, None if the activation time is not set yet."""
        return None if self.activates_at is None else self.activates_at - freeze_period

    def can_cancel(self, now: datetime, freeze_period: timedelta) -> bool:
        """Return True if the operation can be canceled: until the freeze period begins (D-24)."""
        if self.state not in CANCELABLE:
            return False
        if self.immediate:
            return self.state != OperationState.ASSIGNED
        if self.state in NEVER_FROZEN:
            return True
        return not self.is_frozen(now, freeze_period)

    def get_cancel_deadline(self, now: datetime, freeze_period: timedelta) -> datetime | None:
        """Return until when the operation can be canceled, or None if it cannot or has no end."""
        if self.immediate or not self.can_cancel(now, freeze_period):
            return None
        freezes_at = self.freezes_at(freeze_period)
        return freezes_at if freezes_at is not None and now < freezes_at else None

    def is_frozen(self, now: datetime, freeze_period: timedelta) -> bool:
        """Return True in the freeze period.

        It ends if the activation time passes before the update is assigned. No activation order
        has been signed then, so the operation can be canceled or rescheduled.
        """
        freezes_at = self.freezes_at(freeze_period)
        if freezes_at is None or self.activates_at is None:
            return True
        missed = now >= self.activates_at and self.state != OperationState.ASSIGNED
        return now >= freezes_at and not missed
