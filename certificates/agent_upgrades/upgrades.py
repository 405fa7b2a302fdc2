"""Start, approve, pause, resume, and cancel an upgrade of agents.

The file is the agent of this console, with the signatures that its worker has made. This code signs
nothing, so a changed database cannot offer a file that the zone has not signed as an agent.

See: D-222
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.accounts.policies import check_second_administrator
from administrators.models import Policies
from audit.models import Entry
from certificates.agent_upgrades import selection
from certificates.agent_upgrades.selection import Choice
from certificates.agent_upgrades.states import TargetState, UpgradeState
from certificates.models.agent_upgrade import AgentUpgrade, AgentUpgradeTarget
from devices.models import Zone
from faults import Conflict, Invalid, Unavailable
from systemupdates.content import store
from systemupdates.downloads import agent, publication

REQUEST_LIFETIME = timedelta(hours=24)
MAX_DELAY = timedelta(days=90)
ASK, START = "ask-agent-upgrade", "start-agent-upgrade"
SUBJECT = "certificates.AgentUpgrade"


class NotPending(Conflict):
    """The upgrade is not waiting for approval."""

    action = gettext_lazy("Reload the page to see the current status.")


@dataclass(frozen=True)
class UpgradeSettings:
    """What an administrator enters. Without `starts_at`, the upgrade starts immediately.

    The pilot has `pilot` devices, or if that is 0, `pilot_percent` of all. With both 0, there is no
    pilot.
    """

    choice: Choice = field(default_factory=Choice)
    pilot: int = 0
    pilot_percent: int = 0
    starts_at: datetime | None = None


@transaction.atomic
def start(settings: UpgradeSettings, *, by: User | None, now: datetime) -> AgentUpgrade:
    """Create an upgrade. With two-administrator approval, a second one must approve it."""
    Zone.objects.lock()
    checkpoint = Entry.objects.lock_checkpoint()
    if AgentUpgrade.objects.open().exists():
        raise Conflict(
            _("Another upgrade of agents has not ended. Nothing was changed."),
            action=_("Wait until it is complete, or cancel it."),
        )
    starts_at = settings.starts_at or now
    if starts_at > now + MAX_DELAY:
        raise Invalid(
            _("The start can be up to %d days from now. Nothing was changed.") % MAX_DELAY.days,
            field="starts_at",
        )
    devices = selection.choose(settings.choice)
    pilot = selection.choose_pilot(devices, count=settings.pilot, percent=settings.pilot_percent)
    is_proposed = Policies.objects.get_current().two_administrators
    state = UpgradeState.PROPOSED if is_proposed else UpgradeState.SCHEDULED
    upgrade = _build(state, starts_at=max(starts_at, now), by=by, now=now)
    upgrade.save()
    AgentUpgradeTarget.objects.bulk_create(
        AgentUpgradeTarget(
            upgrade=upgrade,
            device=device,
            state=TargetState.PENDING,
            # With a pilot of all devices, there is nothing to wait for.
            is_pilot=device in pilot and len(pilot) < len(devices),
            previous_version=device.version,
            changed_at=now,
        )
        for device in devices
    )
    detail = {"version": upgrade.version, "devices": len(devices), "pilot": len(pilot)}
    action = ASK if is_proposed else START
    Entry.objects.append(
        checkpoint, action, f"{SUBJECT}:{upgrade.pk}", there=state, note=str(upgrade), detail=detail
    )
    return upgrade


def _build(state: str, *, starts_at: datetime, by: User | None, now: datetime) -> AgentUpgrade:
    """Return an upgrade to the agent that this server offers."""
    try:
        file = publication.read_file(agent.NAME)
        second = publication.read_second_signature(agent.NAME)
    except OSError as error:
        raise _not_published() from error
    if store.find_file(file.sha256) is None:
        raise _not_published()
    return AgentUpgrade(
        state=state,
        version=agent.get_version(),
        sha256=file.sha256,
        size=file.size,
        signature=file.signature,
        second_signature=second,
        created_at=now,
        starts_at=starts_at,
        requested_by=by,
    )


def _not_published() -> Unavailable:
    return Unavailable(
        _("The agent of this console is not available for download yet. Nothing was changed."),
        action=_("Wait until the worker of this server has published it, then try again."),
    )


@transaction.atomic
def approve(upgrade: AgentUpgrade, *, by: User, now: datetime) -> None:
    """Approve an upgrade as the second administrator."""
    Zone.objects.lock()
    upgrade.refresh_from_db()
    is_proposed = upgrade.state == UpgradeState.PROPOSED
    if not is_proposed or now - upgrade.created_at >= REQUEST_LIFETIME:
        raise NotPending(
            _("The upgrade of the agents is not waiting for approval. Nothing was changed.")
        )
    check_second_administrator(by, first=upgrade.requested_by)
    note = f"approved by {by.username}"
    AgentUpgrade.objects.transition(upgrade, UpgradeState.SCHEDULED, note=note, approved_by=by)


@transaction.atomic
def pause(upgrade: AgentUpgrade, *, reason: str = "") -> None:
    """Offer the upgrade to no more devices until it is resumed."""
    AgentUpgrade.objects.transition(upgrade, UpgradeState.PAUSED, note=reason, reason=reason)


@transaction.atomic
def resume(upgrade: AgentUpgrade) -> None:
    """Continue a paused upgrade, also if devices of the pilot have failed."""
    AgentUpgrade.objects.transition(upgrade, UpgradeState.RUNNING, reason="", accepts_failures=True)


@transaction.atomic
def cancel(upgrade: AgentUpgrade, *, now: datetime, reason: str = "") -> None:
    """End an upgrade. Devices that have the new version keep it."""
    AgentUpgrade.objects.transition(
        upgrade, UpgradeState.CANCELED, note=reason, reason=reason, ended_at=now
    )
    skip(upgrade, now=now)


def skip(upgrade: AgentUpgrade, *, now: datetime) -> None:
    """Skip the devices of an upgrade that have no result."""
    upgrade.targets.unsettled().update(state=TargetState.SKIPPED, changed_at=now)
