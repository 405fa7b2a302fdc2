"""Limits on failed logins in addition to the lockout of a user name at an address.

All web processes share the failed logins, because they are in the database.

See: D-133
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.db.models import Max, Sum

from console.requests import networks

PERIOD = timedelta(minutes=15)
# After this many failures of an account, from all addresses, each further attempt must wait.
FREE_FAILURES = 10
MAX_DELAY_SECONDS = 60
# After this many failures from an address, for all names, all its logins are blocked.
ADDRESS_FAILURES = 30
# From an address with a login in this time, the account is not delayed: its owner can log in.
KNOWN_FOR = timedelta(days=30)


def get_client_network(request: Any) -> str:
    """Return the address for which failures are counted: for IPv6, the /64 network."""
    return networks.get_network(request.META.get("REMOTE_ADDR", ""))


def is_blocked(username: str, address: str, *, now: datetime) -> bool:
    """Return True if a login must wait: the address is blocked, or the account is delayed."""
    recent = AccessAttempt.objects.filter(attempt_time__gt=now - PERIOD)
    failures = recent.filter(ip_address=address).aggregate(n=Sum("failures_since_start"))["n"]
    if (failures or 0) >= ADDRESS_FAILURES:
        return True
    found = recent.filter(username=username).aggregate(
        n=Sum("failures_since_start"), last=Max("attempt_time")
    )
    delay = get_delay(found["n"] or 0)
    if not delay or now >= found["last"] + delay:
        return False
    known = AccessLog.objects.filter(
        username=username, ip_address=address, attempt_time__gt=now - KNOWN_FOR
    )
    return not known.exists()


def get_delay(failures: int) -> timedelta:
    """Return how long an account must wait after its last failure. It doubles up to a minute."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return timedelta(seconds=min(2 ** min(failures - FREE_FAILURES, 10), MAX_DELAY_SECONDS))


def has_just_started(username: str, *, now: datetime) -> bool:
    """Return True if the last failure of an account was the one after which it is delayed."""
    recent = AccessAttempt.objects.filter(attempt_time__gt=now - PERIOD, username=username)
    return bool(recent.aggregate(n=Sum("failures_since_start"))["n"] == FREE_FAILURES)
