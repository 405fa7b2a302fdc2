"""Challenges of passkeys. They are kept in the session, are valid for five minutes, and only once.

See: Web Authentication Level 3, 13.4.3; D-277
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, generate_challenge

from administrators.models import UsedChallenge

# In a dialog, the user confirms the passkey first, and then the dialog.
LIFETIME = timedelta(minutes=5)
# Longer than the lifetime, because the clocks of Primary Servers can differ.
KEPT = timedelta(hours=1)
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
    """Remove the challenge of a user from the session, and return it; None if it is not valid.

    Of several requests that take the same challenge, also at the same time, one gets it.
    """
    stored = dict(session.get(SESSION_KEY, {}))
    entry = stored.pop(purpose, None)
    if entry is None:
        return None
    session[SESSION_KEY] = stored
    age = now.timestamp() - entry["at"]
    if entry["user"] != user.pk or not 0 <= age < LIFETIME.total_seconds():
        return None
    challenge = base64url_to_bytes(entry["challenge"])
    return challenge if _use(challenge, now=now) else None


def _use(challenge: bytes, *, now: datetime) -> bool:
    """Record that a challenge is used, and return True; False if it was used before."""
    UsedChallenge.objects.filter(used_at__lte=now - KEPT).delete()
    digest = hashlib.sha256(challenge).hexdigest()
    try:
        with transaction.atomic():
            UsedChallenge.objects.create(digest=digest, used_at=now)
    except IntegrityError:
        return False
    return True
