"""The states of a device."""

from __future__ import annotations

from django.db import models

from audit.chain.states import Machine


class DeviceState(models.TextChoices):
    """How a device stands to the zone."""

    WAITING = "waiting", "Waiting for approval"
    REGISTERED = "registered", "Registered"
    UNREGISTERED = "unregistered", "Unregistered"
    RETIRED = "retired", "Retired"


S = DeviceState
DEVICE = Machine(
    "The device",
    {
        S.WAITING: (S.REGISTERED, S.RETIRED, S.UNREGISTERED),
        S.REGISTERED: (S.UNREGISTERED, S.RETIRED),
        S.UNREGISTERED: (S.REGISTERED, S.WAITING, S.RETIRED),
        S.RETIRED: (),
    },
)
