"""Let users in and out, with a line in the ledger for each, and for each refusal (S-43)."""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.contrib.auth.models import User
from django.db import transaction

from administrators.login import second_factor
from administrators.models import Rules
from audit.chain.actor import acting
from audit.models import Entry
from console.access.reauthentication import remember_proof
from devices.middleware import actor_of

BACKEND = "administrators.login.backends.PasswordAndRoles"
# What a session must see to before any other page.
MUST = "must"
PASSWORD, FACTOR = "password", "factor"


def enter(request: Any, user: User, *, how: str) -> None:
    """Log a user in with a new session; no trace, no login."""
    with transaction.atomic():
        auth.login(request, user, backend=BACKEND)
        remember_proof(request)
        request.session["how"] = how
        must = next_duty(user)
        if must:
            request.session[MUST] = must
        with acting(actor_of(request)):
            Entry.objects.record("login", f"auth.User:{user.pk}", note=how)


def leave(request: Any) -> None:
    """Log out: the session ends on the server, too."""
    with transaction.atomic():
        Entry.objects.record("logout", f"auth.User:{request.user.pk}")
        auth.logout(request)


def next_duty(user: User) -> str:
    """Return what a user has to do before anything else, "" for nothing."""
    kept = getattr(user, "administrator", None)
    if kept is not None and kept.must_change_password:
        return PASSWORD
    by_password = kept is None or kept.signs_in == kept.SignsIn.PASSWORD
    if by_password and not second_factor.is_on(user) and Rules.objects.the().requires_second_factor:
        return FACTOR
    return ""


def done(request: Any) -> None:
    """See what a session has to do next, after one duty was done."""
    request.session.pop(MUST, None)
    fresh = User.objects.select_related("administrator", "second_factor").get(pk=request.user.pk)
    must = next_duty(fresh)
    if must:
        request.session[MUST] = must


def note_failure(request: Any, username: str, reason: str) -> None:
    """Write a failed proof down. A name that nobody has is not: it may be a mistyped password."""
    user = User.objects.filter(username=username).first()
    subject = f"auth.User:{user.pk}" if user is not None else "auth.User:unknown"
    with acting(actor_of(request, user.username if user is not None else "unknown")):
        Entry.objects.record("login-failed", subject, note=reason)


def note_refusal(request: Any, note: str) -> None:
    """Write down that somebody whom a provider sent was not let in."""
    name = request.user.get_username() or "unknown"
    with acting(actor_of(request, name)):
        Entry.objects.record("login-failed", "auth.User:unknown", note=note)
