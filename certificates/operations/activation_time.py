"""The limits of an activation time, and a suggestion with its arithmetic (D-22, D-23)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Authority, ServerCertificate
from certificates.models.server import ServerCertificateQuerySet
from devices.models import Device, Zone
from faults import Invalid, Refused
from wire import metadata

SILENT_AFTER_REFRESHES = 2
NAMED_AT_MOST = 5


class TooEarly(Invalid):
    """The activation time leaves the devices no time."""


class TooLate(Invalid):
    """Something expires before the activation would come."""


@dataclass(frozen=True)
class Limits:
    """Between what times an activation may lie, and why."""

    earliest: datetime
    latest: datetime
    latest_because: str
    immediate: bool
    suggestion: datetime
    suggestion_text: str
    warnings: list[str] = field(default_factory=list)
    servers: list[UUID] | None = None
    """The servers that it is about; None where every device takes part."""

    def is_early(self, activates_at: datetime) -> bool:
        """Tell whether a time that may be allowed is earlier than the suggested one."""
        return activates_at < self.suggestion

    def check(self, activates_at: datetime | None) -> None:
        """Refuse a time outside the limits; the message names the limit and what sets it."""
        if activates_at is None:
            if not self.immediate:
                raise TooEarly(_("Give an activation date and time."), field="activates_at")
            return
        if activates_at < self.earliest:
            raise TooEarly(
                _(
                    "The activation must be later than %(earliest)s, so that devices can "
                    "apply the update first. Nothing was changed."
                )
                % {"earliest": stamp(self.earliest)},
                action=_("Take the suggested time, %(suggestion)s, or a later one.")
                % {"suggestion": stamp(self.suggestion)},
                field="activates_at",
            )
        if activates_at >= self.latest:
            raise TooLate(
                _(
                    "The activation must be before %(latest)s: %(latest_because)s Nothing "
                    "was changed."
                )
                % {"latest": stamp(self.latest), "latest_because": self.latest_because},
                field="activates_at",
            )


def stamp(at: datetime) -> str:
    """Return a time with its zone, in the zone that is active for the user."""
    return localtime(at).strftime("%-d %b %Y, %H:%M:%S %Z")


def limits(kind: str, *, servers: list[Device] | None = None, now: datetime) -> Limits:
    """Return the limits for an operation of this kind on these servers."""
    zone = Zone.objects.the()
    authority = Authority.objects.current()
    certificates = ServerCertificate.objects.current().filter(device__in=servers or [])
    expired = authority.has_expired(now)
    immediate = expired
    latest, because = authority.not_after, _("then the zone CA %s expires.") % authority.subject
    if kind == metadata.REMINT_SERVER:
        if expired and authority.is_internal:
            raise Refused(_("The zone CA has expired. Remint the CA first."))
        immediate = expired or certificates.filter(not_after__lt=now).exists()
        if not authority.is_internal:
            latest, because = _earliest_expiry(certificates, now, latest, because)
    suggestion, text = suggest(zone, latest, now)
    return Limits(
        earliest=now + zone.lead,
        latest=latest,
        latest_because=because,
        immediate=immediate,
        suggestion=suggestion,
        suggestion_text=text,
        warnings=_warnings(zone, suggestion, servers, now),
        servers=[one.pk for one in servers or []] if kind == metadata.REMINT_SERVER else None,
    )


def _earliest_expiry(
    certificates: ServerCertificateQuerySet, now: datetime, latest: datetime, because: str
) -> tuple[datetime, str]:
    alive = certificates.filter(not_after__gt=now)
    first = alive.order_by("not_after").select_related("device").first()
    if first is None or first.not_after >= latest:
        return latest, because
    return first.not_after, _("then the certificate of %s expires.") % first.device.name


def suggest(zone: Zone, latest: datetime, now: datetime) -> tuple[datetime, str]:
    """Suggest the longest replication interval plus two refresh intervals, and tell the sum."""
    replication = max(zone.primary_replication_seconds, zone.satellite_replication_seconds)
    span = timedelta(seconds=replication) + 2 * zone.refresh
    least = zone.lead + timedelta(minutes=1)
    text = _("now + %(replication)s replication + 2 × %(refresh)s refresh") % {
        "replication": _span(replication),
        "refresh": _span(zone.refresh_seconds),
    }
    if span < least:
        text = _("now + %s least lead time + 1 min") % _span(zone.lead_seconds)
        span = least
    # To the next full minute, as the field takes it.
    suggestion = (now + span + timedelta(seconds=59)).replace(second=0, microsecond=0)
    if suggestion >= latest:
        middle = now + zone.lead + (latest - now - zone.lead) / 2
        return middle.replace(microsecond=0), _("halfway between the earliest time and the expiry")
    return suggestion, _("%s, rounded up to the minute") % text


def would_miss(
    zone: Zone, activates_at: datetime, now: datetime, servers: list[UUID] | None = None
) -> int:
    """Count the devices whose next refresh comes after an activation, or that are silent.

    Of the servers that are named, else of all devices.
    """
    late = Q(last_contact__gt=activates_at - zone.refresh)
    silent = Q(last_contact=None) | Q(last_contact__lt=now - SILENT_AFTER_REFRESHES * zone.refresh)
    found = Device.objects.registered().filter(late | silent)
    return (found if servers is None else found.filter(pk__in=servers)).count()


def _span(seconds: int) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def silent_devices(zone: Zone, now: datetime) -> int:
    """Count registered devices not heard for more than two refresh intervals (S-67)."""
    since = now - SILENT_AFTER_REFRESHES * zone.refresh
    return Device.objects.registered().exclude(last_contact__gte=since).count()


def _silent_text(zone: Zone, servers: list[Device] | None, now: datetime) -> str:
    """Warn of devices that may miss the update, or of servers that would hold up the others."""
    if servers is None:
        silent = silent_devices(zone, now)
        if not silent:
            return ""
        return ngettext(
            "%(n)d device has not been heard for more than two refresh intervals and may miss the "
            "update before the activation.",
            "%(n)d devices have not been heard for more than two refresh intervals and may miss "
            "the update before the activation.",
            silent,
        ) % {"n": silent}
    names = [server.name for server in servers if not server.is_live(now, zone.refresh)]
    if not names:
        return ""
    return _(
        "Not heard for more than two refresh intervals: %s. While a server has no new "
        "certificate, none of the others is activated."
    ) % _few(names)


def _few(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    few = ", ".join(names[:NAMED_AT_MOST])
    return _("%(names)s and %(n)d more") % {"names": few, "n": more} if more > 0 else few


def _expired_text(servers: list[Device] | None, now: datetime) -> str:
    """Tell which expired certificate makes the servers selected beside it change at once."""
    past = ServerCertificate.objects.current().filter(device__in=servers or [], not_after__lt=now)
    names = list(past.order_by("device__name").values_list("device__name", flat=True))
    if not names or len(names) == len(servers or []):
        return ""
    return _(
        "Expired already: %s. All selected servers therefore change at once. Select "
        "the expired ones alone to give the others an activation time."
    ) % _few(names)


def _warnings(
    zone: Zone, suggestion: datetime, servers: list[Device] | None, now: datetime
) -> list[str]:
    """Warn of silent devices, and of certificates concerned that end before the activation."""
    found = [
        text for text in (_silent_text(zone, servers, now), _expired_text(servers, now)) if text
    ]
    early = ServerCertificate.objects.current().filter(not_after__lt=suggestion, not_after__gt=now)
    if servers is not None:
        early = early.filter(device__in=servers)
    found += [
        _("The certificate of %(name)s expires on %(at)s, before the suggested activation.")
        % {"name": certificate.device.name, "at": stamp(certificate.not_after)}
        for certificate in early.select_related("device").order_by("not_after")[:5]
    ]
    return found
