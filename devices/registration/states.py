"""The states of a device."""

from __future__ import annotations

from django.db import models

from audit.chain.states import StateMachine


class DeviceState(models.TextChoices):
    """Whether a device belongs to the zone."""

    WAITING = "waiting", "Waiting for approval"
    REGISTERED = "registered", "Registered"
    UNREGISTERED = "unregistered", "Unregistered"
    RETIRED = "retired", "Retired"


S = DeviceState
DEVICE = StateMachine(
    "The device",
    {
        S.WAITING: (S.REGISTERED, S.RETIRED, S.UNREGISTERED),
        S.REGISTERED: (S.UNREGISTERED, S.RETIRED),
        S.UNREGISTERED: (S.REGISTERED, S.WAITING, S.RETIRED),
        S.RETIRED: (),
    },
)
# Devices that have left the zone.
LEFT = (S.UNREGISTERED, S.RETIRED)
