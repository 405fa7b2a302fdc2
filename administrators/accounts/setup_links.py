"""Set-up links: their holder chooses a password, once, within a day (S-83)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from administrators.models import Administrator, SetupLink
from audit.models import Entry
from faults import Invalid, NotFound

BYTES = 32
LIVES = timedelta(hours=24)


def make(user: User, *, now: datetime) -> str:
    """Make a link for a user and return its text; an older one opens nothing any more."""
    withdraw(user)
    text = secrets.token_urlsafe(BYTES)
    SetupLink.objects.create(
        user=user, digest=_digest(text), created_at=now, expires_at=now + LIVES
    )
    return text


def withdraw(user: User) -> None:
    """Let no link of a user open anything any more."""
    SetupLink.objects.filter(user=user, used_at=None).delete()


def find(text: str, *, now: datetime) -> SetupLink:
    """Return the link of a text; a used, expired or unknown one is not found."""
    usable = SetupLink.objects.usable(now).select_related("user")
    link = usable.filter(digest=_digest(text)).first()
    if link is None:
        raise NotFound(
            "This set-up link is not valid: it was used, is older than a day, or was replaced.",
            action="Ask an administrator for a new one.",
        )
    return link


@transaction.atomic
def use(text: str, password: str, *, now: datetime) -> User:
    """Set the password that the holder of a link chose; the link is used up."""
    head = Entry.objects.queue()
    link = find(text, now=now)
    check_password(password, link.user)
    if not SetupLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
        raise NotFound("This set-up link was used already.")
    _store(link.user, password)
    Entry.objects.append(
        head, "first-password", f"auth.User:{link.user_id}", note=link.user.username
    )
    return link.user


@transaction.atomic
def change_password(user: User, password: str) -> None:
    """Set the password that a user chose; Django ends the user's other sessions by its hash."""
    check_password(password, user)
    Entry.objects.record("change-password", f"auth.User:{user.pk}", note=user.username)
    _store(user, password)


def check_password(password: str, user: User) -> None:
    """Refuse a password that is short, common, or like the user's own name."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="new_password") from error


def _store(user: User, password: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password"])
    Administrator.objects.update_or_create(user=user, defaults={"must_change_password": False})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
