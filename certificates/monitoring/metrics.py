"""Metrics of the zone for Prometheus.

The values are read from the database for each request, so every process returns the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Count, Max, Min
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from certificates.backup.metrics import collect_backups
from certificates.models import (
    Authority,
    FutureCertificate,
    Operation,
    ServerCertificate,
    VaultJob,
    WorkDuration,
)
from certificates.monitoring import device_metrics, health, workers
from certificates.monitoring.checks import registry
from certificates.monitoring.families import build_gauge
from certificates.operations.states import AuthorityState, FutureState
from certificates.revocation import lists, ocsp
from certificates.servers.table import list_running_operations
from certificates.tasks import publisher
from devices.models import Zone
from systemupdates.models import Assignment


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
            _collect_revocation_lists,
            _collect_ocsp_responses,
            _collect_ca_backups,
            collect_backups,
            _collect_signing,
            _collect_operations,
            device_metrics.collect_devices,
            _collect_findings,
        ):
            yield from collect(now)


def render_metrics(now: datetime, accept: str = "") -> tuple[bytes, str]:
    """Return all metrics in the format that the caller accepts, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ZoneCollector(now))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def _collect_components(now: datetime) -> Iterable[Metric]:
    states = health.get_component_states(now)
    yield build_gauge(
        "component_up",
        (
            "Whether the component is healthy (1) or not (0). Components: "
            "database, broker, worker, beat, vault, disk."
        ),
        [({"component": name}, state == health.OK) for name, state in states.items()],
    )
    last = workers.get_last_heartbeat()
    if last is not None:
        age = (now - last).total_seconds()
        yield build_gauge(
            "worker_heartbeat_age_seconds", "Time since the last worker heartbeat.", [({}, age)]
        )
    yield build_gauge(
        "disk_free_bytes", "Free disk space on this server.", [({}, health.get_free_bytes())]
    )


def _collect_queues(now: datetime) -> Iterable[Metric]:
    found = health.get_queue_states(health.list_queues()) or {}
    yield build_gauge(
        "queue_length",
        "Number of tasks waiting in a queue.",
        [({"queue": name}, queue.length) for name, queue in found.items()],
    )
    yield build_gauge(
        "queue_age_seconds",
        "Minimum age of the oldest task in a queue.",
        [({"queue": name}, queue.age(now)) for name, queue in found.items()],
    )
    yield build_gauge(
        "wakeups_pending",
        "Number of tasks of this process that the broker has not accepted yet.",
        [({}, publisher.count_pending())],
    )


def _collect_certificates(now: datetime) -> Iterable[Metric]:
    authorities = Authority.objects.filter(state__in=("current", "future", "grace"))
    yield build_gauge(
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
    yield build_gauge(
        "server_certificate_expires_in_seconds",
        "Time until the server certificate expires. Negative after expiration.",
        [({"server": name}, (end - now).total_seconds()) for name, end in rows],
    )
    pending = FutureCertificate.objects.filter(state=FutureState.CSR_GENERATED).count()
    yield build_gauge(
        "csrs_pending_external",
        ("Number of CSRs pending signature by an external CA."),
        [({}, pending)],
    )


def _collect_revocation_lists(now: datetime) -> Iterable[Metric]:
    yield build_gauge(
        "crl_expires_in_seconds",
        "Time until the revocation list of a CA expires. Negative after expiration.",
        _get_times_left(lists.list_statuses(now), now),
    )


def _collect_ocsp_responses(now: datetime) -> Iterable[Metric]:
    yield build_gauge(
        "ocsp_expires_in_seconds",
        "Time until the oldest OCSP response of a CA expires. Negative after expiration.",
        _get_times_left(ocsp.list_statuses(now), now),
    )


def _get_times_left(
    statuses: Sequence[lists.ListStatus] | Sequence[ocsp.ResponderStatus], now: datetime
) -> list[tuple[dict[str, str], float]]:
    """Return the seconds until the next update of each CA. A CA without a list has none."""
    return [
        (
            {"subject": status.authority.subject, "sha256": status.authority.sha256},
            (status.next_update - now).total_seconds(),
        )
        for status in statuses
        if status.next_update is not None
    ]


def _collect_ca_backups(now: datetime) -> Iterable[Metric]:
    """Yield nothing about a CA whose key is not in the zone or cannot be exported."""
    current = Authority.objects.filter(state=AuthorityState.CURRENT).first()
    if current is None or not current.needs_backup:
        return
    last = VaultJob.objects.backups(current).aggregate(last=Max("ended_at"))["last"]
    yield build_gauge(
        "ca_has_backup",
        "Whether the key of the current zone CA has a backup (1) or not (0).",
        [({}, last is not None)],
    )
    if last is not None:
        yield build_gauge(
            "ca_backup_age_seconds",
            "Time since the last backup of the current zone CA.",
            [({}, (now - last).total_seconds())],
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
    yield build_gauge(
        "csrs_pending",
        ("Number of CSRs pending signature by the zone CA."),
        [({}, rows.count())],
    )
    yield build_gauge(
        "signing_age_seconds",
        "Age of the oldest CSR waiting for the zone CA.",
        [({}, max(0.0, age))],
    )


def _collect_operations(now: datetime) -> Iterable[Metric]:
    found = list_running_operations()
    yield build_gauge(
        "operation_info",
        "1 for each operation in progress.",
        [({"id": str(o.pk), "kind": o.kind, "state": o.state}, 1) for o in found],
    )
    blocking = sum(operation.is_blocking for operation in found)
    yield build_gauge(
        "operations_blocking",
        ("Number of operations that block other operations."),
        [({}, blocking)],
    )
    states = Operation.objects.order_by().values_list("kind", "state").annotate(n=Count("*"))
    yield build_gauge(
        "operations",
        "Number of operations by kind and state.",
        [({"kind": kind, "state": state}, n) for kind, state, n in sorted(states)],
    )
    updates = [operation.update_id for operation in found if operation.update_id]
    outstanding = Assignment.objects.filter(update__in=updates).outstanding().count()
    yield build_gauge(
        "devices_outstanding",
        ("Number of devices for which an operation is outstanding."),
        [({}, outstanding)],
    )


def _collect_findings(now: datetime) -> Iterable[Metric]:
    if (zone := Zone.objects.first()) is not None:
        yield build_gauge(
            "health_check_findings",
            "Number of open findings of each health check.",
            [
                ({"check": result.check.key}, len(result.findings))
                for result in registry.run_checks(zone, now)
            ],
        )
