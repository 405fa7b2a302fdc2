"""How a change of trust has spread, by facts that devices reported (B-1, B-2, B-7): who is where.

Every registered device counts. Nothing is concluded from time that has passed, but that a device
is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    FilteredRelation,
    Q,
    QuerySet,
    TextChoices,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy

from certificates.models import Bridge, Operation
from certificates.operations.states import FutureState
from devices.models import Device, Zone
from systemupdates.updates.states import AssignmentState
from wire import messages

A = AssignmentState
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
NO_CERTIFICATE_YET = (
    *(FutureState.AWAITED, FutureState.CREATE_FAILED),
    *(FutureState.CSR_GENERATED, FutureState.CSR_FAILED),
)


class Why(TextChoices):
    """Why a device would lose contact if the activation happened now; "" where it would not."""

    NO_CERTIFICATE = "no-certificate", gettext_lazy("No new certificate")
    FAILED = "failed", gettext_lazy("The update failed")
    NEEDS_CRT = "needs-crt", gettext_lazy("Needs the remint tool")
    REFUSED = "refused", gettext_lazy("Failed the rehearsal")
    LEFT_OUT = "left-out", gettext_lazy("Left out of the update")
    OLD_AGENT = "old-agent", gettext_lazy("Old agent")
    SILENT = "silent", gettext_lazy("Silent")
    NOT_APPLIED = "not-applied", gettext_lazy("Not applied yet")


class Contact(TextChoices):
    """What was heard of a device since the activation (B-7)."""

    ACTIVATED = "activated", gettext_lazy("Contact after activation")
    OLD_TRUST = "old-trust", gettext_lazy("In contact, not activated")
    SILENT = "silent", gettext_lazy("Silent since the activation")


# These trust the new root, or need not: a bridge does not help them either way.
BRIDGE_HELPS = (Why.FAILED, Why.LEFT_OUT, Why.OLD_AGENT, Why.SILENT, Why.NOT_APPLIED)


@dataclass(frozen=True)
class Trusting:
    """How many of the registered devices are how far, each a fact that the device reported."""

    of: int = 0
    trusting: int = 0
    rehearsed: int = 0
    refused: int = 0
    activated: int = 0
    using_new: int = 0
    dropped_old: int = 0


def is_bridged(operation: Operation) -> bool:
    """Tell whether a device that knows the old root alone would find a path to the new one."""
    return (
        operation.changes_ca
        and Bridge.objects.filter(
            issuer=operation.authority_id, subject=operation.future_authority_id
        ).exists()
    )


def devices(operation: Operation) -> QuerySet[Device]:
    """Return the devices an operation is about, with their assignment."""
    every = Device.objects.registered().annotate(
        mine=FilteredRelation("assignments", condition=Q(assignments__update=operation.update_id)),
        coming=FilteredRelation(
            "futures",
            condition=Q(futures__operation=operation.pk) & ~Q(futures__state=FutureState.DISCARDED),
        ),
        known=Cast("trusted_sha256", TextField()),
        able=Cast("features", TextField()),
        tried=Cast("mine__rehearsal", TextField()),
    )
    return every if operation.changes_ca else every.filter(_expects(operation))


def _expects(operation: Operation, *states: str) -> Q:
    """Return what tells a server whose future certificate is in one of some states, or in any.

    A list that is made once: joined, each device would look through the futures of all.
    """
    rows = operation.futures.exclude(state=FutureState.DISCARDED)
    rows = rows.filter(state__in=states) if states else rows
    return Q(pk__in=rows.order_by().values("device"))


def _trusts(operation: Operation) -> Q:
    """Return what tells a device that trusts the root after activation."""
    root = operation.future_authority
    digest = root.sha256 if root is not None else "none yet"
    told = Q(mine__state__in=APPLIED)
    return told | Q(root_sha256=digest) | Q(known__contains=digest)


OK = Q(tried__contains='"code": "ok"')
REFUSED = Q(tried__contains='"code": "refused"')


def silent(zone: Zone, now: datetime) -> Q:
    """Return what tells a device that was not heard for two refresh intervals."""
    since = now - 2 * zone.refresh - timedelta(minutes=1)
    return Q(last_contact__lt=since) | Q(last_contact=None)


def by_why(operation: Operation, zone: Zone, now: datetime) -> QuerySet[Device]:
    """Return the devices; `standing` says why each would be cut off by an activation now (B-2)."""
    lacks = _expects(operation, *NO_CERTIFICATE_YET)
    left_out = Q(mine__state__in=(A.IGNORED, A.CANCELED))
    conditions = [When(lacks & ~_is(left_out), then=Value(Why.NO_CERTIFICATE))]
    if operation.changes_ca:
        trusting = _trusts(operation)
        old = ~Q(able="[]") & ~Q(able__contains=f'"{messages.FEATURE_REHEARSAL}"')
        conditions += [
            When(trusting & REFUSED, then=Value(Why.REFUSED)),
            When(trusting, then=Value("")),
            When(Q(mine__state=A.FAILED), then=Value(Why.FAILED)),
            When(Q(mine__state=A.NEEDS_CRT), then=Value(Why.NEEDS_CRT)),
            When(left_out, then=Value(Why.LEFT_OUT)),
            When(old, then=Value(Why.OLD_AGENT)),
            When(silent(zone, now), then=Value(Why.SILENT)),
        ]
    rest = Value(Why.NOT_APPLIED) if operation.changes_ca else Value("")
    return devices(operation).annotate(
        standing=Case(*conditions, default=rest, output_field=CharField())
    )


def _is(condition: Q) -> Q:
    """Return a condition on the assignment that is false, not unknown, where there is none."""
    return Q(mine__state__isnull=False) & condition


def by_contact(operation: Operation) -> QuerySet[Device]:
    """Return the devices; `standing` says what contact each has had since the activation (B-7)."""
    return devices(operation).annotate(
        standing=Case(
            When(mine__confirmed_at__isnull=False, then=Value(Contact.ACTIVATED)),
            When(last_contact__gte=operation.activated_at, then=Value(Contact.OLD_TRUST)),
            default=Value(Contact.SILENT),
            output_field=CharField(),
        ),
        first_contact=F("mine__confirmed_at"),
    )


def is_over(operation: Operation) -> bool:
    """Tell whether it is about contacts after the activation, or about risks before it."""
    return operation.activated_at is not None


def standing(operation: Operation, zone: Zone, now: datetime) -> QuerySet[Any]:
    """Return the devices; `standing` says why each would be cut off, or its contact since."""
    return by_contact(operation) if is_over(operation) else by_why(operation, zone, now)


def count(found: QuerySet[Device]) -> dict[str, int]:
    """Return how many devices there are of each standing, in one query."""
    rows: QuerySet[Any, Any] = found.order_by()
    return dict(rows.values_list("standing").annotate(n=Count("*")))


def trusting(operation: Operation) -> Trusting:
    """Count how far the registered devices are, in one query."""
    old, new = operation.authority, operation.future_authority
    if not operation.changes_ca or old is None or new is None:
        return Trusting()
    trusts = _trusts(operation)
    numbers = devices(operation).aggregate(
        of=Count("pk"),
        trusting=Count("pk", filter=trusts),
        rehearsed=Count("pk", filter=OK & ~_tried(REFUSED)),
        refused=Count("pk", filter=REFUSED),
        activated=Count("pk", filter=Q(mine__state=A.ACTIVATED)),
        using_new=Count("pk", filter=Q(root_sha256=new.sha256)),
        dropped_old=Count("pk", filter=Q(root_sha256=new.sha256) & ~Q(known__contains=old.sha256)),
    )
    return Trusting(**numbers)


def _tried(condition: Q) -> Q:
    return Q(tried__isnull=False) & condition
