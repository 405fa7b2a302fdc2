"""Notification targets, deliveries, and delivery attempts."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audit.chain.states import StateMachine
from audit.models import StatefulModel, StatefulQuerySet


class DeliveryState(models.TextChoices):
    """The state of a notification to a target."""

    WAITING = "waiting", _("Waiting")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")


D = DeliveryState
DELIVERY = StateMachine(
    _("The notification"),
    {D.WAITING: (D.SENT, D.FAILED), D.SENT: (), D.FAILED: (D.WAITING,)},
)


class TargetQuerySet(models.QuerySet["Target"]):
    """Queries of targets."""

    def active(self) -> Self:
        """Return the targets that are not paused."""
        return self.filter(active=True)


class Target(models.Model):
    """A recipient of notifications. The URL and the secret or token are encrypted together."""

    class Kind(models.TextChoices):
        """The channel of a target."""

        MAIL = "mail", _("Email")
        WEBHOOK = "webhook", _("Webhook")
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"
        MATTERMOST = "mattermost", "Mattermost"
        NTFY = "ntfy", "ntfy"
        PAGERDUTY = "pagerduty", "PagerDuty"

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    recipients = models.TextField(blank=True)
    """Email addresses, one per line; if empty, all administrators with the CA right."""
    host = models.CharField(max_length=253, blank=True)
    """The host of a webhook or service, "" for email. The rest of its URL can contain a secret."""
    encrypted = models.TextField(blank=True)
    binding = models.UUIDField(default=uuid.uuid4, editable=False)
    events = models.JSONField(default=list)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TargetQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("manage", "Manage notifications")]

    def __str__(self) -> str:
        return self.name


class MailServer(models.Model):
    """The mail server that is set in the console: at most one row."""

    class Security(models.TextChoices):
        """How the connection is protected."""

        STARTTLS = "starttls", "STARTTLS"
        TLS = "tls", "TLS"
        NONE = "none", pgettext_lazy("security of a connection", "None")

    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    security = models.CharField(max_length=16, choices=Security.choices)
    sender = models.CharField(max_length=254)
    username = models.CharField(max_length=200, blank=True)
    encrypted = models.TextField(blank=True)
    """The password, encrypted for the Primary Servers and bound to the other values."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.host


class DeliveryQuerySet(StatefulQuerySet["Delivery"]):
    """Queries of deliveries."""

    machine = DELIVERY

    def due(self, now: datetime) -> Self:
        """Return the pending deliveries whose time has come."""
        return self.filter(state=D.WAITING, due_at__lte=now, target__active=True)


class Delivery(StatefulModel):
    """A notification to a target, first in the queue and then in the history.

    A worker postpones `due_at` before it sends, so that no other worker sends it too.
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
    """An attempt to send a notification, and the response."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    ok = models.BooleanField()
    answer = models.CharField(max_length=300)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.answer}"


class Cursor(models.Model):
    """The last audit entry that was checked for events."""

    seq = models.BigIntegerField(default=0)
    mail_offered = models.BooleanField(default=False)
    expiry_notified_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.seq)
