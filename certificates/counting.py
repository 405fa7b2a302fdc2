"""How many content servers, devices and servers of an operation are how far."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count, Q

from certificates.machine import READY
from certificates.models import FutureCertificate, Operation
from systemupdates.machine import AssignmentState, ReplicaState
from systemupdates.models import Assignment, Replica
from wire import messages

A = AssignmentState
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
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


def count(operations: list[Operation]) -> dict[UUID, Counts]:
    """Return the counts of some operations by their key, in four queries for any number."""
    found = {operation.pk: Counts() for operation in operations}
    by_update = {o.update_id: o.pk for o in operations if o.update_id is not None}
    if not found:
        return {}
    _count_devices(by_update, found)
    replicas = Replica.objects.filter(update__in=by_update).order_by()
    for update, state, n in replicas.values_list("update", "state").annotate(n=Count("*")):
        found[by_update[update]].replicas[state] = n
    futures = FutureCertificate.objects.filter(operation__in=found).order_by()
    for key, state, n in futures.values_list("operation", "state").annotate(n=Count("*")):
        found[key].futures[state] = n
    for counts in found.values():
        counts.sort()
    return dict(found)


def _count_devices(by_update: dict[UUID, UUID], found: dict[UUID, Counts]) -> None:
    """Count devices by state. Servers, and devices that have left, are few: they join, alone."""
    every = Assignment.objects.filter(update__in=by_update).order_by()
    for update, state, n in every.values_list("update", "state").annotate(n=Count("*")):
        found[by_update[update]].devices[state] = n
    gone = ~Q(device__state="registered")
    few = every.filter(gone | Q(device__role__in=messages.CERTIFIED_ROLES))
    numbers = few.values_list("update", "state").annotate(
        gone=Count("pk", filter=gone), here=Count("pk", filter=~gone)
    )
    for update, state, left, here in numbers:
        counts = found[by_update[update]]
        counts.devices[state] -= left
        counts.servers[state] = here
