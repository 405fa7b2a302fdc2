"""Devices that come late: on the bridge, with an old root, or not refreshed (D-29, D-47).

Servers that wait: for approval, for the content of an update, or to be heard of again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Count, F, Max, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.models import Authority, Bridge, Operation
from certificates.operations.states import AuthorityState
from certificates.trust import roots as trust_roots
from console.pages import formatting
from devices.inventory import tables
from devices.models import Device, Role, Zone
from devices.registration.states import DeviceState
from systemupdates.content import replica_status, replication
from systemupdates.models import Replica, SystemUpdate

RELIES, NOT_YET = "relies", "not-yet"
S = AuthorityState
SHOWN = (S.CURRENT, S.FUTURE, S.GRACE)


@dataclass(frozen=True)
class Root:
    """One root that the zone trusts or is about to, with what keeps it."""

    authority: Authority
    holders: int
    """How many registered devices have made it their current root."""
    bridge_until: datetime | None
    """Until when servers send a bridge from it to the current root; None where there is none."""
    retires: str
    """When and on what condition it is retired; "" for a root that stays."""
    tone: str


def roots(now: datetime) -> list[Root]:
    """Return the zone's roots, the current one first, then those that are to come and to go."""
    found = Authority.objects.filter(state__in=SHOWN)
    rows = Device.objects.registered().values_list("root_sha256").annotate(n=Count("*"))
    holders = dict(rows.order_by())
    bridges = dict(
        Bridge.objects.filter(subject__state=S.CURRENT).values_list("issuer", "not_after")
    )
    order = {state: number for number, state in enumerate(SHOWN)}
    return [
        Root(
            authority=one,
            holders=holders.get(one.sha256, 0),
            bridge_until=_served(bridges.get(one.pk), now),
            retires=_retires(one, now),
            tone="warn" if one.state == S.GRACE else "good" if one.state == S.CURRENT else "wait",
        )
        for one in sorted(found, key=lambda one: (order[S(one.state)], one.created_at))
    ]


def _served(not_after: datetime | None, now: datetime) -> datetime | None:
    return not_after if not_after is not None and not_after > now else None


def _retires(authority: Authority, now: datetime) -> str:
    """Return when a root in grace goes (drop rules, D-28)."""
    moment = authority.grace_until
    if authority.state != S.GRACE or moment is None:
        return ""
    waiting = trust_roots.in_the_way().count()
    if moment > now:
        text = _("at %(when)s, once every device uses the current root (now %(n)d do not)")
        return text % {"when": formatting.stamp(moment), "n": waiting}
    if waiting:
        text = _("its time is over, but %(n)d devices stand in the way; at the latest %(when)s")
        return text % {"n": waiting, "when": formatting.stamp(authority.not_after)}
    return _("now: the signed notice is on its way")


def standing_back() -> QuerySet[Any]:
    """Return the devices that do not use the current root yet, each with how it stands.

    Who does not even trust that root reaches the servers through the bridge alone (D-29).
    """
    current = Authority.objects.current()
    trusts = Q(known__contains=current.sha256)
    # A device that never told what it trusts got the trust of its time when it registered.
    if current.activated_at is not None:
        trusts |= Q(root_sha256="", registered_at__gte=current.activated_at)
    return (
        trust_roots.in_the_way()
        .annotate(known=Cast("trusted_sha256", TextField()))
        .annotate(
            standing=Case(
                When(trusts, then=Value(NOT_YET)),
                default=Value(RELIES),
                output_field=CharField(),
            )
        )
    )


def count(every: QuerySet[Any]) -> dict[str, int]:
    """Return how many of these devices stand in which way."""
    rows = dict(every.order_by().values_list("standing").annotate(n=Count("*")))
    return {key: rows.get(key, 0) for key in (RELIES, NOT_YET)}


def is_bridged(now: datetime) -> bool:
    """Tell whether servers send a bridge to the current root now."""
    return Bridge.objects.filter(subject__state=S.CURRENT, not_after__gt=now).exists()


def last_stored(operation: Operation) -> datetime | None:
    """Return when the last future certificate of an operation was stored."""
    found: datetime | None = operation.futures.aggregate(at=Max("made_at"))["at"]
    return found


def not_refreshed(operation: Operation) -> QuerySet[Device]:
    """Return the devices that have not refreshed since the last new certificate was stored.

    They may not know the subject or the servers of the new certificates yet (D-47).
    """
    stored = last_stored(operation)
    if stored is None:
        return Device.objects.none()
    late = Q(last_contact__lt=stored) | Q(last_contact=None)
    return Device.objects.registered().filter(late)


AT_MOST = 20


@dataclass(frozen=True)
class Waiting:
    """One server, what it waits for, what can be done, and where."""

    device: Device
    tone: str
    text: str
    todo: str
    url: str


def servers(zone: Zone, now: datetime) -> list[Waiting]:
    """Return the servers that wait; what holds an update up comes first, AT_MOST + 1 in all."""
    found = [*_for_content(zone, now), *_for_approval()]
    found += _for_contact(zone, now, but={one.device.pk for one in found})
    return found[: AT_MOST + 1]


def for_content(update: SystemUpdate, zone: Zone, now: datetime) -> list[replica_status.Row]:
    """Return the content servers that an update waits for."""
    rows = Replica.objects.filter(update=update).missing().select_related("server__parent")
    found = rows.order_by("server__name")[: AT_MOST + 1]
    return [replica_status.row(replica, update, zone, now) for replica in found]


def _for_content(zone: Zone, now: datetime) -> Iterator[Waiting]:
    live = SystemUpdate.objects.shown().exclude(state__in=replication.OVER).defer("envelope")
    rows = Replica.objects.missing().filter(update__in=live.values("pk"))
    rows = rows.select_related("server__parent", "update").order_by(
        F("update__assigned_at").asc(nulls_first=True), "server__name"
    )
    for replica in rows[: AT_MOST + 1]:
        row = replica_status.row(replica, replica.update, zone, now)
        text = _("waits for the content of %(update)s: %(state)s.")
        yield Waiting(
            device=replica.server,
            tone="bad" if row.tone == "bad" else "warn",
            text=text % {"update": replica.update.name, "state": row.label},
            todo=row.todo,
            url=reverse("systemupdates:content", args=[replica.update_id]),
        )


def _for_approval() -> Iterator[Waiting]:
    waiting = Device.objects.filter(state=DeviceState.WAITING).exclude(role=Role.MANAGED)
    for device in waiting.order_by("name")[: AT_MOST + 1]:
        yield Waiting(
            device=device,
            tone="warn",
            text=_("has registered and waits for approval."),
            todo=_("Approve it on its page, or retire it."),
            url=_page(device),
        )


def _for_contact(zone: Zone, now: datetime, *, but: set[UUID]) -> Iterator[Waiting]:
    """Yield the servers that the list of devices calls silent, without those told already."""
    silent = Device.objects.filter(tables.silent(zone.refresh, now)).exclude(role=Role.MANAGED)
    found = silent.exclude(pk__in=but)
    for device in found.order_by(F("last_contact").asc(nulls_first=True), "name")[: AT_MOST + 1]:
        since = device.last_contact
        text = (
            _("was last heard %s.") % formatting.ago(since, now) if since else _("was never heard.")
        )
        todo = _("Start its agent, or look at its network; if it is gone for good, retire it.")
        yield Waiting(device=device, tone="bad", text=text, todo=todo, url=_page(device))


def _page(device: Device) -> str:
    return reverse("devices:device", args=[device.pk])
