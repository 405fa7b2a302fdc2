"""Numbers of the zone for Prometheus (B-23).

They are read from the rows when they are asked for, so every process tells the same ones; the
library writes the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Count, Min
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from certificates.models import (
    Authority,
    FutureCertificate,
    Operation,
    ServerCertificate,
    Tally,
)
from certificates.monitoring import health
from certificates.operations.activation_time import silent_devices
from certificates.operations.states import FutureState
from certificates.servers.table import running
from certificates.tasks import enqueue
from devices.models import Device, Zone
from faults import NotFound
from systemupdates.models import Assignment

Labels = Mapping[str, str]


class Numbers(Collector):
    """Every number of the zone as it is at one time."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        now = self._now
        for found in (_parts, _queues, _certificates, _signing, _operations, _devices):
            yield from found(now)


def text(now: datetime, accept: str = "") -> tuple[bytes, str]:
    """Return every number in the form that a caller accepts, and what form that is."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Numbers(now))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def _gauge(name: str, meaning: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    """Return one number, once for each set of labels."""
    found = list(values)
    labels = list(found[0][0]) if found else []
    gauge = GaugeMetricFamily(f"zcc_{name}", meaning, labels=labels)
    for named, value in found:
        gauge.add_metric([str(named[label]) for label in labels], value)
    return gauge


def _parts(now: datetime) -> Iterable[Metric]:
    found = health.parts(now)
    yield _gauge(
        "part_ok",
        "1 while a part works: database, broker, worker, beat, vault, disk.",
        [({"part": part}, state == health.OK) for part, state in found.items()],
    )
    seen = health.swept_at()
    if seen is not None:
        age = (now - seen).total_seconds()
        yield _gauge("sweep_age_seconds", "Since a worker was seen at work.", [({}, age)])
    yield _gauge("disk_free_bytes", "Room for this server.", [({}, health.free_bytes())])


def _queues(now: datetime) -> Iterable[Metric]:
    found = health.look_into(health.queues()) or {}
    yield _gauge(
        "queue_length",
        "Tasks that wait in a queue.",
        [({"queue": name}, queue.length) for name, queue in found.items()],
    )
    yield _gauge(
        "queue_age_seconds",
        "For how long the oldest task of a queue has waited at least.",
        [({"queue": name}, queue.age(now)) for name, queue in found.items()],
    )
    yield _gauge(
        "doorbell_waiting",
        "Rings of this process that the broker has not taken yet.",
        [({}, enqueue.waiting())],
    )


def _certificates(now: datetime) -> Iterable[Metric]:
    authorities = Authority.objects.filter(state__in=("current", "future", "grace"))
    yield _gauge(
        "ca_expires_in_seconds",
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
    yield _gauge(
        "server_certificate_expires_in_seconds",
        "Until the certificate of a server expires; negative afterwards.",
        [({"server": name}, (end - now).total_seconds()) for name, end in rows],
    )
    waiting = FutureCertificate.objects.filter(state=FutureState.CSR_GENERATED).count()
    yield _gauge("csrs_waiting", "CSRs that wait for an external CA.", [({}, waiting)])


def _signing(now: datetime) -> Iterable[Metric]:
    done = Tally.objects.filter(name=Tally.SIGNING).first() or Tally()
    yield SummaryMetricFamily(
        "zcc_signing_seconds",
        "Server certificates signed, and how long that took in all.",
        count_value=done.count,
        sum_value=done.seconds,
    )
    rows = FutureCertificate.objects.filter(state=FutureState.AWAITED).exclude(csr_pem="")
    oldest = rows.aggregate(oldest=Min("changed_at"))["oldest"]
    age = (now - oldest).total_seconds() if oldest else 0.0
    yield _gauge("signing_waiting", "CSRs that wait for the zone CA.", [({}, rows.count())])
    yield _gauge(
        "signing_age_seconds", "For how long the oldest of them has waited.", [({}, max(0.0, age))]
    )


def _operations(now: datetime) -> Iterable[Metric]:
    found = running()
    yield _gauge(
        "operation_info",
        "1 for each operation that is not at rest.",
        [({"id": str(o.pk), "kind": o.kind, "state": o.state}, 1) for o in found],
    )
    blocking = sum(operation.is_blocking for operation in found)
    yield _gauge("operations_blocking", "Operations that exclude others.", [({}, blocking)])
    states = Operation.objects.order_by().values_list("kind", "state").annotate(n=Count("*"))
    yield _gauge(
        "operations",
        "Operations by kind and state.",
        [({"kind": kind, "state": state}, n) for kind, state, n in sorted(states)],
    )
    updates = [operation.update_id for operation in found if operation.update_id]
    open_ones = Assignment.objects.filter(update__in=updates).outstanding().count()
    yield _gauge("devices_outstanding", "Devices that hold an operation open.", [({}, open_ones)])


def _devices(now: datetime) -> Iterable[Metric]:
    rows = Device.objects.order_by().values_list("role", "state").annotate(n=Count("*"))
    yield _gauge(
        "devices",
        "Devices by role and state.",
        [({"role": role, "state": state}, n) for role, state, n in sorted(rows)],
    )
    try:
        silent = silent_devices(Zone.objects.the(), now)
    except NotFound:
        return
    yield _gauge(
        "devices_silent",
        "Registered devices not heard for more than two refresh intervals.",
        [({}, silent)],
    )
