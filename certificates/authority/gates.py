"""Which buttons are offered, which are available, and why not.

See: docs/decisions.md D-19, D-20, D-24, D-32
"""

from __future__ import annotations

from collections.abc import Collection
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
    """The buttons of the CA pane, in the order of the manual."""

    CHANGE = "change-ca", gettext_lazy("Change CA")
    MOVE = "move-ca-role", gettext_lazy("Move CA Role")
    REMINT = "remint-ca", gettext_lazy("Remint CA")
    BACKUP = "backup-ca", gettext_lazy("Backup CA")
    RESTORE = "restore-ca", gettext_lazy("Restore CA")
    VIEW = "view-certificate", gettext_lazy("View Certificate")


B = Button
# Buttons for all administrators. The others require CA_RIGHT (D-32).
ALWAYS_OFFERED = frozenset({B.VIEW})
# Actions on the CA key, which is not in the zone if the CA is external (D-20).
NEEDS_CA_KEY = frozenset({B.MOVE, B.REMINT, B.BACKUP, B.RESTORE})
# Actions that export the CA key, which a PKCS #11 token does not allow.
NEEDS_KEY_FILE = frozenset({B.MOVE, B.BACKUP})
# Actions that are unavailable while an operation is in progress (D-19).
BLOCKED_BY_OPERATION = frozenset({B.CHANGE, B.MOVE, B.REMINT, B.RESTORE})
ICONS = {
    B.CHANGE: "replace",
    B.MOVE: "server-cog",
    B.REMINT: "refresh-ccw",
    B.BACKUP: "archive",
    B.RESTORE: "archive-restore",
    B.VIEW: "file-badge",
}
# States in which the activation time can change, and in which a rollback is possible.
TIME_CAN_CHANGE = (
    *(OperationState.PREPARING, OperationState.REPLICATING),
    *(OperationState.ASSIGNED, OperationState.BLOCKED),
)
CAN_ROLL_BACK = (OperationState.ACTIVATED, OperationState.COMPLETED)
# Buttons with a separator before them.
STARTS_GROUP = frozenset({B.BACKUP, B.VIEW})


@dataclass(frozen=True)
class Gate:
    """A button, and the reason why it is unavailable, if it is."""

    button: str
    label: str | Promise
    reason: str = ""
    icon: str = ""
    starts_group: bool = False
    view: str = field(default="")

    @property
    def is_open(self) -> bool:
        """Return True if the button is available."""
        return not self.reason


def build_ca_gates(authority: Authority, pending: Operation | None, *, may: bool) -> list[Gate]:
    """Return the buttons of the CA pane that the user has the right to use."""
    return [
        Gate(
            button=button.value,
            label=button.label,
            reason=get_reason(button, authority, pending),
            icon=ICONS[button],
            starts_group=button in STARTS_GROUP,
            view=f"certificates:{button.value}".replace("-", "_"),
        )
        for button in Button
        if may or button in ALWAYS_OFFERED
    ]


def get_reason(button: Button, authority: Authority, pending: Operation | None) -> str:
    """Return why a button is unavailable, "" if it is available."""
    if not authority.is_internal and button in NEEDS_CA_KEY:
        return _("The zone CA is external, so the zone does not have the CA key.")
    if authority.has_token_key and button in NEEDS_KEY_FILE:
        return _(
            "The CA key is stored in a PKCS #11 token and cannot be exported. "
            "Use the tools of the token, or use Change CA."
        )
    if pending is not None and button in BLOCKED_BY_OPERATION:
        return _("%(operation)s is in progress. Wait for it to complete, or cancel it.") % {
            "operation": pending.get_kind_display()
        }
    return ""


def build_assign_gate(operation: Operation) -> Gate | None:
    """Return Assign Now until the update is assigned, otherwise None."""
    label = _("Assign Now")
    if operation.state == OperationState.REPLICATING:
        return Gate("assign-now", label)
    if operation.state == OperationState.PREPARING:
        return Gate("assign-now", label, _("The system update is still being created."))
    return None


