"""Models of the zone, its devices and their numbers, registration keys, and zone keys."""

from __future__ import annotations

from devices.models.device import Device, DeviceQuerySet, Role, get_contact_limit
from devices.models.keys import RegistrationKey, RegistrationKeyQuerySet, ZoneKey
from devices.models.summary import DeviceSummary
from devices.models.zone import DAY, SignedTrustList, Zone, ZoneQuerySet

__all__ = [
    "DAY",
    "Device",
    "DeviceQuerySet",
    "DeviceSummary",
    "RegistrationKey",
    "RegistrationKeyQuerySet",
    "Role",
    "SignedTrustList",
    "Zone",
    "ZoneKey",
    "ZoneQuerySet",
    "get_contact_limit",
]
