"""Which agents are older than the console.

Releases are compared. The build after the "+" has no order.

See: D-200; PEP 440
"""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q
from packaging.version import InvalidVersion, Version

from devices.models import Device
from devices.registration.states import DeviceState

# Versions of agents that were built before the first release, 1.0.0rc1.
DEVELOPMENT_VERSIONS = frozenset({Version("1.0.0"), Version("1.1.0")})


def is_older(version: str) -> bool:
    """Return True if an agent is older than this console; False for an unknown version."""
    reported, own = _parse_release(version), _parse_release(settings.VERSION)
    if reported is None or own is None:
        return False
    # Such a release cannot exist while the console is older, so this is a development version.
    return reported < own or (reported in DEVELOPMENT_VERSIONS and own < reported)


def with_older_agent() -> Q:
    """Return the condition for registered devices whose agent is older than this console."""
    versions = Device.objects.registered().order_by().values_list("version", flat=True).distinct()
    older = [version for version in versions if is_older(version)]
    return Q(version__in=older) & Q(state=DeviceState.REGISTERED)


def _parse_release(version: str) -> Version | None:
    """Return a version without its build, None if it is not valid."""
    try:
        return Version(Version(version).public)
    except InvalidVersion:
        return None
