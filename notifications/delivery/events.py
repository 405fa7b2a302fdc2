"""What can be told, as data (B-25)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EXPIRY = "certificate.expiring"
STARTED = "operation.started"
WAITS = "operation.confirmation-needed"
BLOCKED = "operation.blocked"
FAILED = "operation.failed"
ACTIVATED = "operation.activated"
COMPLETED = "operation.completed"
CANCELLED = "operation.cancelled"
DEVICE_FAILED = "device.failed"
TEST = "test"
# What a target can ask for, in the order in which it is shown.
EVENTS: dict[str, str | Promise] = {
    EXPIRY: _("A certificate expires within 90 days, or has expired (once a day)"),
    WAITS: _("An act on the CA waits for a second administrator"),
    STARTED: _("An operation has started"),
    BLOCKED: _("An operation is blocked"),
    FAILED: _("An operation, or its cancel, failed"),
    ACTIVATED: _("New certificates became active"),
    COMPLETED: _("An operation is completed"),
    CANCELLED: _("An operation was cancelled or rolled back"),
    DEVICE_FAILED: _("A server or device failed in an update"),
}
# What a new target asks for at first: what somebody has to do something about.
USUAL = (EXPIRY, WAITS, BLOCKED, FAILED, COMPLETED, DEVICE_FAILED)


@dataclass(frozen=True)
class Event:
    """One thing that happened. `key` makes it one, however often it is looked at."""

    kind: str
    key: str
    title: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
