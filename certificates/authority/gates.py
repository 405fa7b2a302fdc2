"""Which button works when, as data (docs/decisions.md D-19, D-20, D-24, D-32)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.operations.states import OperationState
from console.pages import formatting

if TYPE_CHECKING:
    from certificates.models import Authority, Operation
    from devices.models import Zone

CA_RIGHT = "certificates.certificate_authority"
CA_RIGHT_LABEL = gettext_lazy("Certificate Authority")
DEPLOY_RIGHT = "systemupdates.deploy_update"
DEPLOY_RIGHT_LABEL = gettext_lazy("Deploy Update")


class Button(TextChoices):
    """The buttons of the CA pane, in the manual's order (R004, R005)."""

    CHANGE = "change-ca", gettext_lazy("Change CA")
    MOVE = "move-ca-role", gettext_lazy("Move CA Role")
    REMINT = "remint-ca", gettext_lazy("Remint CA")
    BACKUP = "backup-ca", gettext_lazy("Backup CA")
    RESTORE = "restore-ca", gettext_lazy("Restore CA")
    VIEW = "view-certificate", gettext_lazy("View Certificate")


B = Button
# What only readers may press too; everything else needs the right of D-32.
FOR_EVERYBODY = frozenset({B.VIEW})
# These act on the CA's private key, and an external CA has none here (D-20).
NEEDS_CA_KEY = frozenset({B.MOVE, B.REMINT, B.BACKUP, B.RESTORE})
# A token does not give its key out (B-27).
NEEDS_KEY_FILE = frozenset({B.MOVE, B.BACKUP})
# These wait while anything is pending (D-19).
WAITS_FOR_OPERATION = frozenset({B.CHANGE, B.MOVE, B.REMINT, B.RESTORE})
ICONS = {
    B.CHANGE: "replace",
    B.MOVE: "server-cog",
    B.REMINT: "refresh-ccw",
    B.BACKUP: "archive",
    B.RESTORE: "archive-restore",
    B.VIEW: "file-badge",
}
# Where the activation time may still change, and from where the way back is open.
TIME_CAN_CHANGE = (
    *(OperationState.PREPARING, OperationState.REPLICATING),
    *(OperationState.ASSIGNED, OperationState.BLOCKED),
)
CAN_ROLL_BACK = (OperationState.ACTIVATED, OperationState.COMPLETED)
# A thin line stands before these.
STARTS_GROUP = frozenset({B.BACKUP, B.VIEW})


@dataclass(frozen=True)
class Gate:
    """One button as it stands now: open, or shut with the reason."""

    button: str
    label: str | Promise
    reason: str = ""
    icon: str = ""
    starts_group: bool = False
    view: str = field(default="")

    @property
    def is_open(self) -> bool:
        """Tell whether the button works."""
        return not self.reason


def ca_gates(authority: Authority, pending: Operation | None, *, may: bool) -> list[Gate]:
    """Return the CA pane's buttons; what the role may not do is not offered at all."""
    return [
        Gate(
            button=button.value,
            label=button.label,
            reason=reason(button, authority, pending),
            icon=ICONS[button],
            starts_group=button in STARTS_GROUP,
            view=f"certificates:{button.value}".replace("-", "_"),
        )
        for button in Button
        if may or button in FOR_EVERYBODY
    ]


def reason(button: Button, authority: Authority, pending: Operation | None) -> str:
    """Return why a button is shut, "" where it is open."""
    if not authority.is_internal and button in NEEDS_CA_KEY:
        return _("The zone CA is external: there is no CA key here to act on.")
    if authority.has_token_key and button in NEEDS_KEY_FILE:
        return _(
            "The CA key is inside a PKCS#11 token, which does not give it out. Use the token's "
            "own means, or Change CA."
        )
    if pending is not None and button in WAITS_FOR_OPERATION:
        return _("%(operation)s is in progress. Wait until it ends, or cancel it.") % {
            "operation": pending.get_kind_display()
        }
    return ""


def assign_gate(operation: Operation) -> Gate | None:
    """Return Assign Now while the update waits for assignment; None where it makes no sense."""
    label = _("Assign Now")
    if operation.state == OperationState.REPLICATING:
        return Gate("assign-now", label)
    if operation.state == OperationState.PREPARING:
        return Gate("assign-now", label, _("The system update is still being created."))
    return None


def cancel_gate(operation: Operation, zone: Zone, now: datetime) -> Gate | None:
    """Return Cancel with the reason where it has ended (R095); None where nothing is to cancel."""
    label = _("Cancel")
    if operation.may_cancel(now, zone.lockout):
        return Gate("cancel", label)
    if operation.state not in (OperationState.ASSIGNED, OperationState.ACTIVATING):
        return None
    locks_at = operation.locks_at(zone.lockout)
    if operation.immediate or locks_at is None:
        return Gate(
            "cancel", label, _("An immediate activation cannot be cancelled once assigned.")
        )
    text = _(
        "Cancel was possible until %(time)s. Single devices can still be left out with "
        "Ignore Device on the System Updates page."
    )
    return Gate("cancel", label, text % {"time": formatting.stamp(locks_at)})


def activation_gate(operation: Operation, zone: Zone, now: datetime) -> Gate | None:
    """Return Change activation time, until the lock-out and while blocked (D-26)."""
    label = _("Change activation time")
    if operation.state not in TIME_CAN_CHANGE or operation.immediate:
        return None
    if operation.state == OperationState.BLOCKED or not operation.is_locked(now, zone.lockout):
        return Gate("change-activation", label)
    locks_at = operation.locks_at(zone.lockout)
    text = _("The activation time could be changed until %(time)s.")
    return Gate(
        "change-activation", label, text % {"time": formatting.stamp(locks_at) if locks_at else ""}
    )


def force_gate(operation: Operation) -> Gate | None:
    """Return Force activation where something holds the activation back (D-26, B-3)."""
    if not operation.is_held:
        return None
    return Gate("force-activation", _("Force activation"), _asked(operation))


def _asked(operation: Operation) -> str:
    """Return why nothing else can be asked for, "" where nothing waits (B-29)."""
    if not operation.asked_act:
        return ""
    name = operation.asked_by.username if operation.asked_by else "—"
    text = _("What %(name)s asked for waits for a second administrator.")
    return text % {"name": name}


def rollback_gate(operation: Operation, why_not: str) -> Gate | None:
    """Return Roll back from the activation until the old root is retired (B-5)."""
    if not operation.changes_ca or operation.state not in CAN_ROLL_BACK:
        return None
    return Gate("roll-back", _("Roll back"), why_not or _asked(operation))


def cancel_until(operation: Operation, zone: Zone, now: datetime) -> str:
    """Return until when Cancel works, as a clock time; "" where it does not work."""
    if not operation.may_cancel(now, zone.lockout):
        return ""
    locks_at = operation.locks_at(zone.lockout)
    if operation.immediate:
        return _("Cancel is possible until the update is assigned.")
    if locks_at is None or now >= locks_at:
        return ""
    return _("Cancel is possible until %(time)s.") % {"time": formatting.stamp(locks_at)}
