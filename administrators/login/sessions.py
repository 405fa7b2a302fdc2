"""The open sessions of a user."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from console.access import session_store


def list_sessions(user: User) -> list[Session]:
    """Return the open sessions of a user."""
    return [
        session
        for session in Session.objects.all().iterator()
        if session.get_decoded().get("_auth_user_id") == str(user.pk)
    ]


def close_sessions(user: User, *, keep: str = "") -> int:
    """End the sessions of a user except the one with the key `keep`, and return their number."""
    kept = session_store.compute_digest(keep)
    keys = [session.session_key for session in list_sessions(user) if session.session_key != kept]
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)
