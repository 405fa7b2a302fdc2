"""The states of an authority, a server's new certificate, an operation, and a CA key job."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.chain.states import StateMachine


class AuthorityState(models.TextChoices):
    """The state of a certificate authority in the zone."""

    FUTURE = "future", _("Future")
    CURRENT = "current", _("Current")
    GRACE = "grace", _("In grace period")
    RETIRED = "retired", _("Retired")
    DISCARDED = "discarded", _("Discarded")


A = AuthorityState
AUTHORITY = StateMachine(
    _("The certificate authority"),
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

    AWAITED = "awaited", _("CSR generation pending")
    CREATED = "created", _("New certificate created")
    CREATE_FAILED = "create-failed", _("Creating certificate failed")
    CSR_GENERATED = "csr-generated", _("CSR generated")
    CSR_FAILED = "csr-failed", _("CSR generation Failed")
    UPLOADED = "uploaded", _("New certificate uploaded")
    ACTIVE = "active", _("Active")
    DISCARDED = "discarded", _("Discarded")


F = FutureState
FUTURE = StateMachine(
    _("The new certificate"),
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

    PROPOSED = "proposed", _("Waiting for second administrator")
    PREPARING = "preparing", _("Preparing")
    REPLICATING = "replicating", _("Replicating content")
    ASSIGNED = "assigned", _("Assigned")
    ACTIVATING = "activating", _("Activating")
    BLOCKED = "blocked", _("Blocked")
    ACTIVATED = "activated", _("Activated")
    COMPLETED = "completed", _("Completed")
    CANCELING = "canceling", _("Canceling")
    CANCEL_FAILED = "cancel-failed", _("Cancellation failed")
    CANCELED = "canceled", _("Canceled")
    FAILED = "failed", _("Failed")
    ROLLING_BACK = "rolling-back", _("Rolling back")
    ROLLED_BACK = "rolled-back", _("Rolled back")


P = OperationState
OPERATION = StateMachine(
    _("The operation"),
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

    PROPOSED = "proposed", _("Waiting for second administrator")
    WAITING = "waiting", _("Waiting for the server")
    CONFIRMING = "confirming", _("Waiting for confirmation on the certificate server")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("No response")


JOB = StateMachine(
    _("The job"),
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
