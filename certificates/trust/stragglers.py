"""Stragglers and waiting servers.

Stragglers are devices that do not use the current root yet or have not refreshed since the last
new certificate. Servers wait for approval, for the content of an update, or for contact.

See: docs/decisions.md D-29, D-47
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Case, CharField, Count, F, Max, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.models import Authority, CrossCertificate, Operation
from certificates.operations.states import AuthorityState
from certificates.trust import roots as trust_roots
from console.pages import formatting
from devices.inventory import tables
from devices.models import Device, Role, Zone
from devices.registration.states import DeviceState
from systemupdates.content import replica_status
from systemupdates.models import Replica, SystemUpdate
from systemupdates.updates.states import UPDATE_CLOSED

RELIES_ON_CROSS_CERTIFICATE, NOT_SWITCHED = "relies", "not-yet"
S = AuthorityState
MAX_PREVIOUS = 50
SHOWN_STATES = (S.CURRENT, S.FUTURE, S.GRACE)


@dataclass(frozen=True)
class RootStatus:
    """A current, future, or old root of the zone."""

    authority: Authority
    holders: int
    """The number of registered devices that use it as their current root."""
    cross_certificate_until: datetime | None
    """The end of the cross-certificate from it to the current root, None without one."""
    retires: str
    """When and on what condition it is retired, "" if it is not going to be retired."""
    tone: str
    hosts: int = 0
    """The number of certificates of it that hosts without an agent use."""


def list_previous() -> list[Authority]:
    """Return the last CAs of the zone that no device trusts any longer, newest first."""
    ended = Authority.objects.filter(state__in=(S.RETIRED, S.DISCARDED))
    return list(ended.order_by("-created_at", "pk")[:MAX_PREVIOUS])


def list_roots(now: datetime) -> list[RootStatus]:
    """Return the roots of the zone: the current one, the future one, then those in grace."""
    found = Authority.objects.filter(state__in=SHOWN_STATES)
    rows = Device.objects.registered().values_list("root_sha256").annotate(n=Count("*"))
    holders = dict(rows.order_by())
    cross_certificates = dict(
        CrossCertificate.objects.filter(subject__state=S.CURRENT).values_list("issuer", "not_after")
    )
    order = {state: number for number, state in enumerate(SHOWN_STATES)}
    return [
        RootStatus(
            authority=one,
            holders=holders.get(one.sha256, 0),
            cross_certificate_until=_get_future_time(cross_certificates.get(one.pk), now),
            retires=_describe_retirement(one, now),
            tone="warn" if one.state == S.GRACE else "good" if one.state == S.CURRENT else "wait",
            hosts=trust_roots.get_host_certificates(one, now).count(),
        )
        for one in sorted(found, key=lambda one: (order[S(one.state)], one.created_at))
    ]


def _get_future_time(not_after: datetime | None, now: datetime) -> datetime | None:
    return not_after if not_after is not None and not_after > now else None


def _describe_retirement(authority: Authority, now: datetime) -> str:
    """Return when a root in its grace period will be retired (D-28, D-317)."""
    if authority.state != S.GRACE or authority.grace_until is None:
        return ""
    hosts = trust_roots.get_host_certificates(authority, now)
    numbers = hosts.aggregate(count=Count("*"), until=Max("not_after"))
    text = _describe_retirement_time(authority, authority.grace_until, numbers["until"], now)
    if not numbers["count"]:
        return text
    left = _("Hosts without an agent that still use a certificate of this CA: %(n)s.")
    return f"{text}. {left % {'n': intcomma(numbers['count'])}}"


def _describe_retirement_time(
    authority: Authority, moment: datetime, hosts_until: datetime | None, now: datetime
) -> str:
    """Return when a root is retired. `hosts_until` is the end of the last certificate of hosts."""
    waiting = trust_roots.get_devices_without_current_root().count()
    if moment > now:
        text = _("%(when)s, if all devices use the current root by then")
        if waiting:
            text = _(
                "%(when)s, if all devices use the current root by then (devices remaining: %(n)s)"
            )
        return text % {"when": formatting.stamp(moment), "n": intcomma(waiting)}
    if waiting:
        text = _("overdue (devices that still need this root: %(n)s), no later than %(when)s")
        return text % {"n": waiting, "when": formatting.stamp(authority.not_after)}
    if hosts_until is not None:
        return _("overdue, no later than %(when)s") % {"when": formatting.stamp(hosts_until)}
    return _("now (the signed trust notice is being delivered)")


def get_stragglers() -> QuerySet[Any]:
    """Return the devices that do not use the current root yet, annotated with `status`."""
    return _add_status(trust_roots.get_devices_without_current_root())


def get_devices() -> QuerySet[Any]:
    """Return all registered devices, annotated with `status`, "" if they use the current root."""
    return _add_status(Device.objects.registered())


def _add_status(devices: QuerySet[Device]) -> QuerySet[Any]:
    """Return devices with `status`.

    A device that does not trust the current root needs the cross-certificate to reach its
    servers (D-29).
    """
    current = Authority.objects.current()
    trusts = Q(known__contains=current.sha256)
    # A device that has not reported its roots yet received the current ones when it registered.
    if current.activated_at is not None:
        trusts |= Q(root_sha256="", registered_at__gte=current.activated_at)
    return devices.annotate(known=Cast("trusted_sha256", TextField())).annotate(
        status=Case(
            When(root_sha256=current.sha256, then=Value("")),
            When(trusts, then=Value(NOT_SWITCHED)),
            default=Value(RELIES_ON_CROSS_CERTIFICATE),
            output_field=CharField(),
        )
    )


def count_by_status(every: QuerySet[Any]) -> dict[str, int]:
    """Return the number of devices by status."""
    rows = dict(every.order_by().values_list("status").annotate(n=Count("*")))
    return {key: rows.get(key, 0) for key in (RELIES_ON_CROSS_CERTIFICATE, NOT_SWITCHED)}


def has_cross_certificate(now: datetime) -> bool:
    """Return True if servers currently send a cross-certificate to the current root."""
    return CrossCertificate.objects.filter(subject__state=S.CURRENT, not_after__gt=now).exists()


def get_last_stored(operation: Operation) -> datetime | None:
    """Return when the last future certificate of an operation was stored, or None."""
    found: datetime | None = operation.futures.aggregate(at=Max("available_at"))["at"]
    return found


def get_not_refreshed(operation: Operation) -> QuerySet[Device]:
    """Return the devices without a refresh since the last new certificate was stored.

    They might not have the subjects or the servers of the new certificates yet (D-47).
    """
    stored = get_last_stored(operation)
    if stored is None:
        return Device.objects.none()
    late = Q(last_contact__lt=stored) | Q(last_contact=None)
    return Device.objects.registered().filter(late)


MAX_SERVERS = 20


@dataclass(frozen=True)
class WaitingServer:
    """A waiting server: the reason, the recommended action, and the page for it."""

    device: Device
    tone: str
    text: str
    todo: str
    url: str


def list_waiting_servers(
    zone: Zone, now: datetime, *, is_ca_expired: bool = False
) -> list[WaitingServer]:
    """Return up to MAX_SERVERS + 1 waiting servers, those that delay an update first.

    With an expired CA, no server has contact. It is the CA that has to be replaced.
    """
    found = [*_list_waiting_for_content(zone, now), *_list_waiting_for_approval()]
    if is_ca_expired:
        return found[: MAX_SERVERS + 1]
    found += _list_without_contact(zone, now, exclude={one.device.pk for one in found})
    return found[: MAX_SERVERS + 1]


def list_missing_replicas(
    update: SystemUpdate, zone: Zone, now: datetime
) -> list[replica_status.ReplicaRow]:
    """Return the content servers that do not have the content of an update yet."""
    rows = Replica.objects.filter(update=update).missing().select_related("server__parent")
    found = rows.order_by("server__name")[: MAX_SERVERS + 1]
    return [replica_status.build_row(replica, update, zone, now) for replica in found]


def _list_waiting_for_content(zone: Zone, now: datetime) -> Iterator[WaitingServer]:
    live = SystemUpdate.objects.visible().exclude(state__in=UPDATE_CLOSED).defer("envelope")
    rows = Replica.objects.missing().filter(update__in=live.values("pk"))
    rows = rows.select_related("server__parent", "update").order_by(
        F("update__assigned_at").asc(nulls_first=True), "server__name"
    )
    for replica in rows[: MAX_SERVERS + 1]:
        row = replica_status.build_row(replica, replica.update, zone, now)
        text = _("is waiting for the content of %(update)s: %(state)s.")
        yield WaitingServer(
            device=replica.server,
            tone="bad" if row.tone == "bad" else "warn",
            text=text % {"update": replica.update.name, "state": row.label},
            todo=row.todo,
            url=reverse("systemupdates:content", args=[replica.update_id]),
        )


def _list_waiting_for_approval() -> Iterator[WaitingServer]:
    waiting = Device.objects.filter(state=DeviceState.WAITING).exclude(role=Role.MANAGED)
    for device in waiting.order_by("name")[: MAX_SERVERS + 1]:
        yield WaitingServer(
            device=device,
            tone="warn",
            text=_("has registered and is waiting for approval."),
            todo=_("Approve or retire it on its device page."),
            url=_get_device_url(device),
        )


def _list_without_contact(
    zone: Zone, now: datetime, *, exclude: set[UUID]
) -> Iterator[WaitingServer]:
    """Yield the servers without recent contact, except those already listed."""
    # Not an exclusion of managed devices, which would read them.
    servers = Device.objects.filter(role__in=[role for role in Role if role != Role.MANAGED])
    without_contact = servers.filter(tables.without_contact(zone.refresh, now))
    found = without_contact.exclude(pk__in=exclude)
    for device in found.order_by(F("last_contact").asc(nulls_first=True), "name")[
        : MAX_SERVERS + 1
    ]:
        since = device.last_contact
        text = (
            _("was last in contact %s.") % formatting.ago(since, now)
            if since
            else _("has never been in contact.")
        )
        todo = _(
            "Start the agent or check the network connection. If the "
            "server will not return, retire it."
        )
        yield WaitingServer(
            device=device, tone="bad", text=text, todo=todo, url=_get_device_url(device)
        )


def _get_device_url(device: Device) -> str:
    return reverse("devices:device", args=[device.pk])
