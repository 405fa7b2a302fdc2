"""Change the policies for all administrators.

Turning off two-administrator approval needs the approval of a second administrator.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from administrators.approvals import reasons
from administrators.models import Policies
from audit.models import Entry
from faults import Conflict, Forbidden, Refused

CA_RIGHT = "certificates.certificate_authority"
APPROVAL_PERIOD = timedelta(hours=24)
# The subject of version 0.1, so that the audit log has one name for the policies.
SUBJECT = "people.Rules:1"


@transaction.atomic
def update_policies(
    *, requires_second_factor: bool, two_administrators: bool, by: User, now: datetime
) -> Policies:
    """Save the policies; turning off two-administrator approval is only requested."""
    checkpoint = Entry.objects.lock_checkpoint()
    policies = Policies.objects.get_current()
    before = _as_dict(policies)
    policies.requires_second_factor = requires_second_factor
    if two_administrators and not policies.two_administrators:
        _check_enough_administrators()
        policies.two_administrators = True
    elif policies.two_administrators and not two_administrators:
        policies.turn_off_requested_by, policies.turn_off_requested_at = by, now
    if two_administrators:
        policies.turn_off_requested_by = policies.turn_off_requested_at = None
    policies.save()
    detail = {"before": before, "after": _as_dict(policies)}
    Entry.objects.append(checkpoint, "change-rules", SUBJECT, detail=detail)
    return policies


@transaction.atomic
def approve_turn_off(*, by: User, now: datetime) -> Policies:
    """Turn off two-administrator approval with the approval of a second administrator."""
    checkpoint = Entry.objects.lock_checkpoint()
    policies = get_turn_off_request(now)
    if policies is None:
        raise Conflict(_("There is no pending request to turn off this rule. Nothing was changed."))
    check_second_administrator(by, first=policies.turn_off_requested_by)
    before = _as_dict(policies)
    policies.two_administrators = False
    policies.turn_off_requested_by = policies.turn_off_requested_at = None
    policies.save()
    detail = {"before": before, "after": _as_dict(policies)}
    Entry.objects.append(checkpoint, "confirm-rules", SUBJECT, detail=detail)
    return policies


@transaction.atomic
def reject_turn_off(*, by: User, now: datetime, reason: str = "") -> Policies:
    """Reject the request to turn off approval for a reason, or withdraw it if `by` made it."""
    text = reasons.clean(reason)
    checkpoint = Entry.objects.lock_checkpoint()
    policies = get_turn_off_request(now)
    if policies is None:
        raise Conflict(_("There is no pending request to turn off this rule. Nothing was changed."))
    is_own = policies.turn_off_requested_by == by
    if not is_own:
        check_second_administrator(by, first=policies.turn_off_requested_by)
    before = _as_dict(policies)
    policies.turn_off_requested_by = policies.turn_off_requested_at = None
    policies.save()
    detail = {"before": before, "after": _as_dict(policies)}
    action = "withdraw-rules" if is_own else "refuse-rules"
    Entry.objects.append(checkpoint, action, SUBJECT, note="" if is_own else text, detail=detail)
    return policies


def check_second_administrator(user: User, *, first: User | None) -> None:
    """Raise an error if `user` made the request or does not have the right to approve it."""
    if first is not None and user.pk == first.pk:
        raise Refused(
            _(
                "You cannot approve your own request. A second administrator must approve "
                "it. Nothing was changed."
            ),
        )
    if not user.has_perm(CA_RIGHT):
        raise Forbidden(
            _("Your account does not have the Certificate Authority right. Nothing was changed.")
        )


def list_approvers(requester: User) -> list[User]:
    """Return the active users who can approve a request of a user, by name."""
    users = User.objects.filter(is_active=True).exclude(pk=requester.pk).order_by("username")
    return [user for user in users if user.has_perm(CA_RIGHT)]


def get_turn_off_request(now: datetime) -> Policies | None:
    """Return the policies if a request to turn off approval is pending, else None."""
    policies = Policies.objects.select_related("turn_off_requested_by").first()
    if policies is None or policies.turn_off_requested_at is None:
        return None
    is_pending = now - policies.turn_off_requested_at < APPROVAL_PERIOD
    return policies if policies.two_administrators and is_pending else None


def _check_enough_administrators() -> None:
    able = [user for user in User.objects.filter(is_active=True) if user.has_perm(CA_RIGHT)]
    if len(able) <= 1:
        raise Refused(
            _(
                "Two-administrator approval requires at least two administrators with the "
                "Certificate Authority right. There is only one. Nothing was changed."
            ),
            action=_("Create a second administrator with this right first."),
            field="two_administrators",
        )


def _as_dict(policies: Policies) -> dict[str, object]:
    requested_by = policies.turn_off_requested_by
    return {
        "two-factor authentication required": policies.requires_second_factor,
        "two-administrator approval": policies.two_administrators,
        "turn-off requested by": requested_by.username if requested_by is not None else "",
    }