def build_cancel_gate(operation: Operation, zone: Zone, now: datetime) -> Gate | None:
    """Return Cancel, or None if there is nothing to cancel."""
    label = _("Cancel")
    if operation.can_cancel(now, zone.freeze_period):
        return Gate("cancel", label)
    if operation.state not in (OperationState.ASSIGNED, OperationState.ACTIVATING):
        return None
    freezes_at = operation.freezes_at(zone.freeze_period)
    if operation.immediate or freezes_at is None:
        return Gate(
            "cancel",
            label,
            _("An immediate activation cannot be canceled after the update is assigned."),
        )
    text = _(
        "The operation could be canceled until %(time)s. You can still exclude "
        "individual devices with Ignore Device on the System Updates page."
    )
    return Gate("cancel", label, text % {"time": formatting.exact(freezes_at)})


def build_activation_gate(operation: Operation, zone: Zone, now: datetime) -> Gate | None:
    """Return Change Activation Time, or None if the state does not allow it (D-26)."""
    label = _("Change Activation Time")
    if operation.state not in TIME_CAN_CHANGE or operation.immediate:
        return None
    if operation.state == OperationState.BLOCKED or not operation.is_frozen(
        now, zone.freeze_period
    ):
        return Gate("change-activation", label)
    freezes_at = operation.freezes_at(zone.freeze_period)
    text = _("The activation time could be changed until %(time)s.")
    return Gate(
        "change-activation",
        label,
        text % {"time": formatting.exact(freezes_at) if freezes_at else ""},
    )


def build_force_gate(operation: Operation) -> Gate | None:
    """Return Force Activation if the activation is blocked or postponed, otherwise None (D-26)."""
    if not operation.can_be_forced:
        return None
    return Gate("force-activation", _("Force Activation"), _get_pending_reason(operation))


def build_pilot_gate(operation: Operation) -> Gate | None:
    """Return Continue while the pilot group holds an assigned operation, otherwise None."""
    if operation.state not in (OperationState.ASSIGNED, OperationState.BLOCKED):
        return None
    return Gate("continue-after-pilot", _("Continue")) if operation.is_held_by_pilot else None


def _get_pending_reason(operation: Operation) -> str:
    """Return why no other action can be requested, "" if no request is pending."""
    if not operation.requested_action:
        return ""
    name = operation.action_requested_by.username if operation.action_requested_by else "—"
    text = _("A request by %(name)s is waiting for approval by a second administrator.")
    return text % {"name": name}


def build_rollback_gate(operation: Operation, why_not: str) -> Gate | None:
    """Return Roll Back after the activation of a new CA, otherwise None."""
    if not operation.changes_ca or operation.state not in CAN_ROLL_BACK:
        return None
    return Gate("roll-back", _("Roll Back"), why_not or _get_pending_reason(operation))


def get_cancel_deadline(operation: Operation, zone: Zone, now: datetime) -> datetime | None:
    """Return until when the operation can be canceled, or None if it cannot or has no end."""
    return operation.get_cancel_deadline(now, zone.freeze_period)


def format_cancel_deadline(operation: Operation, zone: Zone, now: datetime) -> str:
    """Return a sentence with the time until which the operation can be canceled, or ""."""
    if operation.immediate and operation.can_cancel(now, zone.freeze_period):
        return _("You can cancel until the update is assigned.")
    freezes_at = get_cancel_deadline(operation, zone, now)
    if freezes_at is None:
        return ""
    return _("You can cancel until %(time)s.") % {"time": formatting.exact(freezes_at)}


def get_expired_remedy(authority: Authority | None, of_ca: Collection[object]) -> str:
    """Return what to do about an expired zone CA. `of_ca` are the operations that replace it."""
    if of_ca:
        return _("They recover automatically when the operation has activated the new CA.")
    if authority is not None and authority.is_internal:
        return _("Use Remint CA, or Change CA. The new CA is activated immediately.")
    return _("Use Change CA. The new CA is activated immediately.")
