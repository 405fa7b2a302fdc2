"""The reason that a second administrator can type when rejecting a request (D-211)."""

from __future__ import annotations

from django.utils.translation import gettext as _

from faults import Invalid

MAX_LENGTH = 500


def clean(reason: str) -> str:
    """Return a typed reason as one line. Raises Invalid if it has more than 500 characters."""
    text = " ".join(reason.split())
    if len(text) > MAX_LENGTH:
        raise Invalid(
            _("A reason can have up to %d characters. Nothing was changed.") % MAX_LENGTH,
            field="reason",
        )
    return text


def describe(by: str, reason: str) -> str:
    """Return what the requester reads about a rejection. Stored only in English."""
    text = _("%s rejected the request. Nothing was changed.") % by
    why = _("Reason: %s") % reason
    return f"{text} {why}" if reason else text
