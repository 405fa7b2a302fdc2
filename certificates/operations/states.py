"""The states of an authority, a server's new certificate, an operation, and a CA key job."""

from __future__ import annotations

from django.db import models

from audit.chain.states import StateMachine


class AuthorityState(models.TextChoices):
    """The state of a certificate authority in the zone."""

    FUTURE = "future", "Future"
    CURRENT = "current", "Current"
    GRACE = "grace", "In grace period"
    RETIRED = "retired", "Retired"
    DISCARDED = "discarded", "Discarded"


A = AuthorityState
AUTHORITY = StateMachine(
    "The certificate authority",
    {
        A.FUTURE: (A.CURRENT, A.DISCARDED),
        A.CURRENT: (A.GRACE, A.DISCARDED),
        A.GRACE: (A.RETIRED, A.CURRENT),
        A.RETIRED: (),
        A.DISCARDED: (),
    },
)


class FutureState(models.TextChoices):
    """The state of a server's new certificate (manual, 1.3.1)."""

    AWAITED = "awaited", "CSR generation pending"
    CREATED = "created", "New certificate created"
    CREATE_FAILED = "create-failed", "Creating certificate failed"
    CSR_GENERATED = "csr-generated", "CSR generated"
    CSR_FAILED = "csr-failed", "CSR generation Failed"
    UPLOADED = "uploaded", "New certificate uploaded"
    ACTIVE = "active", "Active"
    DISCARDED = "discarded", "Discarded"


F = FutureState
FUTURE = StateMachine(
    "The new certificate",
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
    """The state of an operation (see docs/operations.md)."""

    PROPOSED = "proposed", "Waiting for second administrator"
    PREPARING = "preparing", "Preparing"
    REPLICATING = "replicating", "Replicating content"
    ASSIGNED = "assigned", "Assigned"
    ACTIVATING = "activating", "Activating"
    BLOCKED = "blocked", "Blocked"
    ACTIVATED = "activated", "Activated"
    COMPLETED = "completed", "Completed"
    CANCELING = "canceling", "Canceling"
    CANCEL_FAILED = "cancel-failed", "Cancellation failed"
    CANCELED = "canceled", "Canceled"
    FAILED = "failed", "Failed"
    ROLLING_BACK = "rolling-back", "Rolling back"
    ROLLED_BACK = "rolled-back", "Rolled back"


P = OperationState
OPERATION = StateMachine(
    "The operation",
    {
        P.PROPOSED: (P.PREPARING, P.CANCELING),
        P.PREPARING: (P.REPLICATING, P.CANCELING, P.FAILED),
        P.REPLICATING: (P.ASSIGNED, P.CANCELING),
        P.ASSIGNED: (P.ACTIVATING, P.BLOCKED, P.CANCELING),
        P.BLOCKED: (P.ASSIGNED, P.ACTIVATING, P.CANCELING),
        P.ACTIVATING: (P.ACTIVATED,),
        P.ACTIVATED: (P.COMPLETED, P.ROLLING_BACK),
        P.ROLLING_BACK: (P.ROLLED_BACK,),
        P.CANCELING: (P.CANCELED, P.CANCEL_FAILED),
        P.CANCEL_FAILED: (P.CANCELING,),
        P.FAILED: (P.PREPARING, P.CANCELING),
        P.COMPLETED: (P.ROLLING_BACK,),
        P.CANCELED: (),
        P.ROLLED_BACK: (),
    },
)
# States in which no other CA operation can start (D-19, D-27).
BLOCKING = (
    *(P.PROPOSED, P.PREPARING, P.REPLICATING, P.ASSIGNED, P.ACTIVATING, P.BLOCKED),
    *(P.CANCELING, P.CANCEL_FAILED, P.FAILED, P.ROLLING_BACK),
)
# States in which an operation can be canceled, until the freeze period begins.
CANCELABLE = (
    *(P.PROPOSED, P.PREPARING, P.REPLICATING, P.ASSIGNED, P.BLOCKED),
    *(P.CANCEL_FAILED, P.FAILED),
)
# States that the scheduler advances.
IN_PROGRESS = (
    *(P.PREPARING, P.REPLICATING, P.ASSIGNED, P.BLOCKED, P.ACTIVATING, P.ACTIVATED),
    *(P.CANCELING, P.ROLLING_BACK),
)
# States after the activation order: a server might already use its new certificate.
ACTIVATION_ORDERED = (P.ACTIVATING, P.ACTIVATED)


class JobState(models.TextChoices):
    """The state of a CA key job."""

    PROPOSED = "proposed", "Waiting for second administrator"
    WAITING = "waiting", "Waiting for the server"
    CONFIRMING = "confirming", "Waiting for confirmation on the certificate server"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "No response"


JOB = StateMachine(
    "The job",
    {
        JobState.PROPOSED: (JobState.WAITING, JobState.EXPIRED),
        JobState.WAITING: (
            *(JobState.CONFIRMING, JobState.DONE, JobState.FAILED, JobState.EXPIRED),
        ),
        JobState.CONFIRMING: (JobState.WAITING, JobState.EXPIRED),
        JobState.DONE: (),
        JobState.FAILED: (),
        JobState.EXPIRED: (),
    },
)
