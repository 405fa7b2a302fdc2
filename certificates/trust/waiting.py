"""Servers that wait: for approval, for the content of an update, or to be heard of again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _

from console.pages import times
from devices.inventory import tables
from devices.models import Device, Role, Zone
from devices.registration.states import DeviceState
from systemupdates.content import replica_status, replication
from systemupdates.models import Replica, SystemUpdate

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
        text = _("was last heard %s.") % times.ago(since, now) if since else _("was never heard.")
        todo = _("Start its agent, or look at its network; if it is gone for good, retire it.")
        yield Waiting(device=device, tone="bad", text=text, todo=todo, url=_page(device))


def _page(device: Device) -> str:
    return reverse("devices:device", args=[device.pk])
