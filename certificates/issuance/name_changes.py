"""The names that new certificates add to servers and remove from them, before they are signed.

See: D-142
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audit.models import Entry
from certificates.models import FutureCertificate, Operation, ServerCertificate
from devices.models import Device
from devices.registration.certificate_names import NameChange, build_change, read_names

MAX_SHOWN = 50
MAX_RECORDED = 500


@dataclass(frozen=True)
class ServerNameChange:
    """The changed names of a server, with and without its additional DNS names."""

    server: str
    plain: NameChange
    """The change without additional DNS names."""
    full: NameChange
    """The change with additional DNS names."""

    @property
    def added_with_dns(self) -> list[str]:
        """Return the names that are new only if additional DNS names are included."""
        return [name for name in self.full.added if name not in self.plain.added]

    @property
    def removed_without_dns(self) -> list[str]:
        """Return the names that are removed only if additional DNS names are not included."""
        return [name for name in self.plain.removed if name not in self.full.removed]


def _read_current_names(devices: Iterable[Any]) -> dict[Any, tuple[str, ...]]:
    """Return the names in the current certificate of each server."""
    rows = ServerCertificate.objects.current().filter(device__in=list(devices))
    return {device: read_names(pem) for device, pem in rows.values_list("device_id", "chain_pem")}


def list_changes(servers: Iterable[Device]) -> list[ServerNameChange]:
    """Return the servers whose next certificate has other names than the current one."""
    servers = list(servers)
    current = _read_current_names(server.pk for server in servers)
    found = []
    for server in servers:
        before, plain = current.get(server.pk, ()), (server.fqdn, *server.addresses)
        change = ServerNameChange(
            server.name,
            plain=build_change(before, plain),
            full=build_change(before, (*plain, *server.dns_names)),
        )
        if any((change.plain.added, change.plain.removed, change.full.added, change.full.removed)):
            found.append(change)
    return found


def build_context(servers: Iterable[Device]) -> dict[str, Any]:
    """Return the template context of dialogs that lead to new certificates."""
    found = list_changes(servers)
    return {"name_changes": found[:MAX_SHOWN], "more_name_changes": len(found[MAX_SHOWN:])}


def record_changes(operation: Operation, futures: Iterable[FutureCertificate]) -> None:
    """Record which names the certificates of an operation add and remove."""
    futures = list(futures)
    current = _read_current_names(future.device_id for future in futures)
    detail = {}
    for future in futures:
        asked = future.csr_parameters or {}
        after = (*asked["dns_names"], *asked["addresses"])
        change = build_change(current.get(future.device_id, ()), after)
        if change.added or change.removed:
            detail[future.device.name] = {
                "before": list(change.before),
                "after": list(change.after),
            }
    if detail:
        Entry.objects.record(
            "certificate-names",
            f"certificates.Operation:{operation.pk}",
            about=[f"devices.Device:{future.device_id}" for future in futures],
            note=operation.name,
            detail={"servers": len(detail), "names": dict(list(detail.items())[:MAX_RECORDED])},
        )
