"""Pauses of the service between its checks and refreshes, in seconds."""

from __future__ import annotations

from zac.host import state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.updates import activation, preflight

SHORT_PAUSE = 2.0
POLL_BEFORE_ACTIVATION = 20.0
ORDER_WAIT = 300.0
LONGEST_PAUSE = 3600.0


def retry_pause(interval: float, failures: int) -> float:
    """Return the pause after failed refreshes: doubled up to 8 times, but short for long ones."""
    base = min(interval, 60.0)
    return min(base * float(2 ** min(failures - 1, 3)), max(interval, 30.0))


def poll_interval(host: Host) -> float:
    """Return after how many seconds pending updates must be checked between refreshes."""
    pauses = [LONGEST_PAUSE]
    held = host.state.load()
    if held.reports:
        pauses.append(SHORT_PAUSE)
    if host.is_certified and not host.trust_store.current().server:
        pauses.append(SHORT_PAUSE if host.home.zone_cache().approved else 10.0)
    pauses += [_poll_interval(host, record) for record in held.updates.values() if record.is_open]
    return min(pauses)


def _poll_interval(host: Host, record: UpdateRecord) -> float:
    now = host.clock.now()
    if record.failure:
        return max(1.0, record.retry_at - now)
    if record.step in (state.AWAITING_CERTIFICATE, state.ACTIVATED, state.CERTIFIED):
        return SHORT_PAUSE
    if record.step == state.READY and activation.activation_due_at(host, record) is None:
        remaining = record.activates_at() - now
        if remaining > POLL_BEFORE_ACTIVATION:
            return min(60.0, remaining - POLL_BEFORE_ACTIVATION)
        is_recent = -remaining < ORDER_WAIT or now - record.received_at < ORDER_WAIT
        return 1.0 if is_recent else 60.0
    if record.step == state.READY and preflight.has_pending_checks(host, record):
        return 60.0
    return LONGEST_PAUSE
