"""Challenges of passkeys. They are kept in the session, are valid for five minutes, and only once.

See: Web Authentication Level 3, 13.4.3
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, generate_challenge

# In a dialog, the user confirms the passkey first, and then the dialog.
LIFETIME = timedelta(minutes=5)
SESSION_KEY = "passkey_challenges"
ADD, USE = "add", "use"


def create(session: Any, purpose: str, user: User, *, now: datetime) -> bytes:
    """Store and return a new challenge of a user. It replaces an earlier one for this purpose."""
    challenge = generate_challenge()
    entry = {
        "challenge": bytes_to_base64url(challenge),
        "user": user.pk,
        "at": now.timestamp(),
    }
    session[SESSION_KEY] = {**session.get(SESSION_KEY, {}), purpose: entry}
    return challenge


def take(session: Any, purpose: str, user: User, *, now: datetime) -> bytes | None:
    """Remove the challenge of a user from the session, and return it; None if it is not valid."""
    stored = dict(session.get(SESSION_KEY, {}))
    entry = stored.pop(purpose, None)
    if entry is None:
        return None
    session[SESSION_KEY] = stored
    age = now.timestamp() - entry["at"]
    if entry["user"] != user.pk or not 0 <= age < LIFETIME.total_seconds():
        return None
    return base64url_to_bytes(entry["challenge"])
