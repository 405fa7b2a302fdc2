"""Maintenance windows and change freezes relative to the current time."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from certificates.models import ChangeFreeze, MaintenanceWindow
from certificates.windows import settings
from certificates.windows.settings import FreezeSettings


def add_window(opens: datetime, *, hours: int = 4, name: str = "Night") -> MaintenanceWindow:
    """Add a window that opens once a week. The time zone of the zone is UTC."""
    rule = f"DTSTART:{opens:%Y%m%dT%H%M%S}\nDURATION:PT{hours}H\nRRULE:FREQ=WEEKLY"
    return settings.save_window(name, rule)


def add_freeze(begins: datetime, ends: datetime, reason: str = "Holidays") -> ChangeFreeze:
    """Add a change freeze."""
    return settings.save_freeze(FreezeSettings(begins, ends, reason), now=timezone.now())


@pytest.fixture
def now():
    return timezone.now().replace(second=0, microsecond=0)


@pytest.fixture
def tomorrow(now):
    """Return the start of a window that opens in a day."""
    opens = (now + timedelta(days=1)).replace(second=0)
    add_window(opens)
    return opens
