"""The states of a device."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.chain.states import StateMachine


class DeviceState(models.TextChoices):
    """Whether a device belongs to the zone."""

    WAITING = "waiting", _("Waiting for approval")
    REGISTERED = "registered", _("Registered")
    UNREGISTERED = "unregistered", _("Unregistered")
    RETIRED = "retired", _("Retired")


S = DeviceState
DEVICE = StateMachine(
    _("The device"),
    {
        S.WAITING: (S.REGISTERED, S.RETIRED, S.UNREGISTERED),
        S.REGISTERED: (S.UNREGISTERED, S.RETIRED),
        S.UNREGISTERED: (S.REGISTERED, S.WAITING, S.RETIRED),
        S.RETIRED: (),
    },
)
# Devices that have left the zone.
LEFT = (S.UNREGISTERED, S.RETIRED)
