"""Sessions in the database, whose keys are stored as digests (D-173).

A reader of the database cannot continue the session of an administrator.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import OperationalError
from django.utils import timezone

# The length of the column.
DIGEST_LENGTH = 40


def compute_digest(key: str) -> str:
    """Return the digest that is stored for a session key: 160 bits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:DIGEST_LENGTH]


class SessionStore(DatabaseSessionStore):
    """The sessions of Django, with digests in the column of the session key."""

    def _get_session_from_db(self) -> Any:
        try:
            return self.model.objects.get(
                session_key=compute_digest(self.session_key or ""), expire_date__gt=timezone.now()
            )
        except self.model.DoesNotExist:
            self._session_key = None
            return None

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the session. Raises OperationalError if the database cannot be written.

        Django would report a session that was deleted in the meantime, as an invalid request.
        """
        try:
            super().save(*args, **kwargs)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    def exists(self, session_key: str) -> bool:
        """Return True if there is a session with this key."""
        return super().exists(compute_digest(session_key))

    def create_model_instance(self, data: Any) -> AbstractBaseSession:
        """Return the row of this session."""
        row = super().create_model_instance(data)
        row.session_key = compute_digest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session with this key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(compute_digest(key))
