"""What expires soon, and whom it is told: the zone CA and the servers' certificates (D-46)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Authority, ServerCertificate
from certificates.models.server import ServerCertificateQuerySet
from console.models import Preferences
from console.pages.formatting import SOON, span
from wire import messages

# Below this it is told at every login, before at most once in so long.
URGENT = timedelta(days=5)
TOLD_EVERY = timedelta(hours=24)
CA, SERVERS_EXPIRED, SERVERS_EXPIRING = "ca", "expired", "expiring"


@dataclass(frozen=True)
class ExpiryWarning:
    """One thing that ends soon or has ended. `about` names the CA or the chip of the servers."""

    about: str
    text: str
    expires_at: datetime
    expired: bool = False

    def is_urgent(self, now: datetime) -> bool:
        """Tell whether it is told at every login."""
        return self.expires_at - now < URGENT


def warnings(now: datetime) -> list[ExpiryWarning]:
    """Return what is to be warned about now, the zone CA first; [] where all is well.

    Whoever tells it (a login, a banner, a mail) decides how often.
    """
    return [*_of_ca(now), *of_servers(now)]


def due(user: User, now: datetime) -> list[ExpiryWarning]:
    """Return what to tell a user who logs in, and remember that it was told."""
    found = warnings(now)
    if not found:
        return []
    mine, _created = Preferences.objects.get_or_create(user=user)
    if mine.warned_at is not None and now - mine.warned_at < TOLD_EVERY:
        return [warning for warning in found if warning.is_urgent(now)]
    Preferences.objects.filter(pk=mine.pk).update(warned_at=now)
    return found


def _of_ca(now: datetime) -> list[ExpiryWarning]:
    authority = Authority.objects.filter(state="current").first()
    if authority is None or authority.not_after - now >= SOON:
        return []
    left = authority.not_after - now
    expired = authority.has_expired(now)
    text = (
        _("The Zone CA expired %s ago.") % span(-left)
        if expired
        else _("The Zone CA will expire in %s.") % span(left)
    )
    return [ExpiryWarning(CA, text, authority.not_after, expired)]


def of_servers(now: datetime) -> list[ExpiryWarning]:
    """Return the warnings about server certificates: one of those past, one of those to come."""
    shown = _shown().filter(not_after__lt=now + SOON)
    past, coming = Q(not_after__lt=now), Q(not_after__gte=now)
    found = shown.aggregate(
        expired=Count("pk", filter=past),
        last=Max("not_after", filter=past),
        expiring=Count("pk", filter=coming),
        first=Min("not_after", filter=coming),
    )
    return in_words(found, now)


def _shown() -> ServerCertificateQuerySet:
    certified = {"device__state": "registered", "device__role__in": messages.CERTIFIED_ROLES}
    return ServerCertificate.objects.current().filter(**certified)


def in_words(found: dict[str, Any], now: datetime) -> list[ExpiryWarning]:
    """Return the warnings of what was counted: how many and when, `last` past and `first` to come.

    Only the names are looked up.
    """
    shown = _shown()
    told = []
    if found["expired"]:
        text = ngettext(
            "The certificate of %(name)s expired %(span)s ago.",
            "%(n)d server certificates have expired, that of %(name)s %(span)s ago.",
            found["expired"],
        )
        last = found["last"]
        name = _name(shown, last)
        told.append(
            ExpiryWarning(
                SERVERS_EXPIRED,
                text % {"n": found["expired"], "name": name, "span": span(now - last)},
                last,
                expired=True,
            )
        )
    if found["expiring"]:
        text = ngettext(
            "The certificate of %(name)s will expire in %(span)s.",
            "%(n)d server certificates will expire within 90 days, that of %(name)s in %(span)s.",
            found["expiring"],
        )
        first = found["first"]
        name = _name(shown, first)
        words = {"n": found["expiring"], "name": name, "span": span(first - now)}
        told.append(ExpiryWarning(SERVERS_EXPIRING, text % words, first))
    return told


def _name(shown: ServerCertificateQuerySet, not_after: datetime) -> str:
    names = shown.filter(not_after=not_after).order_by("device__name")
    return str(names.values_list("device__name", flat=True).first())
