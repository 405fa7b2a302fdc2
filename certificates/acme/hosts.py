"""Hosts without an agent before and after a change of the CA: which of them are not ready.

A host is ready when its client has downloaded a certificate of the new CA. The others are named.
They do not postpone an activation, because the console cannot make their clients renew. See: D-302
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet

from certificates.models import AcmeCertificate, Operation
from certificates.operations.states import OperationState

MAX_NAMED = 200
_ENDED = (
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


def count(operation: Operation, now: datetime) -> HostCounts:
    """Return the numbers of hosts for an operation. All are 0 if it does not change the CA."""
    used = list_in_use(operation, now).order_by()
    is_ready = Q(authority=operation.future_authority_id)
    return HostCounts(**used.aggregate(total=Count("pk"), ready=Count("pk", filter=is_ready)))


def list_in_use(operation: Operation, now: datetime) -> QuerySet[AcmeCertificate]:
    """Return the certificates that hosts use, sorted by name. None without a change of the CA."""
    used = AcmeCertificate.objects.in_use(now).select_related("account__account_key")
    if not operation.changes_ca or operation.state in _ENDED:
        return used.none()
    return used.order_by("subject", "pk")


def list_at_risk(operation: Operation, now: datetime) -> QuerySet[AcmeCertificate]:
    """Return the certificates of the hosts that have none of the new CA yet, sorted by name."""
    used = list_in_use(operation, now)
    if operation.future_authority_id is not None:
        used = used.exclude(authority=operation.future_authority_id)
    return used
