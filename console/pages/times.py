"""Moments and spans as an administrator reads them: in the user's zone, with its offset (D-5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

SOON = timedelta(days=90)
"""From here on an expiry is warned about (D-46)."""
MINUTE, HOUR, DAY = 60, 3600, 86_400


def abbreviation(moment: datetime) -> str:
    """Return the short name of the zone at that moment, such as CET or UTC+04:00."""
    local = timezone.localtime(moment)
    name = local.strftime("%Z")
    return name if name and name[0].isalpha() else f"UTC{offset(moment)}"


def offset(moment: datetime) -> str:
    """Return the offset from UTC at that moment, such as +01:00."""
    text = timezone.localtime(moment).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def stamp(moment: datetime) -> str:
    """Return date, time to the minute and zone, such as 12 Dec 2026, 02:00 CET."""
    return f"{day(moment)}, {clock(moment)}"


def day(moment: datetime) -> str:
    """Return the date in the user's zone, such as 12 Dec 2026."""
    return date_format(timezone.localtime(moment), "j M Y")


def clock(moment: datetime) -> str:
    """Return the time of day with its zone, such as 02:00 CET."""
    return f"{date_format(timezone.localtime(moment), 'H:i')} {abbreviation(moment)}"


def full(moment: datetime) -> str:
    """Return the moment to the second, with offset and in UTC."""
    local = timezone.localtime(moment)
    text = date_format(local, "j F Y, H:i:s")
    utc = moment.astimezone(UTC)
    return f"{text} {abbreviation(moment)} (UTC{offset(moment)}) · {utc:%Y-%m-%d %H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """Return a length of time in its greatest whole unit, rounded down: 17 days, 5 hours."""
    seconds = max(0, int(length.total_seconds()))
    if seconds >= DAY:
        n = seconds // DAY
        return ngettext("%(n)d day", "%(n)d days", n) % {"n": n}
    if seconds >= HOUR:
        n = seconds // HOUR
        return ngettext("%(n)d hour", "%(n)d hours", n) % {"n": n}
    if seconds >= MINUTE:
        n = seconds // MINUTE
        return ngettext("%(n)d minute", "%(n)d minutes", n) % {"n": n}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, or how far ahead it is."""
    # What was heard while a page was made is not ahead of it.
    if moment - now >= timedelta(seconds=1):
        return _("in %s") % span(moment - now)
    return _("%s ago") % span(now - moment)


def expiry(not_after: datetime, now: datetime) -> tuple[str, str]:
    """Return how an expiry stands ("", "soon" or "bad") and its words."""
    if now > not_after:
        return "bad", _("expired %s ago") % span(now - not_after)
    if not_after - now < SOON:
        return "soon", _("in %s") % span(not_after - now)
    return "", ""
