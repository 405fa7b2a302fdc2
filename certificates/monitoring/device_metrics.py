"""Metrics of devices: contact, trust, and versions of agents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Max, Sum
from prometheus_client.metrics_core import Metric

from audit.models import AlteredRow
from certificates.models import Authority
from certificates.monitoring.families import build_counter, build_gauge
from certificates.operations.states import AuthorityState
from devices.inventory import tables
from devices.inventory.tables import count_devices_without_contact
from devices.models import Device, Role, Zone
from faults import NotFound

# Versions are reported by devices. More of them would be an attack on the monitoring system.
MAX_VERSIONS = 20
OTHER_VERSIONS = "other"
# The value of the label `root` for each state of a CA. Devices use other roots as "unknown".
ROOTS = {
    AuthorityState.CURRENT: "current",
    AuthorityState.FUTURE: "new",
    AuthorityState.GRACE: "old",
    AuthorityState.RETIRED: "old",
    AuthorityState.DISCARDED: "discarded",
}
NOT_REPORTED, UNKNOWN = "not_reported", "unknown"


def collect_devices(now: datetime) -> Iterable[Metric]:
    """Return the metrics of all devices."""
    rows = Device.objects.order_by().values_list("role", "state").annotate(n=Count("*"))
    yield build_gauge(
        "devices",
        "Number of devices by role and state.",
        [({"role": role, "state": state}, n) for role, state, n in sorted(rows)],
    )
    yield from _collect_trust()
    yield from _collect_versions()
    yield from _collect_contacts(now)
    yield build_gauge(
        "altered_rows",
        "Number of database rows that were changed outside ZCC, until an administrator decides.",
        [({}, AlteredRow.objects.count())],
    )


def _collect_trust() -> Iterable[Metric]:
    yield build_gauge(
        "devices_by_root",
        (
            "Number of registered devices by the root that they use: current, new, old, "
            "discarded, unknown to the zone, or not_reported."
        ),
        [({"root": root}, n) for root, n in sorted(_count_devices_by_root().items())],
    )
    yield build_gauge(
        "devices_with_unknown_root",
        "Number of registered devices that trust a root the zone never issued.",
        [({}, Device.objects.filter(tables.with_unknown_root()).count())],
    )


def _count_devices_by_root() -> Counter[str]:
    found = Counter(dict.fromkeys((*ROOTS.values(), NOT_REPORTED, UNKNOWN), 0))
    states = dict(Authority.objects.values_list("sha256", "state"))
    rows = Device.objects.registered().order_by().values_list("root_sha256")
    for digest, n in rows.annotate(n=Count("*")):
        state = states.get(digest)
        unlisted = UNKNOWN if digest else NOT_REPORTED
        found[ROOTS[AuthorityState(state)] if state else unlisted] += n
    return found


def _collect_versions() -> Iterable[Metric]:
    rows = Device.objects.registered().order_by().values_list("version")
    versions = Counter(dict(rows.annotate(n=Count("*"))))
    shown = versions.most_common(MAX_VERSIONS)
    rest = versions.total() - sum(n for _, n in shown)
    yield build_gauge(
        "devices_by_agent_version",
        f"Number of registered devices by agent version, for the {MAX_VERSIONS} most frequent.",
        [
            *(({"version": version}, n) for version, n in sorted(shown)),
            *([({"version": OTHER_VERSIONS}, rest)] if rest else []),
        ],
    )


def _collect_contacts(now: datetime) -> Iterable[Metric]:
    servers = Device.objects.registered().exclude(role=Role.MANAGED)
    rows = servers.order_by("name").values_list("name", "last_contact")
    yield build_gauge(
        "server_last_contact_age_seconds",
        "Time since the last contact of each server.",
        [({"server": name}, (now - at).total_seconds()) for name, at in rows if at is not None],
    )
    latest = Device.objects.registered().order_by().values_list("role")
    yield build_gauge(
        "latest_contact_age_seconds",
        "Time since any device of a role had contact.",
        [
            ({"role": role}, (now - at).total_seconds())
            for role, at in sorted(latest.annotate(at=Max("last_contact")))
            if at is not None
        ],
    )
    rejected = Device.objects.aggregate(n=Sum("failed_contacts"))["n"] or 0
    yield build_counter(
        "rejected_contacts",
        "Number of connections on which devices rejected the certificate of a server.",
        rejected,
    )
    try:
        count = count_devices_without_contact(Zone.objects.get_zone(), now)
    except NotFound:
        return
    yield build_gauge(
        "devices_without_contact",
        ("Number of registered devices without contact for more than two refresh intervals."),
        [({}, count)],
    )
