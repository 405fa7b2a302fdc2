"""Devices with a TLS stack that rejects the new certificate, for the page of an operation.

See: D-271
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextField
from django.db.models.functions import Cast

from certificates.models import Operation
from devices.inventory import tls_stacks
from devices.models import Device
from systemupdates.models import Assignment
from wire.update_messages import REJECTED

MAX_DEVICES = 5


@dataclass(frozen=True)
class StackWarning:
    """A device, and what its TLS stacks have reported."""

    device: Device
    sentences: list[str]


@dataclass(frozen=True)
class StackWarnings:
    """The number of devices with a rejecting TLS stack, and the first of them by name."""

    count: int
    first: list[StackWarning]


def find_rejecting(operation: Operation) -> tuple[int, list[int]]:
    """Return the number of assignments with a rejecting stack, and the keys of the first ones."""
    if operation.update_id is None:
        return 0, []
    devices = Device.objects.registered()
    rows = (
        Assignment.objects.filter(update=operation.update_id, device__in=devices)
        .annotate(text=Cast("stack_results", TextField()))
        .filter(text__contains=f'"code": "{REJECTED}"')
    )
    count = rows.count()
    first = rows.order_by("device__name").values_list("pk", flat=True)[:MAX_DEVICES]
    return count, list(first) if count else []


def build_warnings(count: int, keys: list[int]) -> StackWarnings | None:
    """Return the warnings about what `find_rejecting` has found, None if it is nothing."""
    if not count:
        return None
    rows = Assignment.objects.filter(pk__in=keys).select_related("device").order_by("device__name")
    warnings = [StackWarning(row.device, tls_stacks.describe(row.stack_results)) for row in rows]
    return StackWarnings(count, warnings)


def get_warnings(operation: Operation) -> StackWarnings | None:
    """Return the devices with a stack that rejects the new certificate, None without any."""
    return build_warnings(*find_rejecting(operation))
