"""The states of an update, of its assignment to a device, and of its content on a server.

See: manual 1.3; D-33; D-34
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.chain.states import StateMachine


class UpdateState(models.TextChoices):
    """The state of a system update."""

    CREATED = "created", _("Created")
    REPLICATING = "replicating", _("Replicating")
    REPLICATED = "replicated", _("Replicated")
    ASSIGNED = "assigned", _("Assigned")
    IN_PROGRESS = "in-progress", _("In Progress")
    COMPLETED = "completed", _("Completed")
    BASELINED = "baselined", _("Baselined")
    CANCELED = "canceled", _("Canceled")
    ERROR = "error", _("Error")


U = UpdateState
UPDATE = StateMachine(
    _("The system update"),
    {
        U.CREATED: (U.REPLICATING, U.CANCELED, U.ERROR),
        U.REPLICATING: (U.REPLICATED, U.ASSIGNED, U.CANCELED, U.ERROR),
        U.REPLICATED: (U.ASSIGNED, U.CANCELED, U.ERROR),
        U.ASSIGNED: (U.IN_PROGRESS, U.COMPLETED, U.CANCELED, U.ERROR),
        U.IN_PROGRESS: (U.COMPLETED, U.CANCELED, U.ERROR),
        # A rollback cancels an update that is already complete.
        U.COMPLETED: (U.BASELINED, U.IN_PROGRESS, U.CANCELED),
        U.ERROR: (U.REPLICATING, U.ASSIGNED, U.CANCELED),
        U.BASELINED: (),
        U.CANCELED: (),
    },
)
# States in which an update is no longer offered to devices.
UPDATE_CLOSED = (U.CANCELED, U.BASELINED)


class AssignmentState(models.TextChoices):
    """The state of one update on one device."""

    PENDING = "pending", _("Pending")
    ASSIGNED = "assigned", _("Update Assigned")
    DOWNLOADING = "downloading", _("Downloading")
    APPLYING = "applying", _("Applying")
    APPLIED = "applied", _("Update Applied")
    ACTIVATING = "activating", _("Activating")
    ACTIVATED = "activated", _("Activated")
    FAILED = "failed", _("Failed")
    IGNORED = "ignored", _("Ignored")
    CANCELED = "canceled", _("Canceled")
    NEEDS_CRT = "needs-crt", _("Needs CRT")


A = AssignmentState
_STEPS = (A.ASSIGNED, A.DOWNLOADING, A.APPLYING, A.APPLIED, A.ACTIVATING, A.ACTIVATED)
_ENDED = (A.IGNORED, A.CANCELED, A.FAILED, A.NEEDS_CRT)
ASSIGNMENT = StateMachine(
    _("The assignment"),
    {
        # A device that recovered with a trust notice reports before the update was offered to it.
        A.PENDING: (*_STEPS, *_ENDED),
        A.ASSIGNED: (*_STEPS[1:], *_ENDED),
        A.DOWNLOADING: (*_STEPS[2:], *_ENDED),
        A.APPLYING: (*_STEPS[3:], *_ENDED),
        A.APPLIED: (A.APPLYING, *_STEPS[4:], *_ENDED),
        A.ACTIVATING: (A.ACTIVATED, A.APPLIED, *_ENDED),
        A.FAILED: (*_STEPS, A.IGNORED, A.CANCELED, A.NEEDS_CRT),
        A.NEEDS_CRT: (A.ASSIGNED, *_STEPS[2:], A.IGNORED, A.CANCELED),
        A.IGNORED: (A.ASSIGNED, A.CANCELED),
        A.ACTIVATED: (A.CANCELED, A.ASSIGNED),
        A.CANCELED: (),
    },
)
# States in which a device no longer keeps an operation open (D-27).
SETTLED = (A.ACTIVATED, A.IGNORED, A.CANCELED)
# States in which a registered device keeps the next wave or stage pending.
UNDER_WAY = (A.PENDING, A.ASSIGNED, A.DOWNLOADING, A.APPLYING)
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
ERRORS = (A.FAILED, A.NEEDS_CRT)


class ReplicaState(models.TextChoices):
    """The state of an update's content on one content server."""

    PENDING = "pending", _("Pending")
    REPLICATING = "replicating", _("Replicating")
    AVAILABLE = "available", _("Available")
    FAILED = "failed", _("Failed")
    EXCLUDED = "excluded", _("Excluded")
    WITHDRAWN = "withdrawn", _("Withdrawn")


R = ReplicaState
MISSING = (R.PENDING, R.REPLICATING, R.FAILED)
REPLICA = StateMachine(
    _("The content copy"),
    {
        R.PENDING: (R.REPLICATING, R.AVAILABLE, R.FAILED, R.EXCLUDED, R.WITHDRAWN),
        R.REPLICATING: (R.AVAILABLE, R.PENDING, R.FAILED, R.EXCLUDED, R.WITHDRAWN),
        R.AVAILABLE: (R.PENDING, R.WITHDRAWN),
        R.FAILED: (R.PENDING, R.REPLICATING, R.AVAILABLE, R.EXCLUDED, R.WITHDRAWN),
        R.EXCLUDED: (R.PENDING, R.AVAILABLE, R.WITHDRAWN),
        R.WITHDRAWN: (),
    },
)
