"""Devices that come late: on the bridge, with an old root, or not refreshed (D-29, D-47)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, Count, Max, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from certificates.models import Authority, Bridge, Operation
from certificates.operations.states import AuthorityState
from certificates.trust import roots as trust_roots
from console.pages import times
from devices.models import Device

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
        return text % {"when": times.stamp(moment), "n": waiting}
    if waiting:
        text = _("its time is over, but %(n)d devices stand in the way; at the latest %(when)s")
        return text % {"n": waiting, "when": times.stamp(authority.not_after)}
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
