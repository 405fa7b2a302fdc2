"""Change the rules for administrators; the rule of two is ended by two alone (B-29, S-46)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from administrators.models import Rules
from audit.models import Entry
from faults import Conflict, Forbidden, Refused

CA_RIGHT = "certificates.certificate_authority"
CONFIRM_WITHIN = timedelta(hours=24)
SUBJECT = "people.Rules:1"


@transaction.atomic
def change(
    *, requires_second_factor: bool, two_administrators: bool, by: User, now: datetime
) -> Rules:
    """Set the rules. To end the rule of two is only asked for here: another one has to confirm."""
    head = Entry.objects.queue()
    rules = Rules.objects.the()
    before = _plain(rules)
    rules.requires_second_factor = requires_second_factor
    if two_administrators and not rules.two_administrators:
        _refuse_alone()
        rules.two_administrators = True
    elif rules.two_administrators and not two_administrators:
        rules.end_asked_by, rules.end_asked_at = by, now
    if two_administrators:
        rules.end_asked_by = rules.end_asked_at = None
    rules.save()
    detail = {"before": before, "after": _plain(rules)}
    Entry.objects.append(head, "change-rules", SUBJECT, detail=detail)
    return rules


@transaction.atomic
def confirm_end(*, by: User, now: datetime) -> Rules:
    """End the rule of two, as the second of two administrators."""
    head = Entry.objects.queue()
    rules = asked_to_end(now)
    if rules is None:
        raise Conflict("Nobody asks to end this rule (any more). Nothing was changed.")
    check_second(by, first=rules.end_asked_by)
    before = _plain(rules)
    rules.two_administrators, rules.end_asked_by, rules.end_asked_at = False, None, None
    rules.save()
    detail = {"before": before, "after": _plain(rules)}
    Entry.objects.append(head, "confirm-rules", SUBJECT, detail=detail)
    return rules


def check_second(user: User, *, first: User | None) -> None:
    """Refuse whoever asked first, and whoever has not the right to ask."""
    if first is not None and user.pk == first.pk:
        raise Refused(
            "You asked for it yourself: a second administrator has to confirm. "
            "Nothing was changed.",
        )
    if not user.has_perm(CA_RIGHT):
        raise Forbidden("Your account lacks the right Certificate Authority. Nothing was changed.")


def asked_to_end(now: datetime) -> Rules | None:
    """Return the rules while a second administrator may still confirm the end of the rule."""
    rules = Rules.objects.select_related("end_asked_by").first()
    if rules is None or rules.end_asked_at is None or not rules.two_administrators:
        return None
    return rules if now - rules.end_asked_at < CONFIRM_WITHIN else None


def _refuse_alone() -> None:
    able = [user for user in User.objects.filter(is_active=True) if user.has_perm(CA_RIGHT)]
    if len(able) <= 1:
        raise Refused(
            "There is one administrator alone with the right Certificate Authority, so nobody "
            "could confirm. Nothing was changed.",
            action="Create a second one first.",
            field="two_administrators",
        )


def _plain(rules: Rules) -> dict[str, object]:
    asked = rules.end_asked_by
    return {
        "second factor required": rules.requires_second_factor,
        "two administrators": rules.two_administrators,
        "end asked by": asked.username if asked is not None else "",
    }
