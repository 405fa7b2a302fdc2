"""Which agents are older than the console.

Releases are compared. The build after the "+" has no order.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.db.models import Q

from devices.models import Device
from devices.registration.states import DeviceState

_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:\+|$)")


def is_older(version: str) -> bool:
    """Return True if an agent is older than this console; False for an unknown version."""
    reported, own = _parse_release(version), _parse_release(settings.VERSION)
    return reported is not None and own is not None and reported < own


def with_older_agent() -> Q:
    """Return the condition for registered devices whose agent is older than this console."""
    versions = Device.objects.registered().order_by().values_list("version", flat=True).distinct()
    older = [version for version in versions if is_older(version)]
    return Q(version__in=older) & Q(state=DeviceState.REGISTERED)


def _parse_release(version: str) -> tuple[int, ...] | None:
    found = _RELEASE.match(version)
    return tuple(map(int, found.groups())) if found else None
