"""The states of an update, its assignment to a device, its content on a server (D-33, D-34)."""

from __future__ import annotations

from django.db import models

from audit.chain.states import Machine


class UpdateState(models.TextChoices):
    """How far an update is."""

    CREATED = "created", "Created"
    REPLICATING = "replicating", "Replicating"
    REPLICATED = "replicated", "Replicated"
    ASSIGNED = "assigned", "Assigned"
    IN_PROGRESS = "in-progress", "In Progress"
    COMPLETED = "completed", "Completed"
    BASELINED = "baselined", "Baselined"
    CANCELED = "canceled", "Canceled"
    ERROR = "error", "Error"


U = UpdateState
UPDATE = Machine(
    "The system update",
    {
        U.CREATED: (U.REPLICATING, U.CANCELED, U.ERROR),
        U.REPLICATING: (U.REPLICATED, U.ASSIGNED, U.CANCELED, U.ERROR),
        U.REPLICATED: (U.ASSIGNED, U.CANCELED, U.ERROR),
        U.ASSIGNED: (U.IN_PROGRESS, U.COMPLETED, U.CANCELED, U.ERROR),
        U.IN_PROGRESS: (U.COMPLETED, U.CANCELED, U.ERROR),
        # A roll back withdraws what was completed.
        U.COMPLETED: (U.BASELINED, U.IN_PROGRESS, U.CANCELED),
        U.ERROR: (U.REPLICATING, U.ASSIGNED, U.CANCELED),
        U.BASELINED: (),
        U.CANCELED: (),
    },
)


class AssignmentState(models.TextChoices):
    """How one device stands to one update."""

    PENDING = "pending", "Pending"
    ASSIGNED = "assigned", "Update Assigned"
    DOWNLOADING = "downloading", "Downloading"
    APPLYING = "applying", "Applying"
    APPLIED = "applied", "Update Applied"
    ACTIVATING = "activating", "Activating"
    ACTIVATED = "activated", "Activated"
    FAILED = "failed", "Failed"
    IGNORED = "ignored", "Ignored"
    CANCELED = "canceled", "Canceled"
    NEEDS_CRT = "needs-crt", "Needs CRT"


A = AssignmentState
_ABANDON = (A.IGNORED, A.CANCELED, A.FAILED, A.NEEDS_CRT)
ASSIGNMENT = Machine(
    "The assignment",
    {
        # One that recovered by itself reports without ever having been offered the update.
        A.PENDING: (
            *(A.ASSIGNED, A.DOWNLOADING, A.APPLYING, A.APPLIED, A.ACTIVATING, A.ACTIVATED),
            *_ABANDON,
        ),
        A.ASSIGNED: (A.DOWNLOADING, A.APPLYING, A.APPLIED, A.ACTIVATING, A.ACTIVATED, *_ABANDON),
        A.DOWNLOADING: (A.APPLYING, A.APPLIED, A.ACTIVATING, A.ACTIVATED, *_ABANDON),
        A.APPLYING: (A.APPLIED, A.ACTIVATING, A.ACTIVATED, *_ABANDON),
        A.APPLIED: (A.APPLYING, A.ACTIVATING, A.ACTIVATED, *_ABANDON),
        A.ACTIVATING: (A.ACTIVATED, A.APPLIED, *_ABANDON),
        A.FAILED: (
            A.ASSIGNED,
            A.DOWNLOADING,
            A.APPLYING,
            A.APPLIED,
            A.ACTIVATING,
            A.ACTIVATED,
            A.IGNORED,
            A.CANCELED,
            A.NEEDS_CRT,
        ),
        A.NEEDS_CRT: (
            A.ASSIGNED,
            A.APPLYING,
            A.APPLIED,
            A.ACTIVATING,
            A.ACTIVATED,
            A.IGNORED,
            A.CANCELED,
        ),
        A.IGNORED: (A.ASSIGNED, A.CANCELED),
        A.ACTIVATED: (A.CANCELED, A.ASSIGNED),
        A.CANCELED: (),
    },
)
# A device in one of these no longer holds an operation open (D-27).
SETTLED = (A.ACTIVATED, A.IGNORED, A.CANCELED)


class ReplicaState(models.TextChoices):
    """How the content of one update stands on one content server."""

    PENDING = "pending", "Pending"
    REPLICATING = "replicating", "Replicating"
    AVAILABLE = "available", "Available"
    FAILED = "failed", "Failed"
    EXCLUDED = "excluded", "Excluded"
    WITHDRAWN = "withdrawn", "Withdrawn"


R = ReplicaState
REPLICA = Machine(
    "The replica",
    {
        R.PENDING: (R.REPLICATING, R.AVAILABLE, R.FAILED, R.EXCLUDED, R.WITHDRAWN),
        R.REPLICATING: (R.AVAILABLE, R.PENDING, R.FAILED, R.EXCLUDED, R.WITHDRAWN),
        R.AVAILABLE: (R.PENDING, R.WITHDRAWN),
        R.FAILED: (R.PENDING, R.REPLICATING, R.AVAILABLE, R.EXCLUDED, R.WITHDRAWN),
        R.EXCLUDED: (R.PENDING, R.AVAILABLE, R.WITHDRAWN),
        R.WITHDRAWN: (),
    },
)
