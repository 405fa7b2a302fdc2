"""Targets of notifications, what is sent to them, and each attempt."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from audit.chain.states import Machine
from audit.models import Moving, MovingQuerySet


class DeliveryState(models.TextChoices):
    """How one notification to one target stands."""

    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    GIVEN_UP = "given-up", "Given up"


D = DeliveryState
DELIVERY = Machine(
    "The notification",
    {D.WAITING: (D.SENT, D.GIVEN_UP), D.SENT: (), D.GIVEN_UP: (D.WAITING,)},
)


class TargetQuerySet(models.QuerySet["Target"]):
    """Targets by what they want."""

    def active(self) -> Self:
        """Return those that are not paused."""
        return self.filter(active=True)


class Target(models.Model):
    """Where notifications go. URL and secret of a webhook are sealed together (S-30)."""

    class Kind(models.TextChoices):
        """How it is reached."""

        MAIL = "mail", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    recipients = models.TextField(blank=True)
    """Addresses of mail, one a line; none: every administrator who may act on the CA."""
    host = models.CharField(max_length=253, blank=True)
    """The host of a webhook, to be shown: the rest of its URL may be a secret."""
    sealed = models.TextField(blank=True)
    binding = models.UUIDField(default=uuid.uuid4, editable=False)
    events = models.JSONField(default=list)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TargetQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("manage", "Decide who is notified of what")]

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(MovingQuerySet["Delivery"]):
    """Deliveries by what they still need."""

    machine = DELIVERY

    def due(self, now: datetime) -> Self:
        """Return those that should be sent now."""
        return self.filter(state=D.WAITING, due_at__lte=now, target__active=True)


class Delivery(Moving):
    """One notification to one target: a row of the queue, and later of the history.

    Whoever sends it moves `due_at` ahead first, so that no two workers send it at once.
    """

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=24, choices=DeliveryState.choices, default=D.WAITING)
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=48)
    key = models.CharField(max_length=120)
    title = models.CharField(max_length=250)
    text = models.TextField()
    facts = models.JSONField(default=dict)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("target", "key", name="delivery_once_per_target")
        ]
        indexes: ClassVar = [models.Index(fields=["state", "due_at"], name="delivery_due")]

    def __str__(self) -> str:
        return self.title


class Attempt(models.Model):
    """One try to send, and what came back."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    ok = models.BooleanField()
    answer = models.CharField(max_length=300)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.answer}"


class Cursor(models.Model):
    """Up to which line of the ledger was looked for what has to be told."""

    seq = models.BigIntegerField(default=0)
    mail_offered = models.BooleanField(default=False)
    expiry_told_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.seq)
