"""Metrics of the zone for Prometheus.

The values are read from the database for each request, so every process returns the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Count, Min
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from audit.models import AlteredRow
from certificates.models import (
    Authority,
    FutureCertificate,
    Operation,
    ServerCertificate,
    WorkDuration,
)
from certificates.monitoring import health
from certificates.monitoring.checks import registry
from certificates.operations.activation_time import count_devices_without_contact
from certificates.operations.states import FutureState
from certificates.servers.table import list_running_operations
from certificates.tasks import publisher
from devices.inventory import tables
from devices.models import Device, Zone
from faults import NotFound
from systemupdates.models import Assignment

Labels = Mapping[str, str]


class ZoneCollector(Collector):
    """Collect all metrics of the zone at a point in time."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        now = self._now
        for collect in (
            _collect_components,
            _collect_queues,
            _collect_certificates,
            _collect_signing,
            _collect_operations,
            _collect_devices,
            _collect_findings,
        ):
            yield from collect(now)


def render_metrics(now: datetime, accept: str = "") -> tuple[bytes, str]:
    """Return all metrics in the format that the caller accepts, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ZoneCollector(now))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def _build_gauge(name: str, meaning: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a gauge with one sample for each set of labels."""
    found = list(values)
    labels = list(found[0][0]) if found else []
    gauge = GaugeMetricFamily(f"zcc_{name}", meaning, labels=labels)
    for named, value in found:
        gauge.add_metric([str(named[label]) for label in labels], value)
    return gauge


def _collect_components(now: datetime) -> Iterable[Metric]:
    states = health.get_component_states(now)
    yield _build_gauge(
        "component_up",
        (
            "Whether the component is healthy (1) or not (0). Components: "
            "database, broker, worker, beat, vault, disk."
        ),
        [({"component": name}, state == health.OK) for name, state in states.items()],
    )
    last = health.get_last_heartbeat()
    if last is not None:
        age = (now - last).total_seconds()
        yield _build_gauge(
            "worker_heartbeat_age_seconds", "Time since the last worker heartbeat.", [({}, age)]
        )
    yield _build_gauge(
        "disk_free_bytes", "Free disk space on this server.", [({}, health.get_free_bytes())]
    )


def _collect_queues(now: datetime) -> Iterable[Metric]:
    found = health.get_queue_states(health.list_queues()) or {}
    yield _build_gauge(
        "queue_length",
        "Number of tasks waiting in a queue.",
        [({"queue": name}, queue.length) for name, queue in found.items()],
    )
    yield _build_gauge(
        "queue_age_seconds",
        "Minimum age of the oldest task in a queue.",
        [({"queue": name}, queue.age(now)) for name, queue in found.items()],
    )
    yield _build_gauge(
        "wakeups_pending",
        "Number of tasks of this process that the broker has not accepted yet.",
        [({}, publisher.count_pending())],
    )


def _collect_certificates(now: datetime) -> Iterable[Metric]:
    authorities = Authority.objects.filter(state__in=("current", "future", "grace"))
    yield _build_gauge(
        "ca_expires_in_seconds",
        "Time until the zone CA expires. Negative after expiration.",
        [
            (
                {"subject": ca.subject, "state": ca.state, "sha256": ca.sha256},
                (ca.not_after - now).total_seconds(),
            )
            for ca in authorities.order_by("created_at")
        ],
    )
    current = ServerCertificate.objects.current().filter(device__state="registered")
    rows = current.order_by("device__name").values_list("device__name", "not_after")
    yield _build_gauge(
        "server_certificate_expires_in_seconds",
        "Time until the server certificate expires. Negative after expiration.",
        [({"server": name}, (end - now).total_seconds()) for name, end in rows],
    )
    pending = FutureCertificate.objects.filter(state=FutureState.CSR_GENERATED).count()
    yield _build_gauge(
        "csrs_pending_external",
        ("Number of CSRs pending signature by an external CA."),
        [({}, pending)],
    )


def _collect_signing(now: datetime) -> Iterable[Metric]:
    done = WorkDuration.objects.filter(name=WorkDuration.SIGNING).first() or WorkDuration()
    yield SummaryMetricFamily(
        "zcc_signing_seconds",
        "Number of server certificates signed, and total signing time.",
        count_value=done.count,
        sum_value=done.seconds,
    )
    rows = FutureCertificate.objects.filter(state=FutureState.AWAITED).exclude(csr_pem="")
    oldest = rows.aggregate(oldest=Min("changed_at"))["oldest"]
    age = (now - oldest).total_seconds() if oldest else 0.0
    yield _build_gauge(
        "csrs_pending",
        ("Number of CSRs pending signature by the zone CA."),
        [({}, rows.count())],
    )
    yield _build_gauge(
        "signing_age_seconds",
        "Age of the oldest CSR waiting for the zone CA.",
        [({}, max(0.0, age))],
    )


def _collect_operations(now: datetime) -> Iterable[Metric]:
    found = list_running_operations()
    yield _build_gauge(
        "operation_info",
        "1 for each operation in progress.",
        [({"id": str(o.pk), "kind": o.kind, "state": o.state}, 1) for o in found],
    )
    blocking = sum(operation.is_blocking for operation in found)
    yield _build_gauge(
        "operations_blocking",
        ("Number of operations that block other operations."),
        [({}, blocking)],
    )
    states = Operation.objects.order_by().values_list("kind", "state").annotate(n=Count("*"))
    yield _build_gauge(
        "operations",
        "Number of operations by kind and state.",
        [({"kind": kind, "state": state}, n) for kind, state, n in sorted(states)],
    )
    updates = [operation.update_id for operation in found if operation.update_id]
    outstanding = Assignment.objects.filter(update__in=updates).outstanding().count()
    yield _build_gauge(
        "devices_outstanding",
        ("Number of devices for which an operation is outstanding."),
        [({}, outstanding)],
    )


def _collect_devices(now: datetime) -> Iterable[Metric]:
    rows = Device.objects.order_by().values_list("role", "state").annotate(n=Count("*"))
    yield _build_gauge(
        "devices",
        "Number of devices by role and state.",
        [({"role": role, "state": state}, n) for role, state, n in sorted(rows)],
    )
    yield _build_gauge(
        "devices_with_unknown_root",
        "Number of registered devices that trust a root the zone never issued.",
        [({}, Device.objects.filter(tables.with_unknown_root()).count())],
    )
    yield _build_gauge(
        "altered_rows",
        "Number of database rows that were changed outside ZCC, until an administrator decides.",
        [({}, AlteredRow.objects.count())],
    )
    try:
        count = count_devices_without_contact(Zone.objects.get_zone(), now)
    except NotFound:
        return
    yield _build_gauge(
        "devices_without_contact",
        ("Number of registered devices without contact for more than two refresh intervals."),
        [({}, count)],
    )


def _collect_findings(now: datetime) -> Iterable[Metric]:
    if (zone := Zone.objects.first()) is not None:
        yield _build_gauge(
            "health_check_findings",
            "Number of open findings of each health check.",
            [
                ({"check": result.check.key}, len(result.findings))
                for result in registry.run_checks(zone, now)
            ],
        )
