"""Counts of the content servers, devices, and new certificates of operations by state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from django.db.models import Count, F, QuerySet, UUIDField, Value
from django.db.models.expressions import Combinable

from certificates.models import FutureCertificate, Operation
from certificates.operations.states import READY
from devices.models import Device
from devices.registration.states import DeviceState
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, Replica, SystemUpdate
from systemupdates.updates.states import AssignmentState, ReplicaState

A = AssignmentState
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
GONE = [state for state in DeviceState.values if state != DeviceState.REGISTERED]
NOT_COUNTED = (A.IGNORED, A.CANCELED)


class Part(IntEnum):
    """The parts of the counts, with the names of their fields."""

    DEVICES = 1
    GONE = 2
    SERVERS = 3
    REPLICAS = 4
    FUTURES = 5


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
    """Return the counts of operations by their IDs, with one query.

    The operations must have been loaded with their updates, which have the stored counts.
    """
    found = {operation.pk: Counts() for operation in operations}
    updates = [operation.update for operation in operations if operation.update is not None]
    stored = rollout.find_stored_counts(updates, now=now)
    parts = _build_queries(list(found), updates, [u for u in updates if u.pk not in stored])
    owners = {operation.update_id: operation.pk for operation in operations}
    for update, numbers in stored.items():
        found[owners[update]].devices = dict(numbers)
    # In the order of the parts: devices are counted first.
    for state, key, part, n in sorted(_read(parts), key=lambda row: row[2]):
        counts = found[owners.get(key, key)]
        if part == Part.GONE:
            counts.devices[state] = max(0, counts.devices.get(state, 0) - n)
        else:
            getattr(counts, part.name.lower())[state] = n
    for counts in found.values():
        counts.sort()
    return found


def _build_queries(
    operations: list[UUID], updates: list[SystemUpdate], counted: list[SystemUpdate]
) -> Iterator[QuerySet[Any, Any]]:
    """Yield the queries of all parts. Of `counted` updates, the assignments are counted."""
    for update in counted:
        # Without grouping by update, the database reads only the index.
        key = Value(update.pk, output_field=UUIDField())
        yield _count(Assignment.objects.filter(update=update.pk), Part.DEVICES, key)
    if updates:
        # Both sets are small, so separate queries that use an index are faster than one join.
        every = Assignment.objects.filter(update__in=updates)
        gone = Device.objects.filter(state__in=GONE)
        yield _count(every.filter(device__in=gone.values("pk")), Part.GONE, F("update_id"))
        servers = Device.objects.certified()
        yield _count(every.filter(device__in=servers.values("pk")), Part.SERVERS, F("update_id"))
        replicas = Replica.objects.filter(update__in=updates)
        yield _count(replicas, Part.REPLICAS, F("update_id"))
    if operations:
        futures = FutureCertificate.objects.filter(operation__in=operations)
        yield _count(futures, Part.FUTURES, F("operation_id"))


def _count(rows: QuerySet[Any], part: Part, key: Combinable) -> QuerySet[Any, Any]:
    """Return a query for the number of rows by state, with the key of the update or operation."""
    by_state: Any = rows.order_by().values_list("state")
    found: QuerySet[Any, Any] = by_state.annotate(key=key, part=Value(int(part)), n=Count("*"))
    return found


def _read(parts: Iterator[QuerySet[Any, Any]]) -> Iterator[tuple[str, UUID, Part, int]]:
    first = next(parts, None)
    if first is None:
        return
    for state, key, part, n in first.union(*parts, all=True):
        yield state, key, Part(part), n
