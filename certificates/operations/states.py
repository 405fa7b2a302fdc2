"""The states of an authority, of a server's future certificate, of an operation."""

from __future__ import annotations

from django.db import models

from audit.chain.states import Machine


class AuthorityState(models.TextChoices):
    """Where an authority stands in the life of the zone."""

    FUTURE = "future", "Future"
    CURRENT = "current", "Current"
    GRACE = "grace", "In grace"
    RETIRED = "retired", "Retired"
    DISCARDED = "discarded", "Discarded"


A = AuthorityState
AUTHORITY = Machine(
    "The authority",
    {
        A.FUTURE: (A.CURRENT, A.DISCARDED),
        A.CURRENT: (A.GRACE, A.DISCARDED),
        A.GRACE: (A.RETIRED, A.CURRENT),
        A.RETIRED: (),
        A.DISCARDED: (),
    },
)


class FutureState(models.TextChoices):
    """How far the future certificate of a server is (manual, 1.3.1)."""

    AWAITED = "awaited", "CSR generation pending"
    CREATED = "created", "New certificate created"
    CREATE_FAILED = "create-failed", "Creating certificate failed"
    CSR_GENERATED = "csr-generated", "CSR generated"
    CSR_FAILED = "csr-failed", "CSR generation Failed"
    UPLOADED = "uploaded", "New certificate uploaded"
    ACTIVE = "active", "Active"
    DISCARDED = "discarded", "Discarded"


F = FutureState
FUTURE = Machine(
    "The future certificate",
    {
        F.AWAITED: (
            F.CREATED,
            F.CREATE_FAILED,
            F.CSR_GENERATED,
            F.CSR_FAILED,
            F.UPLOADED,
            F.DISCARDED,
        ),
        F.CREATED: (F.ACTIVE, F.AWAITED, F.DISCARDED),
        F.CREATE_FAILED: (F.AWAITED, F.CREATED, F.CSR_GENERATED, F.DISCARDED),
        F.CSR_GENERATED: (F.UPLOADED, F.AWAITED, F.CSR_FAILED, F.DISCARDED),
        F.CSR_FAILED: (F.AWAITED, F.CSR_GENERATED, F.UPLOADED, F.DISCARDED),
        F.UPLOADED: (F.ACTIVE, F.AWAITED, F.UPLOADED, F.DISCARDED),
        F.ACTIVE: (),
        F.DISCARDED: (),
    },
)
READY = (F.CREATED, F.UPLOADED)


class OperationState(models.TextChoices):
    """Where an operation stands (life of an operation, docs/operations.md)."""

    PROPOSED = "proposed", "Waits for a second administrator"
    PREPARING = "preparing", "Preparing"
    REPLICATING = "replicating", "Replicating content"
    ASSIGNED = "assigned", "Assigned"
    ACTIVATING = "activating", "Activating"
    BLOCKED = "blocked", "Blocked"
    ACTIVATED = "activated", "Activated"
    COMPLETED = "completed", "Completed"
    CANCELLING = "cancelling", "Cancelling"
    CANCEL_FAILED = "cancel-failed", "Cancel failed"
    CANCELLED = "cancelled", "Canceled"
    FAILED = "failed", "Failed"
    ROLLING_BACK = "rolling-back", "Rolling back"
    ROLLED_BACK = "rolled-back", "Rolled back"


P = OperationState
OPERATION = Machine(
    "The operation",
    {
        P.PROPOSED: (P.PREPARING, P.CANCELLING),
        P.PREPARING: (P.REPLICATING, P.CANCELLING, P.FAILED),
        P.REPLICATING: (P.ASSIGNED, P.CANCELLING),
        P.ASSIGNED: (P.ACTIVATING, P.BLOCKED, P.CANCELLING),
        P.BLOCKED: (P.ASSIGNED, P.ACTIVATING, P.CANCELLING),
        P.ACTIVATING: (P.ACTIVATED,),
        P.ACTIVATED: (P.COMPLETED, P.ROLLING_BACK),
        P.ROLLING_BACK: (P.ROLLED_BACK,),
        P.CANCELLING: (P.CANCELLED, P.CANCEL_FAILED),
        P.CANCEL_FAILED: (P.CANCELLING,),
        P.FAILED: (P.PREPARING, P.CANCELLING),
        P.COMPLETED: (P.ROLLING_BACK,),
        P.CANCELLED: (),
        P.ROLLED_BACK: (),
    },
)
# States in which the buttons of the page are taken (D-19, D-27).
BLOCKING = (
    *(P.PROPOSED, P.PREPARING, P.REPLICATING, P.ASSIGNED, P.ACTIVATING, P.BLOCKED),
    *(P.CANCELLING, P.CANCEL_FAILED, P.FAILED, P.ROLLING_BACK),
)
# States from which Cancel may start, time permitting (R090 to R095).
CANCELLABLE = (
    *(P.PROPOSED, P.PREPARING, P.REPLICATING, P.ASSIGNED, P.BLOCKED),
    *(P.CANCEL_FAILED, P.FAILED),
)
# States in which work is left that time or a report moves on.
MOVING = (
    *(P.PREPARING, P.REPLICATING, P.ASSIGNED, P.BLOCKED, P.ACTIVATING, P.ACTIVATED),
    *(P.CANCELLING, P.ROLLING_BACK),
)
# From the go on a server may have swapped to its new certificate.
GIVEN = (P.ACTIVATING, P.ACTIVATED)


class JobState(models.TextChoices):
    """How a job on the CA key stands."""

    PROPOSED = "proposed", "Waits for a second administrator"
    WAITING = "waiting", "Waiting for the server"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "No answer"


JOB = Machine(
    "The job",
    {
        JobState.PROPOSED: (JobState.WAITING, JobState.EXPIRED),
        JobState.WAITING: (JobState.DONE, JobState.FAILED, JobState.EXPIRED),
        JobState.DONE: (),
        JobState.FAILED: (),
        JobState.EXPIRED: (),
    },
)
