"""Browsers that are logged in without the login page."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone


def log_in(user: Any, *, reauthenticated: bool = True, htmx: bool = False) -> Client:
    """Log a user in, with a fresh proof of the password unless told."""
    client = Client(headers={"HX-Request": "true"} if htmx else None)
    client.force_login(user)
    if reauthenticated:
        session = client.session
        session["authenticated_at"] = timezone.now().timestamp()
        session.save()
    return client
