"""Servers that an administrator has selected, with a snapshot of what was shown.

An action applies only to the servers as they were shown. If one has changed since, the change is
reported and the list must be reviewed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import FutureCertificate, ServerCertificate
from certificates.models.server import FutureCertificateQuerySet
from certificates.operations.states import ACTIVATION_ORDERED, FutureState
from certificates.servers import table
from console.pages.tables import TableQuery
from devices.models import Device
from faults import Invalid
from wire import messages

Snapshot = dict[str, dict[str, Any]]
MAX_NAMES = 5
ALL = "all"
# Messages for the parts of a snapshot that can change.
CHANGES = {
    "certificate": gettext_lazy("The certificate for %(name)s has been replaced in the meantime."),
    "future": gettext_lazy("The new certificate for %(name)s has changed in the meantime."),
    "names": gettext_lazy("The DNS names of %(name)s have changed in the meantime."),
}


def get_selected_servers(given: QueryDict, now: datetime) -> QuerySet[Device]:
    """Return the servers that a form selects: by id, or all that match its filter.

    With a filter, the form can exclude servers whose checkbox was cleared.
    """
    certified = Device.objects.certified()
    if given.get("scope") != ALL:
        return certified.filter(pk__in=_read_ids(given.getlist("ids")))
    updates = [o.update_id for o in table.list_running_operations() if o.update_id is not None]
    found = table.filter_servers(table.get_servers(now, updates), TableQuery.parse(given), now)
    excluded = _read_ids(given.getlist("except"))
    return certified.filter(pk__in=found.exclude(pk__in=excluded).values("pk"))


def get_exported_servers(request: HttpRequest, now: datetime) -> QuerySet[Device] | None:
    """Return the servers selected for a CSV file, None for all that match the filter.

    Raises Invalid if no server is selected.
    """
    if request.method != "POST":
        return None
    selected = get_selected_servers(request.POST, now)
    if not selected.exists():
        raise Invalid(_("Select at least one row. No file was created."))
    return selected


def _read_ids(given: Iterable[str]) -> list[UUID]:
    """Return the distinct ids in form fields. A field can contain several, separated by commas."""
    parts = [part for text in given for part in text.split(",") if part]
    try:
        return list(dict.fromkeys(map(UUID, parts)))
    except ValueError as error:
        raise Invalid(_("The selection is invalid. Nothing was changed.")) from error


def get_servers(keys: Iterable[UUID | str]) -> list[Device]:
    """Return the servers of a selection that are still in the zone, sorted by name."""
    return list(Device.objects.certified().filter(pk__in=list(keys)).order_by("name"))


@dataclass(frozen=True)
class BlockedServers:
    """Selected servers for which an action is not available: their number and first names."""

    count: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelectionFacts:
    """Properties of the selected servers that decide which actions are available."""

    servers: int = 0
    waiting: BlockedServers = BlockedServers()
    not_external: BlockedServers = BlockedServers()
    without_csr: BlockedServers = BlockedServers()
    activating: BlockedServers = BlockedServers()
    too_old: BlockedServers = BlockedServers()


def get_selection_facts(selected: QuerySet[Device]) -> SelectionFacts:
    """Return the facts about the selected servers.

    Uses one query, and one more for each reason that blocks some of them.
    """
    pending = FutureCertificate.objects.open().filter(device=OuterRef("pk"))
    external = _get_open_external_futures().one_per_device().filter(device=OuterRef("pk"))
    ordered = external.filter(state=FutureState.UPLOADED, operation__state__in=ACTIVATION_ORDERED)
    blockers = {
        "waiting": Q(Exists(pending)),
        "not_external": ~Q(Exists(external)),
        "without_csr": ~Q(Exists(external.exclude(csr_pem=""))),
        "activating": Q(Exists(ordered)),
        "too_old": Q(Exists(external)) & ~Q(features__icontains=messages.FEATURE_CSR),
    }
    counts = {name: Count("pk", filter=condition) for name, condition in blockers.items()}
    numbers = selected.aggregate(servers=Count("pk"), **counts)
    found = {
        field.name: BlockedServers(
            numbers[field.name], _get_first_names(selected.filter(blockers[field.name]))
        )
        for field in fields(SelectionFacts)
        if field.name in blockers and numbers[field.name]
    }
    return SelectionFacts(servers=numbers["servers"], **found)


def _get_open_external_futures() -> FutureCertificateQuerySet:
    return FutureCertificate.objects.open().filter(authority__kind="external")


def _get_first_names(found: QuerySet[Device]) -> tuple[str, ...]:
    return tuple(found.order_by("name").values_list("name", flat=True)[:MAX_NAMES])


def get_satellites(selected: list[Device]) -> list[Device]:
    """Return the Authentication Satellites of the selected servers that are not selected.

    A remint offers to include them. Satellites with a pending certificate are not returned.
    """
    pending = FutureCertificate.objects.open().values("device")
    satellites = (
        Device.objects.certified().filter(parent__in=selected).exclude(role=messages.PRIMARY)
    )
    keys = [server.pk for server in selected]
    return list(satellites.exclude(pk__in=keys).exclude(pk__in=pending).order_by("name"))


def build_snapshot(chosen: list[Device]) -> Snapshot:
    """Return a snapshot of each selected server, for comparison by `list_changes`."""
    current = ServerCertificate.objects.current().filter(device__in=chosen)
    digests = dict(current.values_list("device_id", "digest"))
    futures = {
        future.device_id: f"{future.pk} {future.state} {future.generation}"
        for future in FutureCertificate.objects.open().filter(device__in=chosen).one_per_device()
    }
    return {
        str(server.pk): {
            "name": server.name,
            "certificate": digests.get(server.pk, ""),
            "future": futures.get(server.pk, ""),
            "names": [server.fqdn, *server.dns_names, *server.addresses],
        }
        for server in chosen
    }


def list_changes(frozen: Snapshot) -> list[str]:
    """Return a message for each change since the snapshot was built."""
    now = build_snapshot(get_servers(frozen))
    changes = []
    for key, before in frozen.items():
        if key not in now:
            changes.append(_("%s is no longer a server in this zone.") % before["name"])
            continue
        changes += [
            text % {"name": before["name"]}
            for part, text in CHANGES.items()
            if before[part] != now[key][part]
        ]
    return changes


def get_external_futures(chosen: list[Device]) -> list[FutureCertificate]:
    """Return the pending certificates from an external CA, one per server, sorted by name."""
    return _sort_by_name(_get_open_external_futures().one_per_device().filter(device__in=chosen))


def get_futures(chosen: list[Device]) -> list[FutureCertificate]:
    """Return all pending certificates from an external CA, including initial ones."""
    return _sort_by_name(_get_open_external_futures().filter(device__in=chosen))


def _sort_by_name(rows: FutureCertificateQuerySet) -> list[FutureCertificate]:
    return list(rows.select_related("device", "authority", "operation").order_by("device__name"))


def get_future(device: Device) -> FutureCertificate | None:
    """Return the pending certificate of a server. One of an operation comes before its initial."""
    rows = FutureCertificate.objects.open().filter(device=device).one_per_device()
    return rows.select_related("device", "authority", "operation").first()


def get_current(device: Device) -> ServerCertificate | None:
    """Return the certificate that a server uses, or None if it does not have one yet."""
    return device.certificates.filter(superseded_at=None).first()


def get_file_name(device: Device) -> str:
    """Return the base name of the files of a server."""
    name = device.fqdn or device.name
    return "".join(char if char.isalnum() or char in ".-" else "_" for char in name)
