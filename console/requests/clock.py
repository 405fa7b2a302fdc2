"""Compare the clock of this server with that of the database, which all servers share.

A server whose clock is wrong must not serve or work: it would sign certificates with a wrong
validity, activate early, and give its time to devices. The others continue.

See: D-190
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from console.pages.errors import fault_response
from faults import Unavailable

log = logging.getLogger(__name__)
# Agents, too, do not check certificates with a local clock that differs more.
MAX_DIFFERENCE_SECONDS = 300.0
# How long a comparison is used. A change of the local clock is noticed without a query.
COMPARISON_SECONDS = 60.0
# How often a wrong clock is compared, so that a corrected clock is noticed.
REPEAT_SECONDS = 1.0
AGENT_PATHS = "/zac/"
# Responses without a session and without the time, which monitoring needs.
EXEMPT_PATHS = ("/livez", "/readyz", "/healthz", "/roots.pem", "/crl/", "/ocsp", "/static/")


def read_database_time() -> float:
    """Return the clock of the database in seconds since 1970; raises DatabaseError.

    SQLite has no clock of its own.
    """
    if connection.vendor != "postgresql":
        return time.time()  # noqa: TID251 - the clock itself
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


class ClockComparison:
    """How far the local clock is ahead of the database, in seconds; negative if it is behind."""

    def __init__(
        self,
        read: Callable[[], float] = read_database_time,
        local: Callable[[], float] = time.time,  # noqa: TID251 - the clock itself
        running: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._local, self._running = read, local, running
        self._compared: tuple[float, float] | None = None
        self._was_wrong = False
        self._lock = Lock()

    def get_difference(self) -> float:
        """Return the difference, with a query only if the last one is too old. DatabaseError.

        One thread at a time makes the query. The others use the last result.
        """
        difference, age = self._calculate()
        limit = REPEAT_SECONDS if is_too_large(difference) else COMPARISON_SECONDS
        if age > limit and self._lock.acquire(blocking=False):
            try:
                self._compared = self._read(), self._running()
            finally:
                self._lock.release()
            difference, _age = self._calculate()
            self._log_change(difference)
        return difference

    def _calculate(self) -> tuple[float, float]:
        if self._compared is None:
            return 0.0, float("inf")
        database, compared = self._compared
        age = self._running() - compared
        return self._local() - database - age, age

    def _log_change(self, difference: float) -> None:
        is_wrong = is_too_large(difference)
        if is_wrong and not self._was_wrong:
            with translation.override(settings.LANGUAGE_CODE):
                log.error("%s", build_fault(difference).explanation)
        elif self._was_wrong and not is_wrong:
            log.warning("The clock of this server is correct again.")
        self._was_wrong = is_wrong


def is_too_large(difference: float) -> bool:
    """Return True if a server with this difference must not work."""
    return abs(difference) > MAX_DIFFERENCE_SECONDS


_comparison = ClockComparison()


def find_fault() -> Unavailable | None:
    """Return why this server must not work now, or None. None also without a database."""
    if not settings.COMPARE_CLOCKS:
        return None
    try:
        difference = _comparison.get_difference()
    except DatabaseError:
        # The next use of the database reports this.
        return None
    return build_fault(difference) if is_too_large(difference) else None


def get_time() -> datetime | None:
    """Return the time, or None if the clock of this server is wrong.

    The clock is compared after it was read. So a change since the start of a task is noticed.
    """
    now = timezone.now()
    return now if find_fault() is None else None


def build_fault(difference: float) -> Unavailable:
    """Return the fault for a difference in seconds."""
    length = str(timedelta(seconds=round(abs(difference))))
    text = (
        _("The clock of this server is %s ahead of that of the database. Nothing was changed.")
        if difference > 0
        else _("The clock of this server is %s behind that of the database. Nothing was changed.")
    )
    return Unavailable(
        text % length,
        action=_(
            "Synchronize the clocks of this server and of the database with NTP. Until then, use "
            "another Primary Server."
        ),
    )


class ClockMiddleware:
    """Reject requests while the clock of this server is wrong; agents then use another server."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(EXEMPT_PATHS):
            return self.get_response(request)
        fault = find_fault()
        if fault is not None:
            return fault_response(request, fault)
        response = self.get_response(request)
        # A clock that was changed during the call must not reach a device. It repeats the call.
        fault = find_fault() if request.path.startswith(AGENT_PATHS) else None
        return response if fault is None else fault_response(request, fault)
