"""Automatic renewals run in maintenance windows, unless a certificate would expire before.

See: D-275
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from certificates.operations.activation_time import ActivationLimits
from certificates.windows.waiting import EXPIRES_FIRST, expires_before_opening
from devices.models import Device

# A renewal blocks other changes of the CA, so it does not start long before the window.
MAX_WAIT = timedelta(days=1)


def select_startable(servers: Sequence[Device], limits: ActivationLimits) -> list[Device]:
    """Return the servers whose renewal can start now. The others are renewed later.

    Servers whose certificate would expire before the next window closes are returned alone,
    because they are activated outside the windows.
    """
    if is_in_window(limits):
        return list(servers)
    urgent = [one for one in servers if _is_urgent(one, limits)]
    waits = limits.suggestion - limits.early_before > MAX_WAIT
    return urgent or ([] if waits else list(servers))


def plan(servers: Sequence[Device], limits: ActivationLimits) -> tuple[datetime, str]:
    """Return the activation time of a renewal, and why it is outside the windows, or ""."""
    if not is_in_window(limits) and any(_is_urgent(one, limits) for one in servers):
        return limits.early_before, EXPIRES_FIRST
    return limits.suggestion, ""


def is_in_window(limits: ActivationLimits) -> bool:
    """Return True if the activation is not delayed by windows and change freezes."""
    return limits.schedule.is_open(limits.early_before)


def _is_urgent(server: Device, limits: ActivationLimits) -> bool:
    return expires_before_opening(limits.schedule, limits.early_before, [server.pk])
