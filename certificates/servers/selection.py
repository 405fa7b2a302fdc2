"""Servers that an administrator selected, frozen as they were listed.

An act is done on exactly the servers that were shown: what changed meanwhile is named, and the
list has to be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import FutureCertificate, ServerCertificate
from certificates.models.server import FutureCertificateQuerySet
from certificates.operations.states import GIVEN, FutureState
from certificates.servers import table
from console.pages.tables import Asked
from devices.models import Device
from faults import Invalid
from wire import messages

Frozen = dict[str, dict[str, Any]]
NAMED_AT_MOST = 5
EVERY = "all"
# What may differ, and how it is told.
CHANGES = {
    "certificate": gettext_lazy("The certificate of %(name)s was replaced meanwhile."),
    "future": gettext_lazy("The new certificate of %(name)s changed meanwhile."),
    "names": gettext_lazy("The names of %(name)s were changed meanwhile."),
}


def chosen(given: QueryDict, now: datetime) -> QuerySet[Device]:
    """Return the servers that a form speaks of: those it names, or all that its filter leaves.

    The latter may leave out some by name: those whose mark was taken off again.
    """
    every = Device.objects.certified()
    if given.get("scope") != EVERY:
        return every.filter(pk__in=_read_ids(given.getlist("ids")))
    updates = [o.update_id for o in table.running() if o.update_id is not None]
    found = table.matching(table.servers(now, updates), Asked.read(given), now)
    but = _read_ids(given.getlist("except"))
    return every.filter(pk__in=found.exclude(pk__in=but).values("pk"))


def _read_ids(given: Iterable[str]) -> list[UUID]:
    """Return the ids that a form sent, each once: in one field or in many; nonsense is refused."""
    parts = [part for text in given for part in text.split(",") if part]
    try:
        return list(dict.fromkeys(map(UUID, parts)))
    except ValueError as error:
        raise Invalid(_("The selection cannot be read. Nothing was changed.")) from error


def servers(keys: Iterable[UUID | str]) -> list[Device]:
    """Return the servers of a selection that are still in the zone, by name."""
    return list(Device.objects.certified().filter(pk__in=list(keys)).order_by("name"))


@dataclass(frozen=True)
class Short:
    """Selected servers that an act does not suit: how many, and the first of them by name."""

    n: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What decides which acts suit the selected servers."""

    servers: int = 0
    waiting: Short = Short()
    not_external: Short = Short()
    without_csr: Short = Short()
    activating: Short = Short()
    too_old: Short = Short()


def facts(selected: QuerySet[Device]) -> Facts:
    """Look at the selected servers: one query, and one more for each thing that some lack."""
    coming = FutureCertificate.objects.open().filter(device=OuterRef("pk"))
    external = _external().foremost().filter(device=OuterRef("pk"))
    given = external.filter(state=FutureState.UPLOADED, operation__state__in=GIVEN)
    shortages = {
        "waiting": Q(Exists(coming)),
        "not_external": ~Q(Exists(external)),
        "without_csr": ~Q(Exists(external.exclude(csr_pem=""))),
        "activating": Q(Exists(given)),
        "too_old": Q(Exists(external)) & ~Q(features__icontains=messages.FEATURE_CSR),
    }
    counts = {name: Count("pk", filter=condition) for name, condition in shortages.items()}
    numbers = selected.aggregate(servers=Count("pk"), **counts)
    found = {
        field.name: Short(numbers[field.name], _names(selected.filter(shortages[field.name])))
        for field in fields(Facts)
        if field.name in shortages and numbers[field.name]
    }
    return Facts(servers=numbers["servers"], **found)


def _external() -> FutureCertificateQuerySet:
    return FutureCertificate.objects.open().filter(authority__kind="external")


def _names(found: QuerySet[Device]) -> tuple[str, ...]:
    return tuple(found.order_by("name").values_list("name", flat=True)[:NAMED_AT_MOST])


def satellites_of(selected: list[Device]) -> list[Device]:
    """Return the Authentication Satellites that belong to selected servers and are not selected.

    A remint offers them along; one that waits for a new certificate already is left alone.
    """
    waiting = FutureCertificate.objects.open().values("device")
    mine = Device.objects.certified().filter(parent__in=selected).exclude(role=messages.PRIMARY)
    keys = [server.pk for server in selected]
    return list(mine.exclude(pk__in=keys).exclude(pk__in=waiting).order_by("name"))


def freeze(chosen: list[Device]) -> Frozen:
    """Return what is known now of each selected server, to compare with later."""
    current = ServerCertificate.objects.current().filter(device__in=chosen)
    digests = dict(current.values_list("device_id", "digest"))
    marks = {
        future.device_id: f"{future.pk} {future.state} {future.generation}"
        for future in FutureCertificate.objects.open().filter(device__in=chosen).foremost()
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
            told.append(_("%s is not a server of this zone any more.") % before["name"])
            continue
        told += [
            text % {"name": before["name"]}
            for part, text in CHANGES.items()
            if before[part] != now[key][part]
        ]
    return told


def futures_of(chosen: list[Device]) -> list[FutureCertificate]:
    """Return the certificate of an external CA that each of the servers waits for, by name."""
    return _by_name(_external().foremost().filter(device__in=chosen))


def every_future_of(chosen: list[Device]) -> list[FutureCertificate]:
    """Return all that the servers wait for, first ones too: an import knows each by its key."""
    return _by_name(_external().filter(device__in=chosen))


def _by_name(rows: FutureCertificateQuerySet) -> list[FutureCertificate]:
    return list(rows.select_related("device", "authority", "operation").order_by("device__name"))
