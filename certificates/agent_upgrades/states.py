"""The states of an upgrade of agents, and of one device in it.

See: D-222
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.chain.states import StateMachine


class UpgradeState(models.TextChoices):
    """The state of an upgrade of agents."""

    PROPOSED = "proposed", _("Waiting for Approval")
    SCHEDULED = "scheduled", _("Scheduled")
    RUNNING = "running", _("In Progress")
    PAUSED = "paused", _("Paused")
    COMPLETED = "completed", _("Completed")
    CANCELED = "canceled", _("Canceled")


U = UpgradeState
UPGRADE = StateMachine(
    "The agent upgrade",
    {
        U.PROPOSED: (U.SCHEDULED, U.CANCELED),
        U.SCHEDULED: (U.RUNNING, U.CANCELED),
        U.RUNNING: (U.PAUSED, U.COMPLETED, U.CANCELED),
        U.PAUSED: (U.RUNNING, U.CANCELED),
        U.COMPLETED: (),
        U.CANCELED: (),
    },
)


class TargetState(models.TextChoices):
    """The state of an upgrade on one device."""

    PENDING = "pending", _("Pending")
    OFFERED = "offered", _("Offered")
    UPGRADED = "upgraded", _("Upgraded")
    FAILED = "failed", _("Failed")
    SKIPPED = "skipped", _("Skipped")


T = TargetState
TARGET = StateMachine(
    "The upgrade of this agent",
    {
        T.PENDING: (T.OFFERED, T.SKIPPED),
        T.OFFERED: (T.UPGRADED, T.FAILED, T.SKIPPED),
        # A device contacts the console with a new version before it keeps this version.
        T.UPGRADED: (T.FAILED,),
        T.FAILED: (),
        T.SKIPPED: (),
    },
)
UNSETTLED = (T.PENDING, T.OFFERED)
