"""Servers that an administrator selected, frozen as they were listed.

An act is done on exactly the servers that were shown: what changed meanwhile is named, and the
list has to be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from certificates.models import FutureCertificate, ServerCertificate
from devices.models import Device
from faults import Conflict, Invalid

Frozen = dict[str, dict[str, Any]]
NAMED_AT_MOST = 5
# What may differ, and how it is told.
CHANGES = {
    "certificate": "The certificate of {name} was replaced meanwhile.",
    "future": "The new certificate of {name} changed meanwhile.",
    "names": "The names of {name} were changed meanwhile.",
}


def read_ids(given: Iterable[str]) -> list[UUID]:
    """Return the ids that a form sent, each once; nonsense is refused."""
    try:
        found = list(dict.fromkeys(UUID(text) for text in given))
    except ValueError as error:
        raise Invalid("The selection cannot be read. Nothing was changed.") from error
    if not found:
        raise Invalid("Select at least one server first. Nothing was changed.")
    return found


def servers(keys: Iterable[UUID | str]) -> list[Device]:
    """Return the servers of a selection that are still in the zone, by name."""
    return list(Device.objects.certified().filter(pk__in=list(keys)).order_by("name"))


def freeze(chosen: list[Device]) -> Frozen:
    """Return what is known now of each selected server, to compare with later."""
    current = ServerCertificate.objects.current().filter(device__in=chosen)
    digests = dict(current.values_list("device_id", "digest"))
    marks = {
        future.device_id: f"{future.pk} {future.state} {future.generation}"
        for future in FutureCertificate.objects.open().filter(device__in=chosen)
    }
    return {
        str(server.pk): {
            "name": server.name,
            "certificate": digests.get(server.pk, ""),
            "future": marks.get(server.pk, ""),
            "names": [server.fqdn, *server.dns_names, *server.addresses],
        }
        for server in chosen
    }


def differences(frozen: Frozen) -> list[str]:
    """Return in words what changed since the selection was listed, [] where nothing did."""
    now = freeze(servers(frozen))
    told = []
    for key, before in frozen.items():
        if key not in now:
            told.append(f"{before['name']} is not a server of this zone any more.")
            continue
        told += [
            text.format(name=before["name"])
            for part, text in CHANGES.items()
            if before[part] != now[key][part]
        ]
    return told


def futures_with(chosen: list[Device], *, csr: bool) -> list[FutureCertificate]:
    """Return the awaited external certificates of all selected servers, by name.

    Every server must qualify; those that do not are named, and nothing is done.
    """
    rows = FutureCertificate.objects.open().filter(device__in=chosen, authority__kind="external")
    found = list(rows.select_related("device", "authority", "operation").order_by("device__name"))
    fit = [row for row in found if row.csr_pem] if csr else found
    lacking = sorted({server.name for server in chosen} - {row.device.name for row in fit})
    if lacking:
        more = " …" if len(lacking) > NAMED_AT_MOST else ""
        named = ", ".join(lacking[:NAMED_AT_MOST]) + more
        what = "no CSR yet" if csr else "no certificate of an external CA to come"
        raise Conflict(
            f"{len(lacking)} of {len(chosen)} selected servers "
            f"{'has' if len(lacking) == 1 else 'have'} {what}: {named}. Nothing was changed.",
            action="Leave them out of the selection"
            + (", or generate their CSRs first." if csr else "."),
        )
    return fit
