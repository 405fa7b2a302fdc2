"""Count failed logins with django-axes and lock accounts, without storing what was typed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import QueryDict

from administrators.login import delays, login
from console.requests.logs import describe_path


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Counts failed logins by user name and address without storing the submitted form.

    Reauthentication is part of dialogs, whose forms can contain a passphrase.
    """

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **more: Any
    ) -> None:
        """Count a failed login, and record it in the audit log unless the account is locked."""
        if request is None or getattr(request, "axes_locked_out", False):
            return
        _hide_path(request)
        post, get = request.POST, request.GET
        request.POST = request.GET = QueryDict()
        try:
            super().user_login_failed(sender, credentials, request, **more)
        finally:
            request.POST, request.GET = post, get
        username = str(credentials.get("username") or "")
        if (request.axes_failures_since_start or 0) <= settings.AXES_FAILURE_LIMIT:
            login.record_failure(request, username, _describe_failure(credentials))
        if delays.has_just_started(username, now=request.axes_attempt_time):
            login.record_delay(request, username)

    def is_allowed(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Return True unless the account is locked at this address, delayed, or blocked."""
        name = str((credentials or {}).get("username") or "")
        address, now = request.axes_ip_address, request.axes_attempt_time
        allowed = super().is_allowed(request, credentials)
        return bool(allowed and not delays.is_blocked(name, address, now=now))

    def user_logged_in(self, sender: Any, request: Any, user: Any, **more: Any) -> None:
        """Record a login."""
        _hide_path(request)
        super().user_logged_in(sender, request, user, **more)

    def user_logged_out(self, sender: Any, request: Any, user: Any, **more: Any) -> None:
        """Record a logout."""
        _hide_path(request)
        super().user_logged_out(sender, request, user, **more)


def _describe_failure(credentials: dict[str, Any]) -> str:
    if "passkey" in credentials:
        return "passkey not accepted"
    return "incorrect code" if "code" in credentials else "incorrect password"


def _hide_path(request: Any) -> None:
    """Replace the path that axes logs and stores, because a path can contain a secret."""
    request.axes_path_info = describe_path(request)


def _get_attempts(username: str, now: datetime) -> Any:
    """Return the attempts that still count for a user, a row for each address."""
    since = now - get_cool_off()
    return AccessAttempt.objects.filter(username=username, attempt_time__gt=since)


def count_failures(username: str, now: datetime) -> int:
    """Return the number of failed logins of a user, from all addresses."""
    found = _get_attempts(username, now).aggregate(n=Sum("failures_since_start"))
    return int(found["n"] or 0)


def is_locked(username: str, now: datetime) -> bool:
    """Return True if login of a user is blocked from at least one address."""
    limit = settings.AXES_FAILURE_LIMIT
    return bool(_get_attempts(username, now).filter(failures_since_start__gte=limit).exists())


def reset_failures(username: str) -> None:
    """Delete the failed logins of a user."""
    AccessAttempt.objects.filter(username=username).delete()
