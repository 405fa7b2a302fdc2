"""Requests to give an account a role with the right Certificate Authority.

With two-administrator approval, one administrator alone could otherwise create the second one, or
get into the account of the second one with a new password, and then approve as both.

See: D-171
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.accounts.roles import ADMINISTER, ROLES, SUPER, roles_with
from administrators.approvals import reasons
from administrators.models import Administrator, Policies, RoleRequest, roles_of
from administrators.protection import account_macs
from audit.models import Entry
from faults import Conflict, Forbidden, Refused

CA_RIGHT = "certificates.certificate_authority"
LIFETIME = timedelta(hours=24)


class NotPending(Conflict):
    """The request has expired or has already been approved or rejected."""

    action = gettext_lazy("Set the roles again.")


def get_roles_to_approve(roles: Iterable[str]) -> list[str]:
    """Return those of the roles that a second administrator must approve, if the rule is on."""
    if not Policies.objects.get_current().two_administrators:
        return []
    able = {role.key for role in roles_with(CA_RIGHT)}
    return [role for role in roles if role in able]


def store_roles(user: User, roles: Iterable[str]) -> list[str]:
    """Store the roles of a user, and return them in the order of ROLES."""
    ordered = [role.key for role in ROLES if role.key in roles]
    Administrator.objects.filter(user=user).update(roles=ordered)
    User.objects.filter(pk=user.pk).update(is_superuser=SUPER in ordered)
    account_macs.stamp(user.pk)
    return ordered


def request_roles(user: User, roles: list[str], *, by: User, now: datetime) -> None:
    """Store the request to add roles to a user. It replaces an earlier request for this user."""
    RoleRequest.objects.filter(user=user).delete()
    if not roles:
        return
    RoleRequest.objects.create(user=user, roles=roles, requested_by=by, requested_at=now)
    _record("ask-roles", user, roles, there="proposed")


def withhold_roles(user: User, *, by: User, now: datetime) -> list[str]:
    """Take the roles that need an approval from a user whose login another one has reset.

    A further administrator must approve them. Returns these roles.
    """
    before = [role.key for role in roles_of(user)]
    withheld = get_roles_to_approve(before) if user != by else []
    if withheld:
        store_roles(user, [role for role in before if role not in withheld])
        request_roles(user, withheld, by=by, now=now)
    return withheld


def find_request(user: User, now: datetime) -> RoleRequest | None:
    """Return the pending request for a user, or None."""
    found = RoleRequest.objects.filter(user=user, requested_at__gt=now - LIFETIME)
    return found.select_related("requested_by", "user").first()


def list_requests(now: datetime) -> list[RoleRequest]:
    """Return the pending requests, oldest first."""
    found = RoleRequest.objects.filter(requested_at__gt=now - LIFETIME)
    return list(found.select_related("requested_by", "user").order_by("requested_at"))


@transaction.atomic
def approve(pk: int, *, by: User | None, now: datetime) -> User:
    """Give a user the requested roles. `by` is None on the command line of a Primary Server.

    Raises a fault if the user has not chosen a password: a holder of the link could choose it.
    """
    Entry.objects.lock_checkpoint()
    pending = _get_request(pk, now)
    user = pending.user
    if not _has_own_login(user):
        raise Refused(
            _("%(name)s has not chosen a password yet. Nothing was changed.")
            % {"name": user.username},
            action=_(
                "Approve the roles after this person has logged in. Ask the person in another way."
            ),
        )
    if by is not None:
        _check_may_approve(by, pending)
    account_macs.check(user.pk)
    after = store_roles(user, {*(role.key for role in roles_of(user)), *pending.roles})
    _record("confirm-roles", user, after, note=f"requested by {pending.requested_by.username}")
    pending.delete()
    return user


@transaction.atomic
def reject(pk: int, *, by: User, now: datetime, reason: str = "") -> User:
    """Reject a request for a reason, or withdraw it if `by` made it.

    The other roles of the user stay.
    """
    text = reasons.clean(reason)
    Entry.objects.lock_checkpoint()
    pending = _get_request(pk, now)
    user = pending.user
    if pending.requested_by == by:
        _record("withdraw-roles", user, pending.roles)
    else:
        _record("refuse-roles", user, pending.roles, note=text)
    pending.delete()
    return user


def _get_request(pk: int, now: datetime) -> RoleRequest:
    found = RoleRequest.objects.filter(user=pk, requested_at__gt=now - LIFETIME)
    pending = found.select_related("user__administrator", "requested_by").first()
    if pending is None:
        raise NotPending(_("No roles are waiting for approval. Nothing was changed."))
    return pending.check_row_mac()


def _has_own_login(user: User) -> bool:
    account = getattr(user, "administrator", None)
    if account is not None and account.login_method != Administrator.LoginMethod.PASSWORD:
        return True
    return user.has_usable_password() and not (account is not None and account.must_change_password)


def _check_may_approve(by: User, pending: RoleRequest) -> None:
    if by in (pending.requested_by, pending.user):
        raise Refused(
            _(
                "You requested these roles, or they are for your account. Another administrator "
                "must approve them. Nothing was changed."
            )
        )
    if not (by.is_superuser if SUPER in pending.roles else by.has_perm(ADMINISTER)):
        raise Forbidden(
            _("Your account does not have the right to assign these roles. Nothing was changed.")
        )


def _record(
    action: str, user: User, roles: Iterable[str], *, there: str = "", note: str = ""
) -> None:
    detail = {"roles": list(roles)}
    text = f"{user.username}, {note}" if note else user.username
    Entry.objects.record(action, f"auth.User:{user.pk}", there=there, note=text, detail=detail)
