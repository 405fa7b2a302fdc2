"""Expiration warnings for the zone CA and server certificates (D-46)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Authority, ServerCertificate
from certificates.models.server import ServerCertificateQuerySet
from console.models import Preferences
from console.pages.formatting import SOON, span
from wire import messages

# Urgent warnings are shown at every login, the others once in WARNING_INTERVAL.
URGENT_WITHIN = timedelta(days=5)
WARNING_INTERVAL = timedelta(hours=24)
CA, SERVERS_EXPIRED, SERVERS_EXPIRING = "ca", "expired", "expiring"


@dataclass(frozen=True)
class ExpiryWarning:
    """A warning. `about` is "ca" or the filter of the server table that shows the servers."""

    about: str
    text: str
    expires_at: datetime
    expired: bool = False

    def is_urgent(self, now: datetime) -> bool:
        """Return True if the warning is shown at every login."""
        return self.expires_at - now < URGENT_WITHIN


def list_warnings(now: datetime) -> list[ExpiryWarning]:
    """Return all current warnings, that of the zone CA first."""
    return [*_list_ca_warnings(now), *list_server_warnings(now)]


def list_warnings_for_login(user: User, now: datetime) -> list[ExpiryWarning]:
    """Return the warnings to show at the login of a user, and store when they were shown."""
    found = list_warnings(now)
    if not found:
        return []
    mine, _created = Preferences.objects.get_or_create(user=user)
    if mine.warned_at is not None and now - mine.warned_at < WARNING_INTERVAL:
        return [warning for warning in found if warning.is_urgent(now)]
    Preferences.objects.filter(pk=mine.pk).update(warned_at=now)
    return found


def _list_ca_warnings(now: datetime) -> list[ExpiryWarning]:
    authority = Authority.objects.filter(state="current").first()
    if authority is None or authority.not_after - now >= SOON:
        return []
    left = authority.not_after - now
    expired = authority.has_expired(now)
    text = (
        _("The zone CA expired %s ago.") % span(-left)
        if expired
        else _("The zone CA expires in %s.") % span(left)
    )
    return [ExpiryWarning(CA, text, authority.not_after, expired)]


def list_server_warnings(now: datetime) -> list[ExpiryWarning]:
    """Return up to two warnings about server certificates: expired and expiring ones."""
    shown = _get_certificates().filter(not_after__lt=now + SOON)
    past, coming = Q(not_after__lt=now), Q(not_after__gte=now)
    found = shown.aggregate(
        expired=Count("pk", filter=past),
        last=Max("not_after", filter=past),
        expiring=Count("pk", filter=coming),
        first=Min("not_after", filter=coming),
    )
    return build_server_warnings(found, now)


def _get_certificates() -> ServerCertificateQuerySet:
    certified = {"device__state": "registered", "device__role__in": messages.CERTIFIED_ROLES}
    return ServerCertificate.objects.current().filter(**certified)


def build_server_warnings(found: dict[str, Any], now: datetime) -> list[ExpiryWarning]:
    """Return the warnings for counts of expired and expiring certificates.

    `last` is the latest expiration date in the past, `first` the earliest in the future.
    """
    shown = _get_certificates()
    built = []
    if found["expired"]:
        text = ngettext(
            "The certificate for %(name)s expired %(span)s ago.",
            "%(n)s server certificates have expired. The first, for %(name)s, "
            "expired %(span)s ago.",
            found["expired"],
        )
        last = found["last"]
        name = _get_server_name(shown, last)
        built.append(
            ExpiryWarning(
                SERVERS_EXPIRED,
                text % {"n": intcomma(found["expired"]), "name": name, "span": span(now - last)},
                last,
                expired=True,
            )
        )
    if found["expiring"]:
        text = ngettext(
            "The certificate for %(name)s expires in %(span)s.",
            "%(n)s server certificates will expire within 90 days. The first, "
            "for %(name)s, expires in %(span)s.",
            found["expiring"],
        )
        first = found["first"]
        name = _get_server_name(shown, first)
        words = {"n": intcomma(found["expiring"]), "name": name, "span": span(first - now)}
        built.append(ExpiryWarning(SERVERS_EXPIRING, text % words, first))
    return built


def _get_server_name(shown: ServerCertificateQuerySet, not_after: datetime) -> str:
    names = shown.filter(not_after=not_after).order_by("device__name")
    return str(names.values_list("device__name", flat=True).first())
