"""Hosts without an agent before and after a change of the CA: which of them are not ready.

A host is ready when its client has downloaded a certificate of the new CA. The others are named.
They do not postpone an activation, because the console cannot make their clients renew.

After a cancellation or a rollback, it is the other way round: the hosts that have a certificate of
the new CA are named, because it is not the CA of the zone. See: D-302, D-335
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet

from certificates.models import AcmeCertificate, Operation
from certificates.operations.states import OperationState

MAX_NAMED = 200
_UNDONE = (
    *(OperationState.CANCELING, OperationState.CANCELED, OperationState.CANCEL_FAILED),
    *(OperationState.ROLLING_BACK, OperationState.ROLLED_BACK),
)


class HostCounts(NamedTuple):
    """How many hosts use a certificate, and how many of them have one of the new CA."""

    total: int
    ready: int

    @property
    def at_risk(self) -> int:
        """Return the number of hosts without a certificate of the new CA."""
        return self.total - self.ready


def was_undone(operation: Operation) -> bool:
    """Return True if an operation was canceled or rolled back, or this has begun."""
    return operation.state in _UNDONE


def is_ready(operation: Operation, certificate: AcmeCertificate) -> bool:
    """Return True if a certificate in use is of the CA that an operation puts into force."""
    return not was_undone(operation) and certificate.authority_id == operation.future_authority_id


def count(operation: Operation, now: datetime) -> HostCounts:
    """Return the numbers of hosts for an operation. All are 0 if it does not change the CA."""
    used = list_in_use(operation, now).order_by()
    if was_undone(operation):
        return HostCounts(used.count(), 0)
    is_new = Q(authority=operation.future_authority_id)
    return HostCounts(**used.aggregate(total=Count("pk"), ready=Count("pk", filter=is_new)))


def list_in_use(operation: Operation, now: datetime) -> QuerySet[AcmeCertificate]:
    """Return the certificates that hosts use, sorted by name. None without a change of the CA.

    After a cancellation or a rollback, they are those of the new CA only.
    """
    used = AcmeCertificate.objects.in_use(now).select_related("account__account_key")
    if not operation.changes_ca or (was_undone(operation) and not operation.future_authority_id):
        return used.none()
    if was_undone(operation):
        used = used.filter(authority=operation.future_authority_id)
    return used.order_by("subject", "pk")


def list_at_risk(operation: Operation, now: datetime) -> QuerySet[AcmeCertificate]:
    """Return the certificates of the hosts that must renew, sorted by name."""
    used = list_in_use(operation, now)
    if operation.future_authority_id is not None and not was_undone(operation):
        used = used.exclude(authority=operation.future_authority_id)
    return used
