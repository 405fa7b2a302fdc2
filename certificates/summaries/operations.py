"""The summary of an operation: the numbers and the first devices that its page shows.

In a large zone, the worker stores it every few seconds, so that the page and its live pane cost
the same for any number of devices. Otherwise, each number is counted when it is shown.

See: D-305
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from certificates.models import Operation
from certificates.trust import devices_at_risk, readiness, stragglers, tls_stacks
from certificates.trust.devices_at_risk import TrustCounts
from console.pages import chart
from devices.models import DeviceSummary, Zone
from systemupdates.assignments import rollout

AT_RISK = "at-risk"
ALL = ""
# How many devices of each status are listed. The pages after them are searched in the database.
MAX_LISTED = 500


class OperationSummary:
    """The numbers of an operation: stored ones if they are recent, otherwise counted ones.

    `counted_at` is the time of stored numbers, None if they are counted now.
    """

    def __init__(self, operation: Operation, zone: Zone, now: datetime) -> None:
        self._operation, self._zone, self._now = operation, zone, now
        found = DeviceSummary.objects.find_recent(get_name(operation), now=now)
        is_valid = found is not None and found.content["is_over"] == _is_over(operation)
        self._stored: dict[str, Any] | None = found.content if found and is_valid else None
        self.counted_at = found.taken_at if found and is_valid else None

    @cached_property
    def trust(self) -> TrustCounts:
        """Return the number of devices by progress."""
        if self._stored is not None:
            return TrustCounts(**self._stored["trust"])
        return devices_at_risk.count_trust(self._operation)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Return the number of devices by status."""
        if self._stored is not None:
            return dict(self._stored["numbers"])
        found = devices_at_risk.get_devices_by_status(self._operation, self._zone, self._now)
        return devices_at_risk.count_by_status(found)

    @property
    def not_refreshed(self) -> int | None:
        """Return how many devices have not refreshed since the last certificate (D-47)."""
        if self._stored is not None:
            number: int | None = self._stored["not_refreshed"]
            return number
        return count_not_refreshed(self._operation)

    @property
    def stack_warnings(self) -> tls_stacks.StackWarnings | None:
        """Return the devices with a TLS stack that rejects the new certificate."""
        if self._stored is not None:
            return tls_stacks.build_warnings(*self._stored["stacks"])
        return tls_stacks.get_warnings(self._operation)

    def list_shortfalls(self) -> list[str]:
        """Return the requirements of the readiness policy that are not met."""
        counted = None
        if self._stored is not None and self._stored["ready_days"] == self._zone.ready_days:
            passed, total = self._stored["preflight"]
            counted = (passed, total)
        return readiness.list_shortfalls(self._operation, self._zone, self._now, counted=counted)

    def get_series(self) -> tuple[list[datetime], list[chart.Series]]:
        """Return the times and the series of the chart."""
        if self._stored is None:
            return count_series(self._operation, self._now)
        moments = [datetime.fromisoformat(text) for text in self._stored["moments"]]
        lines = zip(rollout.SERIES_FIELDS, self._stored["series"], strict=True)
        return moments, [chart.Series(key, label, list(n)) for (key, label, _field), n in lines]

    def count(self, status: str) -> int:
        """Return the number of devices of a status, AT_RISK, or ALL."""
        if status == AT_RISK:
            return sum(n for key, n in self.numbers.items() if key)
        return self.numbers.get(status, 0) if status else sum(self.numbers.values())

    def list_first(self, status: str) -> list[str] | None:
        """Return the keys of the first devices of a status, in the default order of the table.

        None if they are not stored. At most MAX_LISTED.
        """
        if self._stored is None:
            return None
        found = DeviceSummary.objects.find_recent(get_name(self._operation, "rows"), now=self._now)
        return None if found is None else list(found.content.get(status, []))


def get_name(operation: Operation, part: str = "numbers") -> str:
    """Return the name of a stored part of a summary."""
    return f"operation:{operation.pk}:{part}"


def _is_over(operation: Operation) -> bool:
    return devices_at_risk.is_activated(operation)


def is_due(operation: Operation, *, now: datetime) -> bool:
    """Return True if the summary has to be stored: the time has come, or it was activated."""
    if DeviceSummary.objects.is_due(get_name(operation), now=now):
        return True
    found = DeviceSummary.objects.filter(pk=get_name(operation)).first()
    return found is None or found.content["is_over"] != _is_over(operation)


def store(operation: Operation, zone: Zone, *, now: datetime) -> None:
    """Count the devices of an operation, and store the summary."""
    every = devices_at_risk.get_devices_by_status(operation, zone, now)
    numbers = devices_at_risk.count_by_status(every)
    moments, series = count_series(operation, now)
    content = {
        "is_over": _is_over(operation),
        "trust": vars(devices_at_risk.count_trust(operation)),
        "numbers": numbers,
        "not_refreshed": count_not_refreshed(operation),
        "stacks": (0, []) if _is_over(operation) else tls_stacks.find_rejecting(operation),
        "ready_days": zone.ready_days,
        "preflight": readiness.count_preflight_passed(operation, zone, now),
        "moments": [moment.isoformat() for moment in moments],
        "series": [line.counts for line in series],
    }
    devices = sum(numbers.values())
    save = DeviceSummary.objects.store
    save(get_name(operation, "rows"), _list_by_status(every), devices=devices, now=now)
    save(get_name(operation), content, devices=devices, now=now)


def _list_by_status(every: Any) -> dict[str, list[str]]:
    """Return the keys of the first devices of each status, of AT_RISK, and of ALL."""
    position = Window(RowNumber(), partition_by=F("status"), order_by=[F("name"), F("pk")])
    ranked = every.annotate(position=position, group=devices_at_risk.ATTENTION_FIRST)
    rows = ranked.filter(position__lte=MAX_LISTED).order_by("group", "name", "pk")
    found: dict[str, list[str]] = {ALL: [], AT_RISK: []}
    for key, status in rows.values_list("pk", "status"):
        for name in {ALL, status, AT_RISK if status else ALL}:
            listed = found.setdefault(name, [])
            if len(listed) < MAX_LISTED:
                listed.append(str(key))
    return found


def count_not_refreshed(operation: Operation) -> int | None:
    """Return how many devices have not refreshed since the last certificate was stored (D-47).

    None if no certificate was stored.
    """
    if stragglers.get_last_stored(operation) is None:
        return None
    return stragglers.get_not_refreshed(operation).count()


def count_series(operation: Operation, now: datetime) -> tuple[list[datetime], list[chart.Series]]:
    """Return the times and the series of the chart. Without an update, there are none."""
    if operation.update is None:
        return [], []
    until = max(filter(None, (operation.ended_at or now, operation.activated_at)))
    moments = chart.time_steps(operation.created_at, until)
    return moments, rollout.build_series(operation.update, moments)
