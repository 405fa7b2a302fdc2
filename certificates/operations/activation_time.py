"""The limits of an activation time and the suggested time (D-22, D-23)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from certificates.models import Authority, ServerCertificate
from certificates.models.server import ServerCertificateQuerySet
from certificates.windows.rules import Schedule
from certificates.windows.settings import MAX_REASON, load_schedule
from devices.inventory.tables import count_devices_without_contact
from devices.models import Device, Zone
from faults import Invalid, Refused
from wire import metadata

NAMED_AT_MOST = 5
NO_PILOT = timedelta()


class TooEarly(Invalid):
    """The activation time is too early for devices to apply the update."""


class TooLate(Invalid):
    """A certificate or the zone CA expires before the activation time."""


class OutsideWindow(Invalid):
    """No maintenance window is open at the activation time, or a change freeze is in force."""


@dataclass(frozen=True)
class ActivationLimits:
    """The allowed range of an activation time, what limits it, and a suggestion."""

    earliest: datetime
    latest: datetime
    latest_reason: str
    immediate: bool
    suggestion: datetime
    suggestion_text: str
    early_before: datetime
    """The suggestion without maintenance windows. Devices might miss an earlier time."""
    schedule: Schedule
    warnings: list[str] = field(default_factory=list)
    servers: list[UUID] | None = None
    """The servers of a server remint; None for a CA operation, which affects every device."""

    def is_early(self, activates_at: datetime) -> bool:
        """Return True if an activation time is earlier than the suggested one."""
        return activates_at < self.early_before

    def check(self, activates_at: datetime | None) -> None:
        """Raise TooEarly or TooLate for a time outside the limits; the message names the limit."""
        if activates_at is None:
            if not self.immediate:
                raise TooEarly(_("Enter an activation date and time."), field="activates_at")
            return
        if activates_at < self.earliest:
            raise TooEarly(
                _(
                    "The activation time must be later than %(earliest)s so "
                    "that devices can apply the update first. Nothing was "
                    "changed."
                )
                % {"earliest": format_time(self.earliest)},
                action=_("Enter the suggested time, %(suggestion)s, or a later time.")
                % {"suggestion": format_time(self.suggestion)},
                field="activates_at",
            )
        if activates_at >= self.latest:
            raise TooLate(
                _(
                    "The activation time must be before %(latest)s, "
                    "%(latest_reason)s Nothing was changed."
                )
                % {"latest": format_time(self.latest), "latest_reason": self.latest_reason},
                field="activates_at",
            )

    def check_window(self, activates_at: datetime | None, *, override: str = "") -> None:
        """Raise OutsideWindow if no window is open at a time and no reason for it is given."""
        if len(override) > MAX_REASON:
            raise Invalid(
                _("Enter a reason of 1 to %d characters. Nothing was changed.") % MAX_REASON,
                field="window_override",
            )
        if activates_at is not None and not override and not self.schedule.is_open(activates_at):
            raise _outside_window(self.schedule, activates_at)


def _outside_window(schedule: Schedule, at: datetime) -> OutsideWindow:
    freeze = schedule.get_freeze(at)
    text = _("No maintenance window is open at %(at)s. Nothing was changed.")
    if freeze is not None:
        text = _("The change freeze “%(reason)s” is in force at %(at)s. Nothing was changed.")
    explanation = text % {"reason": freeze.reason if freeze else "", "at": format_time(at)}
    return OutsideWindow(explanation, action=describe_opening(schedule, at), field="activates_at")


def describe_opening(schedule: Schedule, after: datetime) -> str:
    """Return a sentence about the next time after `after` at which activations are possible."""
    opening = schedule.find_opening(after)
    if opening is None:
        return _("No later time is open. Change the maintenance windows or the change freezes.")
    values = {"name": opening.name, "at": format_time(opening.begins_at)}
    if not opening.name:
        return _("Enter %(at)s or a later time.") % values
    return _("Enter a time in the maintenance window “%(name)s”, which opens at %(at)s.") % values


def format_time(at: datetime) -> str:
    """Return a time as text in the time zone of the user."""
    local = localtime(at)
    text = date_format(local, pgettext("date format", "j M Y, H:i:s"))
    return f"{text} {local:%Z}"


def get_limits(
    kind: str,
    *,
    servers: list[Device] | None = None,
    now: datetime,
    pilot: timedelta = NO_PILOT,
) -> ActivationLimits:
    """Return the limits for an operation of this kind on these servers.

    `pilot` is how long the other devices can wait for a pilot group.
    Raises a fault for a server remint under an expired internal CA.
    """
    zone = Zone.objects.get_zone()
    authority = Authority.objects.current()
    certificates = ServerCertificate.objects.current().filter(device__in=servers or [])
    expired = authority.has_expired(now)
    immediate = expired
    latest, reason = authority.not_after, _("when the zone CA %s expires.") % authority.subject
    if kind == metadata.REMINT_SERVER:
        if expired and authority.is_internal:
            raise Refused(_("The zone CA has expired. Remint the CA first."))
        immediate = expired or certificates.filter(not_after__lt=now).exists()
        if not authority.is_internal:
            latest, reason = _earliest_expiry(certificates, now, latest, reason)
    schedule = load_schedule(now)
    natural, text = suggest_activation_time(zone, latest, now, pilot=pilot)
    suggestion, text = _move_to_opening(schedule, natural, latest, text)
    return ActivationLimits(
        earliest=now + zone.lead_time,
        latest=latest,
        latest_reason=reason,
        immediate=immediate,
        suggestion=suggestion,
        suggestion_text=text,
        early_before=natural,
        schedule=schedule,
        warnings=_warnings(zone, suggestion, servers, now),
        servers=[server.pk for server in servers or []] if kind == metadata.REMINT_SERVER else None,
    )


def _move_to_opening(
    schedule: Schedule, natural: datetime, latest: datetime, text: str
) -> tuple[datetime, str]:
    """Return the first time from `natural` on that is open, and how it was calculated.

    Return `natural` if that time is not before `latest`.
    """
    opening = schedule.find_opening(natural)
    if opening is None or opening.begins_at <= natural or opening.begins_at >= latest:
        return natural, text
    text = _("the next maintenance window, “%s”") % opening.name
    return _round_up(opening.begins_at), text if opening.name else _("the end of a change freeze")


def _earliest_expiry(
    certificates: ServerCertificateQuerySet, now: datetime, latest: datetime, reason: str
) -> tuple[datetime, str]:
    alive = certificates.filter(not_after__gt=now)
    first = alive.order_by("not_after").select_related("device").first()
    if first is None or first.not_after >= latest:
        return latest, reason
    return first.not_after, _("when the certificate for %s expires.") % first.device.name


def suggest_activation_time(
    zone: Zone, latest: datetime, now: datetime, *, pilot: timedelta = NO_PILOT
) -> tuple[datetime, str]:
    """Return the suggested activation time and how it was calculated.

    It is the longest replication interval plus two refresh intervals, and the time limit of the
    pilot group (D-311).
    """
    replication = max(zone.primary_replication_seconds, zone.satellite_replication_seconds)
    span = timedelta(seconds=replication) + 2 * zone.refresh
    least = zone.lead_time + timedelta(minutes=1)
    text = _("now + %(replication)s replication + 2 × %(refresh)s refresh interval") % {
        "replication": _format_span(replication),
        "refresh": _format_span(zone.refresh_seconds),
    }
    if span < least:
        text = _("now + %s minimum lead time + 1 min") % _format_span(zone.lead_time_seconds)
        span = least
    if pilot:
        span += pilot
        text = _("%(formula)s + %(pilot)s time limit of the pilot group") % {
            "formula": text,
            "pilot": _format_span(int(pilot.total_seconds())),
        }
    suggestion = _round_up(now + span)
    if suggestion >= latest:
        middle = now + zone.lead_time + (latest - now - zone.lead_time) / 2
        return middle.replace(microsecond=0), _(
            "halfway between the earliest possible time and the expiration"
        )
    return suggestion, _("%s, rounded up to the minute") % text


def _round_up(at: datetime) -> datetime:
    """Return a time for the input field, whose resolution is one minute."""
    return (at + timedelta(seconds=59)).replace(second=0, microsecond=0)


def _format_span(seconds: int) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _no_contact_warning(zone: Zone, servers: list[Device] | None, now: datetime) -> str:
    """Return a warning about devices or servers without recent contact, "" if there are none."""
    if servers is None:
        offline = count_devices_without_contact(zone, now)
        if not offline:
            return ""
        return ngettext(
            "%(n)s device has not been in contact for more than two refresh "
            "intervals and might miss the update before activation.",
            "%(n)s devices have not been in contact for more than two refresh "
            "intervals and might miss the update before activation.",
            offline,
        ) % {"n": intcomma(offline)}
    names = [server.name for server in servers if not server.is_online(now, zone.refresh)]
    if not names:
        return ""
    return _(
        "No contact for more than two refresh intervals: %s. No server is "
        "activated until every server has its new certificate."
    ) % _shorten(names)


def _shorten(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    shown = ", ".join(names[:NAMED_AT_MOST])
    return _("%(names)s and %(n)d more") % {"names": shown, "n": more} if more > 0 else shown


def _expired_warning(servers: list[Device] | None, now: datetime) -> str:
    """Return a warning if expired certificates make the activation immediate for all servers."""
    expired = ServerCertificate.objects.current().filter(
        device__in=servers or [], not_after__lt=now
    )
    names = list(expired.order_by("device__name").values_list("device__name", flat=True))
    if not names or len(names) == len(servers or []):
        return ""
    return _(
        "Already expired: %s. All selected servers will therefore be activated "
        "immediately. To schedule an activation time for the others, remint "
        "the expired servers separately."
    ) % _shorten(names)


def _warnings(
    zone: Zone, suggestion: datetime, servers: list[Device] | None, now: datetime
) -> list[str]:
    """Return warnings about offline devices and about certificates that expire too early."""
    general = (_no_contact_warning(zone, servers, now), _expired_warning(servers, now))
    expiring = ServerCertificate.objects.current().filter(
        not_after__lt=suggestion, not_after__gt=now
    )
    if servers is not None:
        expiring = expiring.filter(device__in=servers)
    return [text for text in general if text] + [
        _("The certificate for %(name)s expires on %(at)s, before the suggested activation time.")
        % {"name": certificate.device.name, "at": format_time(certificate.not_after)}
        for certificate in expiring.select_related("device").order_by("not_after")[:NAMED_AT_MOST]
    ]
