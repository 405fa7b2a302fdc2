"""The events that targets can subscribe to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EXPIRING = "certificate.expiring"
REVOKED = "certificate.revoked"
STARTED = "operation.started"
APPROVAL_NEEDED = "operation.confirmation-needed"
REQUEST_DECIDED = "operation.confirmation-decided"
BLOCKED = "operation.blocked"
FAILED = "operation.failed"
ACTIVATED = "operation.activated"
COMPLETED = "operation.completed"
CANCELED = "operation.cancelled"
DEVICE_FAILED = "device.failed"
DEVICE_DECISION = "device.decision-needed"
UNKNOWN_ROOT = "device.unknown-root"
HOOK_FAILED = "device.hook-failed"
STACK_REJECTED = "device.tls-library-rejected"
LOGIN_FAILURES = "login.failures"
AUDIT_LOG = "audit.entries-missing"
ALTERED_ROW = "database.row-altered"
BACKUP_FAILED = "backup.failed"
TEST = "test"
# In the order in which they are shown.
EVENTS: dict[str, str | Promise] = {
    EXPIRING: _("Certificate expired or expiring within 90 days (daily)"),
    REVOKED: _("Certificate of a server revoked by an administrator"),
    APPROVAL_NEEDED: _("CA operation waiting for approval by a second administrator"),
    REQUEST_DECIDED: _("Request approved, rejected, or expired, and backup ready to download"),
    STARTED: _("Operation started"),
    BLOCKED: _("Operation blocked"),
    FAILED: _("Operation or cancellation failed"),
    ACTIVATED: _("New certificates activated"),
    COMPLETED: _("Operation complete"),
    CANCELED: _("Operation canceled or rolled back"),
    DEVICE_FAILED: _("Update failed on a server or device"),
    DEVICE_DECISION: _(
        "Device re-registered or copied, or server with changed names, waiting for a decision"
    ),
    UNKNOWN_ROOT: _("Device trusts a root certificate that this zone never issued"),
    HOOK_FAILED: _("Hook failed on a device"),
    STACK_REJECTED: _("TLS library of a device rejects the new certificate"),
    AUDIT_LOG: _("Audit entries missing or replaced, or such a loss accepted"),
    ALTERED_ROW: _("Record of a device, CA, or administrator changed in the database"),
    BACKUP_FAILED: _("Backup of the zone failed, or cannot be restored"),
    LOGIN_FAILURES: _("Many failed logins or incorrect codes for an administrator"),
}
# Default events of a new target: those that need attention.
DEFAULT_EVENTS = (
    EXPIRING,
    REVOKED,
    APPROVAL_NEEDED,
    REQUEST_DECIDED,
    BLOCKED,
    FAILED,
    COMPLETED,
    DEVICE_FAILED,
    DEVICE_DECISION,
    UNKNOWN_ROOT,
    HOOK_FAILED,
    STACK_REJECTED,
    AUDIT_LOG,
    ALTERED_ROW,
    BACKUP_FAILED,
    LOGIN_FAILURES,
)


@dataclass(frozen=True)
class Event:
    """An event. Events with the same `key` are sent to a target only once."""

    kind: str
    key: str
    title: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
