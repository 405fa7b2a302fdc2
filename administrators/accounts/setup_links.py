"""Setup links: the recipient chooses a password, once, within 24 hours."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from administrators.models import Administrator, SetupLink
from administrators.protection import account_macs
from audit.models import Entry
from audit.rows import alarms
from faults import Invalid, NotFound

BYTES = 32
LIFETIME = timedelta(hours=24)


def create_link(user: User, *, now: datetime) -> str:
    """Create a setup link for a user and return its text; unused older links are deleted."""
    delete_unused_links(user)
    text = secrets.token_urlsafe(BYTES)
    SetupLink.objects.create(
        user=user, digest=_digest(text), created_at=now, expires_at=now + LIFETIME
    )
    return text


def build_path(text: str) -> str:
    """Return the path of a setup link. Browsers do not send the part after the hash."""
    return f"{reverse('administrators:redeem_setup_link')}#{text}"


def parse_code(entered: str) -> str:
    """Return the text of a setup link from what a user pasted: the code, or the whole link."""
    return entered.strip().rpartition("#")[2].strip("/").rpartition("/")[2]


def delete_unused_links(user: User) -> None:
    """Delete the unused setup links of a user."""
    SetupLink.objects.filter(user=user, used_at=None).delete()


def end_first_access(user: User) -> None:
    """End the unused setup links and the temporary password of a user.

    An administrator who created one could log in with rights that the user gets later.
    """
    delete_unused_links(user)
    if Administrator.objects.filter(user=user, must_change_password=True).exists():
        user.set_unusable_password()
        user.save(update_fields=["password"])
        account_macs.stamp(user.pk)


def find_link(text: str, *, now: datetime) -> SetupLink:
    """Return the usable setup link with this text; raise NotFound otherwise."""
    usable = SetupLink.objects.usable(now).select_related("user")
    link = usable.filter(digest=_digest(text)).first()
    if link is None or not alarms.is_authentic(link):
        raise NotFound(
            _(
                "This setup link is not valid. It has already been used, has expired, or has "
                "been replaced."
            ),
            action=_("Ask an administrator for a new link."),
        )
    return link


@transaction.atomic
def redeem_link(text: str, password: str, *, now: datetime) -> User:
    """Set the password of the user of a setup link and record that the link was used."""
    checkpoint = Entry.objects.lock_checkpoint()
    link = find_link(text, now=now)
    check_password(password, link.user)
    if not SetupLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now):
        raise NotFound(_("This setup link has already been used."))
    _store(link.user, password)
    Entry.objects.append(
        checkpoint, "first-password", f"auth.User:{link.user_id}", note=link.user.username
    )
    return link.user


@transaction.atomic
def change_password(user: User, password: str) -> None:
    """Set a new password; Django then ends the other sessions of the user."""
    check_password(password, user)
    Entry.objects.record("change-password", f"auth.User:{user.pk}", note=user.username)
    _store(user, password)


def check_password(password: str, user: User) -> None:
    """Raise Invalid if a password is too short, common, or similar to the user name."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="new_password") from error


def _store(user: User, password: str) -> None:
    account_macs.check(user.pk)
    user.set_password(password)
    user.save(update_fields=["password"])
    Administrator.objects.update_or_create(user=user, defaults={"must_change_password": False})
    account_macs.stamp(user.pk)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
