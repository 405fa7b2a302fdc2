"""Count failed proofs with axes, and write them down, without what was typed (S-30, S-43, S-82)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import QueryDict

from administrators.login import login


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Counts failures by user name and address; keeps nothing of the form that was sent.

    A failed proof may come with a dialog that holds a passphrase.
    """

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **more: Any
    ) -> None:
        """Count one failure, and note it in the ledger until the lock-out begins."""
        if request is None:
            return
        sent, asked = request.POST, request.GET
        request.POST = request.GET = QueryDict()
        try:
            super().user_login_failed(sender, credentials, request, **more)
        finally:
            request.POST, request.GET = sent, asked
        if getattr(request, "axes_failures_since_start", 0) <= settings.AXES_FAILURE_LIMIT:
            reason = "wrong code" if "code" in credentials else "wrong password"
            login.note_failure(request, str(credentials.get("username") or ""), reason)


def _counted(username: str, now: datetime) -> Any:
    """Return what axes still counts against a user, a row for each address."""
    since = now - get_cool_off()
    return AccessAttempt.objects.filter(username=username, attempt_time__gt=since)


def failures(username: str, now: datetime) -> int:
    """Return how many failed proofs count against a user, from all addresses together."""
    found = _counted(username, now).aggregate(n=Sum("failures_since_start"))
    return int(found["n"] or 0)


def is_locked(username: str, now: datetime) -> bool:
    """Tell whether a user is locked out from some address."""
    limit = settings.AXES_FAILURE_LIMIT
    return bool(_counted(username, now).filter(failures_since_start__gte=limit).exists())


def forget(username: str) -> None:
    """Count the failed proofs of a user from the beginning."""
    AccessAttempt.objects.filter(username=username).delete()
