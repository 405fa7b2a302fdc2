"""Devices at risk before an activation, and their contact after it.

All registered devices are classified by their reports. Elapsed time only means "no contact".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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

from certificates.models import CrossCertificate, Operation
from certificates.operations.states import FutureState
from devices.models import Device, Zone, get_contact_limit
from systemupdates.updates.states import AssignmentState
from wire import messages

A = AssignmentState
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
NO_CERTIFICATE_YET = (
    *(FutureState.AWAITED, FutureState.CREATE_FAILED),
    *(FutureState.CSR_GENERATED, FutureState.CSR_FAILED),
)


class Risk(TextChoices):
    """The reason why a device would lose contact if the activation happened now."""

    NO_CERTIFICATE = "no-certificate", gettext_lazy("No new certificate")
    FAILED = "failed", gettext_lazy("The update failed")
    NEEDS_CRT = "needs-crt", gettext_lazy("Needs the Certificate Remint Tool")
    PREFLIGHT_FAILED = "refused", gettext_lazy("Failed the preflight check")
    IGNORED = "left-out", gettext_lazy("Ignored")
    OLD_AGENT = "old-agent", gettext_lazy("Outdated agent")
    NO_CONTACT = "silent", gettext_lazy("Offline")
    NOT_APPLIED = "not-applied", gettext_lazy("Not applied yet")


class Contact(TextChoices):
    """The contact of a device since the activation."""

    ACTIVATED = "activated", gettext_lazy("Connected after activation")
    OLD_TRUST = "old-trust", gettext_lazy("Connected, not activated")
    NO_CONTACT = "silent", gettext_lazy("No contact since activation")


# The default order of tables: devices that need attention first.
ATTENTION_FIRST = Case(
    When(status=Contact.NO_CONTACT, then=0),
    When(status__in=("", Contact.ACTIVATED), then=2),
    default=1,
)
# Devices that can reach their servers through the cross-certificate.
HELPED_BY_CROSS_CERTIFICATE = (
    Risk.FAILED,
    Risk.IGNORED,
    Risk.OLD_AGENT,
    Risk.NO_CONTACT,
    Risk.NOT_APPLIED,
)


@dataclass(frozen=True)
class TrustCounts:
    """The number of registered devices by reported progress, of `of` in total."""

    of: int = 0
    trusting: int = 0
    passed_preflight: int = 0
    refused: int = 0
    activated: int = 0
    using_new: int = 0
    dropped_old: int = 0


def has_cross_certificate(operation: Operation) -> bool:
    """Return True if the old root has a cross-certificate to the new one."""
    return (
        operation.changes_ca
        and CrossCertificate.objects.filter(
            issuer=operation.authority_id, subject=operation.future_authority_id
        ).exists()
    )


def get_devices(operation: Operation) -> QuerySet[Device]:
    """Return the devices of an operation, annotated with their assignment."""
    every = Device.objects.registered().annotate(
        mine=FilteredRelation("assignments", condition=Q(assignments__update=operation.update_id)),
        coming=FilteredRelation(
            "futures",
            condition=Q(futures__operation=operation.pk) & ~Q(futures__state=FutureState.DISCARDED),
        ),
        known=Cast("trusted_sha256", TextField()),
        able=Cast("features", TextField()),
        preflight=Cast("mine__preflight_results", TextField()),
    )
    return every if operation.changes_ca else every.filter(_build_future_filter(operation))


def _build_future_filter(operation: Operation, *states: str) -> Q:
    """Return a filter for servers with a future certificate in one of the states, or in any.

    The subquery is evaluated once. A join would scan all future certificates for each device.
    """
    rows = operation.futures.exclude(state=FutureState.DISCARDED)
    rows = rows.filter(state__in=states) if states else rows
    return Q(pk__in=rows.order_by().values("device"))


def _build_trust_filter(operation: Operation) -> Q:
    """Return a filter for devices that trust the root after activation."""
    root = operation.future_authority
    digest = root.sha256 if root is not None else "none yet"
    applied = Q(mine__state__in=APPLIED)
    return applied | Q(root_sha256=digest) | Q(known__contains=digest)


PREFLIGHT_PASSED = Q(preflight__contains='"code": "ok"')
PREFLIGHT_FAILED = Q(preflight__contains='"code": "refused"')


def build_no_contact_filter(zone: Zone, now: datetime) -> Q:
    """Return a filter for devices without contact for more than two refresh intervals."""
    since = now - get_contact_limit(zone.refresh)
    return Q(last_contact__lt=since) | Q(last_contact=None)


def get_devices_by_risk(operation: Operation, zone: Zone, now: datetime) -> QuerySet[Device]:
    """Return the devices, annotated with their Risk as `status`, "" without risk."""
    waiting = _build_future_filter(operation, *NO_CERTIFICATE_YET)
    ignored = Q(mine__state__in=(A.IGNORED, A.CANCELED))
    conditions = [When(waiting & ~_and_assigned(ignored), then=Value(Risk.NO_CERTIFICATE))]
    if operation.changes_ca:
        trusting = _build_trust_filter(operation)
        old = ~Q(able="[]") & ~Q(able__contains=f'"{messages.FEATURE_PREFLIGHT}"')
        conditions += [
            When(trusting & PREFLIGHT_FAILED, then=Value(Risk.PREFLIGHT_FAILED)),
            When(trusting, then=Value("")),
            When(Q(mine__state=A.FAILED), then=Value(Risk.FAILED)),
            When(Q(mine__state=A.NEEDS_CRT), then=Value(Risk.NEEDS_CRT)),
            When(ignored, then=Value(Risk.IGNORED)),
            When(old, then=Value(Risk.OLD_AGENT)),
            When(build_no_contact_filter(zone, now), then=Value(Risk.NO_CONTACT)),
        ]
    rest = Value(Risk.NOT_APPLIED) if operation.changes_ca else Value("")
    return get_devices(operation).annotate(
        status=Case(*conditions, default=rest, output_field=CharField())
    )


def _and_assigned(condition: Q) -> Q:
    """Return a condition on the assignment that is false, not null, without an assignment."""
    return Q(mine__state__isnull=False) & condition


def get_devices_by_contact(operation: Operation) -> QuerySet[Device]:
    """Return the devices, annotated with their Contact as `status`."""
    return get_devices(operation).annotate(
        status=Case(
            When(mine__confirmed_at__isnull=False, then=Value(Contact.ACTIVATED)),
            When(last_contact__gte=operation.activated_at, then=Value(Contact.OLD_TRUST)),
            default=Value(Contact.NO_CONTACT),
            output_field=CharField(),
        ),
        first_contact=F("mine__confirmed_at"),
    )


def is_activated(operation: Operation) -> bool:
    """Return True if the certificates have been activated."""
    return operation.activated_at is not None


def get_devices_by_status(operation: Operation, zone: Zone, now: datetime) -> QuerySet[Any]:
    """Return the devices with `status`: their risk before the activation, their contact after."""
    return (
        get_devices_by_contact(operation)
        if is_activated(operation)
        else get_devices_by_risk(operation, zone, now)
    )


def count_by_status(found: QuerySet[Device]) -> dict[str, int]:
    """Return the number of devices by status, in one query."""
    rows: QuerySet[Any, Any] = found.order_by()
    return dict(rows.values_list("status").annotate(n=Count("*")))


def count_trust(operation: Operation) -> TrustCounts:
    """Count the registered devices by progress, in one query."""
    old, new = operation.authority, operation.future_authority
    if not operation.changes_ca or old is None or new is None:
        return TrustCounts()
    trusts = _build_trust_filter(operation)
    numbers = get_devices(operation).aggregate(
        of=Count("pk"),
        trusting=Count("pk", filter=trusts),
        passed_preflight=Count("pk", filter=PREFLIGHT_PASSED & ~_and_checked(PREFLIGHT_FAILED)),
        refused=Count("pk", filter=PREFLIGHT_FAILED),
        activated=Count("pk", filter=Q(mine__state=A.ACTIVATED)),
        using_new=Count("pk", filter=Q(root_sha256=new.sha256)),
        dropped_old=Count("pk", filter=Q(root_sha256=new.sha256) & ~Q(known__contains=old.sha256)),
    )
    return TrustCounts(**numbers)


def _and_checked(condition: Q) -> Q:
    return Q(preflight__isnull=False) & condition
