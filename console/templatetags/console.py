"""Template tags: dates in the user's time zone, icons, query strings, form fields."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join, json_script
from django.utils.translation import gettext as _
from lucide.templatetags.lucide import lucide

from console.pages import formatting
from console.pages.forms import LOCAL
from console.pages.listing import NOT_IN_LINKS, get_own_url
from console.requests.stored_texts import translate_stored

register = template.Library()
TONES = {
    "wait": "hourglass",
    "ok": "circle-check",
    "good": "badge-check",
    "warn": "triangle-alert",
    "bad": "circle-x",
}


register.filter("stored", translate_stored)


@register.simple_tag
def script_texts() -> str:
    """Return the texts of zcc.js in the language of the page, as a JSON element."""
    texts = {
        "in": _("in %s"),
        "past": _("in the past"),
        "outage": _("The server is not responding."),
        "again": _("Try Again"),
        "state": _("This page shows the state of %s."),
        "unknown": _("It is not known whether it received your request."),
        "kept": _("Your entries are kept."),
        "responding": _("The server is responding again."),
        "restored": _(
            "Your entries have been restored. They were not submitted. Check them, and submit "
            "them again."
        ),
        "copied": _("Copied."),
        "unavailable": _("Currently not available."),
    }
    return json_script(texts, "script-texts")


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, size: int = 16) -> str:
    """Return a Lucide icon as inline SVG, hidden from screen readers."""
    svg: str = lucide(name, size=size, aria_hidden="true", focusable="false")
    return svg


@register.simple_tag
def stamp(moment: datetime | None, form: str = "stamp") -> str:
    """Return a <time> element; its title shows seconds, UTC offset, and UTC."""
    if moment is None:
        return format_html('<span class="muted">{}</span>', "—")
    forms = {
        "day": formatting.day,
        "clock": formatting.clock,
        "exact": formatting.exact,
        "full": formatting.full,
    }
    words = forms.get(form, formatting.stamp)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        formatting.full(moment),
        words(moment),
    )


@register.simple_tag
def moment(at: datetime) -> str:
    """Return a date and time as plain text, for SVG and titles."""
    return formatting.stamp(at)


@register.simple_tag(takes_context=True)
def ago(context: template.Context, moment: datetime | None) -> str:
    """Return a relative time, with the exact time as title. The browser updates it."""
    if moment is None:
        return format_html('<span class="muted">{}</span>', "—")
    now = context.get("now") or timezone.now()
    return format_html(
        '<time datetime="{}" title="{}" data-moment="{}" data-at="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        formatting.full(moment),
        int(moment.timestamp()),
        int(now.timestamp()),
        formatting.ago(moment, now),
    )


@register.simple_tag(takes_context=True)
def countdown(context: template.Context, moment: datetime, what: Any = "") -> str:
    """Return the time that remains until a moment. The browser updates it every second.

    Screen readers announce `what` with the time that remains shortly before the moment, and nothing
    without it, for a time that another part of the page announces. A moment of more than a minute
    ago is a relative time, for example the activation time of a blocked operation.
    """
    now = context.get("now") or timezone.now()
    if now - moment > timedelta(minutes=1):
        return ago(context, moment)
    words = _("in %s") % formatting.span(moment - now) if moment > now else _("now")
    return format_html(
        '<time class="countdown" datetime="{}" title="{}" data-until="{}" data-at="{}"'
        ' data-words="{}" data-end="{}" data-what="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        formatting.full(moment),
        int(moment.timestamp()),
        int(now.timestamp()),
        _("in %s"),
        _("now"),
        what,
        words,
    )


@register.simple_tag(takes_context=True)
def expiry(context: template.Context, not_after: datetime | None) -> str:
    """Return the text for an expiry within 90 days or in the past, else ""."""
    if not_after is None:
        return ""
    tone, words = formatting.expiry(not_after, context.get("now") or timezone.now())
    return format_html('<span class="sub {}">{}</span>', tone, words) if tone else ""


@register.simple_tag
def badge(tone: str, label: Any) -> str:
    """Return a status badge with color, icon, and label."""
    svg = icon(TONES.get(tone, "circle"), 14)
    kind = "ok" if tone == "good" else "" if tone in ("ok", "wait") else tone
    return format_html('<span class="badge {}">{} {}</span>', kind, svg, label)


@register.filter
def fingerprint(digest: str) -> str:
    """Return the fingerprint of a certificate in upper-case pairs, separated by colons (D-325)."""
    return formatting.format_fingerprint(digest)


@register.filter
def short_fingerprint(digest: str, octets: int = 8) -> str:
    """Return the first octets of the fingerprint of a certificate."""
    return formatting.format_fingerprint(digest[: 2 * octets])


@register.filter
def breakable(text: str) -> str:
    """Return a host name or fingerprint that breaks after dots and colons, and not in a word."""
    first, *others = re.split(r"(?<=[.:])", text)
    return format_html("{}{}", first, format_html_join("", "<wbr>{}", ((one,) for one in others)))


@register.filter
def host(name: str) -> str:
    """Return a host name that wraps only after its dots, if there is enough space for a label."""
    return format_html('<span class="host">{}</span>', breakable(name))


@register.simple_tag
def copy(text: str, what: Any) -> str:
    """Return a button that copies a text to the clipboard. Without scripts, it is not shown."""
    return format_html(
        '<button class="icon" type="button" data-copy="{}" aria-label="{}">{}</button>',
        text,
        what,
        icon("copy", 14),
    )


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """Return the query string of the table with changes; None removes a key.

    The position in the table and the rows that a live refresh keeps are not part of it.
    """
    request: HttpRequest = context["request"]
    values = request.GET.copy()
    for name in NOT_IN_LINKS:
        values.pop(name, None)
    for name, value in changes.items():
        if value is None or value == "":
            values.pop(name, None)
        else:
            values[name] = str(value)
    return f"?{values.urlencode()}" if values else request.path


@register.simple_tag(takes_context=True)
def own_url(context: template.Context) -> str:
    """Return the URL of the page without the rows that a live refresh keeps."""
    return get_own_url(context["request"])


@register.inclusion_tag("console/field.html")
def field(bound: BoundField, hint: str = "") -> dict[str, Any]:
    """Return a form field with label, help text, and errors."""
    kind = type(bound.field.widget).__name__
    return {"field": bound, "hint": hint, "is_check": kind == "CheckboxInput"}


@register.simple_tag
def local(moment: datetime) -> str:
    """Return a date and time in the user's time zone, as a value of a datetime-local input."""
    return timezone.localtime(moment).strftime(LOCAL)


@register.simple_tag(takes_context=True)
def contact_warning(context: template.Context, device: Any, refresh: timedelta | None) -> str:
    """Return a warning if a device had no contact for two refresh intervals."""
    now = context.get("now") or timezone.now()
    if refresh is None or device.is_online(now, refresh):
        return ""
    return format_html('<span class="sub soon">{}</span>', _("no recent contact"))


@register.simple_tag(takes_context=True)
def copy_warning(context: template.Context, device: Any) -> str:
    """Return a warning if another host uses the identity of a device."""
    if not device.has_copy(context.get("now") or timezone.now()):
        return ""
    return format_html('<span class="sub soon">{}</span>', _("identity used by another host"))
