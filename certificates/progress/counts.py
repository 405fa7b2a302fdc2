"""Counts of the content servers, devices, and new certificates of operations by state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from certificates.models import FutureCertificate, Operation
from certificates.operations.states import READY
from devices.models import Device
from devices.registration.states import DeviceState
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, Replica, SystemUpdate
from systemupdates.updates.states import AssignmentState, ReplicaState
from wire import messages

A = AssignmentState
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
GONE = [state for state in DeviceState.values if state != DeviceState.REGISTERED]
NOT_COUNTED = (A.IGNORED, A.CANCELED)


@dataclass
class Counts:
    """Numbers of content servers, devices, servers, and new certificates by state."""

    replicas: dict[str, int] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)
    servers: dict[str, int] = field(default_factory=dict)
    futures: dict[str, int] = field(default_factory=dict)

    def sort(self) -> None:
        """Sort each dictionary by state, so that equal counts have equal text."""
        for name in ("replicas", "devices", "servers", "futures"):
            setattr(self, name, dict(sorted(getattr(self, name).items())))

    def replicated(self) -> tuple[int, int]:
        """Return how many content servers have the content, and how many must have it."""
        ignored = (ReplicaState.EXCLUDED, ReplicaState.WITHDRAWN)
        total = sum(n for state, n in self.replicas.items() if state not in ignored)
        return self.replicas.get(ReplicaState.AVAILABLE, 0), total

    def applied(self) -> tuple[int, int]:
        """Return how many devices have applied the update, and how many must apply it."""
        return self._reached(APPLIED)

    def activated(self) -> tuple[int, int]:
        """Return how many devices have activated the update, and how many must activate it."""
        return self._reached((A.ACTIVATED,))

    def _reached(self, states: tuple[str, ...]) -> tuple[int, int]:
        total = sum(n for state, n in self.devices.items() if state not in NOT_COUNTED)
        return sum(self.devices.get(state, 0) for state in states), total

    def failed(self) -> int:
        """Return how many devices failed or need the Certificate Remint Tool."""
        return self.devices.get(A.FAILED, 0) + self.devices.get(A.NEEDS_CRT, 0)

    def new_certificates(self) -> tuple[int, int]:
        """Return how many servers have a new certificate, and how many must have one."""
        made = sum(self.futures.get(state, 0) for state in (*READY, "active"))
        return made, sum(n for state, n in self.futures.items() if state != "discarded")


def get_counts(operations: list[Operation], *, now: datetime) -> dict[UUID, Counts]:
    """Return the counts of operations by their IDs, with a fixed number of queries."""
    found = {operation.pk: Counts() for operation in operations}
    by_update = {o.update_id: o.pk for o in operations if o.update_id is not None}
    if not found:
        return {}
    _count_devices(by_update, found, now)
    replicas = Replica.objects.filter(update__in=by_update).order_by()
    for update, state, n in replicas.values_list("update", "state").annotate(n=Count("*")):
        found[by_update[update]].replicas[state] = n
    futures = FutureCertificate.objects.filter(operation__in=found).order_by()
    for key, state, n in futures.values_list("operation", "state").annotate(n=Count("*")):
        found[key].futures[state] = n
    for counts in found.values():
        counts.sort()
    return dict(found)


def _count_devices(by_update: dict[UUID, UUID], found: dict[UUID, Counts], now: datetime) -> None:
    """Count the registered devices by state."""
    updates = SystemUpdate.objects.filter(pk__in=by_update).only("counts", "counted_at")
    for update, numbers in rollout.get_recent_counts_by_update(list(updates), now=now).items():
        found[by_update[update]].devices = dict(numbers)
    every = Assignment.objects.filter(update__in=by_update).order_by()
    # Both sets are small, so separate queries that use an index are faster than one join.
    gone = Device.objects.filter(state__in=GONE)
    for update, state, n in _count_assignments(every, gone):
        devices = found[by_update[update]].devices
        devices[state] = max(0, devices.get(state, 0) - n)
    servers = Device.objects.registered().filter(role__in=messages.CERTIFIED_ROLES)
    for update, state, n in _count_assignments(every, servers):
        found[by_update[update]].servers[state] = n


def _count_assignments(every: QuerySet[Assignment], devices: QuerySet[Device]) -> Iterable[Any]:
    """Return the number of assignments of these devices by update and state."""
    rows = every.filter(device__in=devices.order_by().values("pk"))
    return rows.values_list("update", "state").annotate(n=Count("*"))
