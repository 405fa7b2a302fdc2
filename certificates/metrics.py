"""Numbers of the zone as Prometheus reads them (text format 0.0.4; B-23)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count

from certificates import doorbell, health
from certificates.limits import silent_devices
from certificates.machine import FutureState
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.table import running
from devices.models import Device, Zone
from faults import NotFound
from systemupdates.models import Assignment

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = dict[str, str]


@dataclass
class Gauge:
    """One number, once for each set of labels."""

    name: str
    meaning: str
    values: list[tuple[Labels, float]] = field(default_factory=list)

    def lines(self) -> Iterable[str]:
        """Return it as text."""
        yield f"# HELP {self.name} {self.meaning}"
        yield f"# TYPE {self.name} gauge"
        for labels, value in self.values:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{self.name}{{{inside}}} {value}" if inside else f"{self.name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def text(now: datetime) -> str:
    """Return every number of this zone."""
    gauges = [*_parts(now), *_queues(), *_certificates(now), *_operations(), *_devices(now)]
    return "\n".join(line for gauge in gauges for line in gauge.lines()) + "\n"


def _parts(now: datetime) -> Iterable[Gauge]:
    found = health.parts(now)
    yield Gauge(
        "zcc_part_ok",
        "1 while a part works: database, broker, worker, beat, vault, disk.",
        [({"part": part}, int(state == health.OK)) for part, state in found.items()],
    )
    seen = health.swept_at()
    if seen is not None:
        age = (now - seen).total_seconds()
        yield Gauge("zcc_sweep_age_seconds", "Since a worker was seen at work.", [({}, age)])
    yield Gauge("zcc_disk_free_bytes", "Room for this server.", [({}, health.free_bytes())])


def _queues() -> Iterable[Gauge]:
    lengths = health.queue_lengths(health.queues()) or {}
    yield Gauge(
        "zcc_queue_length",
        "Tasks that wait in a queue.",
        [({"queue": name}, length) for name, length in lengths.items()],
    )
    yield Gauge(
        "zcc_doorbell_waiting",
        "Rings of this process that the broker has not taken yet.",
        [({}, doorbell.waiting())],
    )


def _certificates(now: datetime) -> Iterable[Gauge]:
    authorities = Authority.objects.filter(state__in=("current", "future", "grace"))
    yield Gauge(
        "zcc_ca_expires_in_seconds",
        "Until a zone CA expires; negative afterwards.",
        [
            (
                {"subject": ca.subject, "state": ca.state, "sha256": ca.sha256},
                (ca.not_after - now).total_seconds(),
            )
            for ca in authorities.order_by("created_at")
        ],
    )
    shown = ServerCertificate.objects.current().filter(device__state="registered")
    rows = shown.order_by("device__name").values_list("device__name", "not_after")
    yield Gauge(
        "zcc_server_certificate_expires_in_seconds",
        "Until the certificate of a server expires; negative afterwards.",
        [({"server": name}, (end - now).total_seconds()) for name, end in rows],
    )
    waiting = FutureCertificate.objects.filter(state=FutureState.CSR_GENERATED).count()
    yield Gauge("zcc_csrs_waiting", "CSRs that wait for an external CA.", [({}, waiting)])


def _operations() -> Iterable[Gauge]:
    found = running()
    yield Gauge(
        "zcc_operation_info",
        "1 for each operation that is not at rest.",
        [({"id": str(o.pk), "kind": o.kind, "state": o.state}, 1) for o in found],
    )
    blocking = sum(operation.is_blocking for operation in found)
    yield Gauge("zcc_operations_blocking", "Operations that exclude others.", [({}, blocking)])
    states = Operation.objects.order_by().values_list("kind", "state").annotate(n=Count("*"))
    yield Gauge(
        "zcc_operations",
        "Operations by kind and state.",
        [({"kind": kind, "state": state}, n) for kind, state, n in sorted(states)],
    )
    updates = [operation.update_id for operation in found if operation.update_id]
    open_ones = Assignment.objects.filter(update__in=updates).outstanding().count()
    yield Gauge(
        "zcc_devices_outstanding", "Devices that hold an operation open.", [({}, open_ones)]
    )


def _devices(now: datetime) -> Iterable[Gauge]:
    rows = Device.objects.order_by().values_list("role", "state").annotate(n=Count("*"))
    yield Gauge(
        "zcc_devices",
        "Devices by role and state.",
        [({"role": role, "state": state}, n) for role, state, n in sorted(rows)],
    )
    try:
        silent = silent_devices(Zone.objects.the(), now)
    except NotFound:
        return
    yield Gauge(
        "zcc_devices_silent",
        "Registered devices not heard for more than two refresh intervals.",
        [({}, silent)],
    )
