"""How many content servers, devices and servers of an operation are how far."""

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
LEFT_OUT = (A.IGNORED, A.CANCELED)


@dataclass
class Counts:
    """How many content servers, devices and servers are how far."""

    replicas: dict[str, int] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)
    servers: dict[str, int] = field(default_factory=dict)
    futures: dict[str, int] = field(default_factory=dict)

    def sort(self) -> None:
        """Put the counts in a fixed order, so that equal ones look equal."""
        for name in ("replicas", "devices", "servers", "futures"):
            setattr(self, name, dict(sorted(getattr(self, name).items())))

    def copied(self) -> tuple[int, int]:
        """Return on how many content servers the content is, of how many that count."""
        left_out = (ReplicaState.EXCLUDED, ReplicaState.WITHDRAWN)
        total = sum(n for state, n in self.replicas.items() if state not in left_out)
        return self.replicas.get(ReplicaState.AVAILABLE, 0), total

    def applied(self) -> tuple[int, int]:
        """Return how many devices have applied the update, of how many it is for."""
        return self._reached(APPLIED)

    def activated(self) -> tuple[int, int]:
        """Return how many devices have activated, of how many it is for."""
        return self._reached((A.ACTIVATED,))

    def _reached(self, states: tuple[str, ...]) -> tuple[int, int]:
        total = sum(n for state, n in self.devices.items() if state not in LEFT_OUT)
        return sum(self.devices.get(state, 0) for state in states), total

    def failed(self) -> int:
        """Return how many devices failed or need the remint tool."""
        return self.devices.get(A.FAILED, 0) + self.devices.get(A.NEEDS_CRT, 0)

    def minted(self) -> tuple[int, int]:
        """Return how many servers have their new certificate, of how many."""
        made = sum(self.futures.get(state, 0) for state in (*READY, "active"))
        return made, sum(n for state, n in self.futures.items() if state != "discarded")


def count(operations: list[Operation], *, now: datetime) -> dict[UUID, Counts]:
    """Return the counts of some operations by their key, in six queries for any number."""
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
    """Count devices by state; devices that have left count for nothing."""
    updates = SystemUpdate.objects.filter(pk__in=by_update).only("tally", "tallied_at")
    for update, numbers in rollout.recent_of(list(updates), now=now).items():
        found[by_update[update]].devices = dict(numbers)
    every = Assignment.objects.filter(update__in=by_update).order_by()
    # Both are few among all devices: they are looked up by themselves, each by its own index.
    gone = Device.objects.filter(state__in=GONE)
    for update, state, n in _of(every, gone):
        devices = found[by_update[update]].devices
        devices[state] = max(0, devices.get(state, 0) - n)
    servers = Device.objects.registered().filter(role__in=messages.CERTIFIED_ROLES)
    for update, state, n in _of(every, servers):
        found[by_update[update]].servers[state] = n


def _of(every: QuerySet[Assignment], devices: QuerySet[Device]) -> Iterable[Any]:
    """Return how many of some assignments are of these devices, by update and state."""
    rows = every.filter(device__in=devices.order_by().values("pk"))
    return rows.values_list("update", "state").annotate(n=Count("*"))
