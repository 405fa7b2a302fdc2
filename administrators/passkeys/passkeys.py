"""Add, use, and remove the passkeys of a user. A passkey is a second factor after the password.

See: D-253, D-254
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _
from webauthn.helpers import bytes_to_base64url

from administrators.login import second_factor
from administrators.models import Passkey, Policies, RecoveryCode
from administrators.passkeys import responses
from administrators.passkeys.responses import NotAccepted
from administrators.passkeys.sites import Site
from administrators.protection import account_macs
from audit.models import Entry
from audit.rows import alarms
from console.access.reauthentication import has_authenticator, uses_oidc
from devices.models import Device
from faults import Conflict, Invalid, NotFound, Refused
from wire import messages

MAX_PASSKEYS = 20


def list_passkeys(user: User) -> list[Passkey]:
    """Return the passkeys of a user that ZCC stored, oldest first, and report others."""
    found = Passkey.objects.filter(user=user).select_related("user__account_mac").order_by("pk")
    account_macs.check_passkeys(user)
    return [passkey for passkey in found if alarms.is_authentic(passkey)]


def check_can_add(user: User, site: Site) -> None:
    """Raise a fault if a user cannot add a passkey on this site."""
    if uses_oidc(user):
        raise Refused(_("You log in with OpenID Connect. Passkeys are added at your provider."))
    site.check()
    # A console of the previous version would store a MAC of the account without the passkeys.
    if not Device.objects.primaries().have_feature(messages.FEATURE_PASSKEYS):
        raise Conflict(
            _("A Primary Server does not support passkeys yet. Nothing was changed."),
            action=_(
                "Upgrade all Primary Servers. Their agents report it within a refresh interval."
            ),
        )
    if Passkey.objects.filter(user=user).count() >= MAX_PASSKEYS:
        raise Refused(
            _("An account can have up to %d passkeys. Nothing was changed.") % MAX_PASSKEYS,
            action=_("Remove a passkey that you do not use."),
        )


def build_creation_options(user: User, site: Site, challenge: bytes) -> dict[str, Any]:
    """Return what the browser needs to create a passkey. Raises a fault if it cannot be added."""
    check_can_add(user, site)
    existing = [passkey for passkey in list_passkeys(user) if passkey.rp_id == site.rp_id]
    return responses.build_creation_options(user, existing, site, challenge)


def build_request_options(user: User, site: Site, challenge: bytes) -> dict[str, Any]:
    """Return what the browser needs to use a passkey of a user. Raises a fault without one."""
    site.check()
    usable = [passkey for passkey in list_passkeys(user) if passkey.rp_id == site.rp_id]
    if not usable:
        raise Refused(_("You do not have a passkey for %s.") % site.rp_id)
    return responses.build_request_options(usable, site, challenge)


@transaction.atomic
def add_passkey(
    user: User, name: str, response: str, *, challenge: bytes, site: Site, now: datetime
) -> list[str]:
    """Add the passkey in the response of a browser.

    Returns the recovery codes if the user has no other second factor, otherwise [].
    """
    checkpoint = Entry.objects.lock_checkpoint()
    account_macs.check(user.pk)
    check_can_add(user, site)
    fresh = User.objects.select_related("account_mac", "second_factor").get(pk=user.pk)
    try:
        verified = responses.verify_registration(response, challenge=challenge, site=site)
    except NotAccepted as error:
        raise Invalid(
            _("The response of the authenticator is not valid. No passkey was added."),
            action=_("Try again."),
        ) from error
    digest = hashlib.sha256(verified.credential_id).hexdigest()
    _check_new(user, name, digest)
    passkey = Passkey.objects.create(
        user=fresh,
        rp_id=site.rp_id,
        digest=digest,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=bytes_to_base64url(verified.credential_public_key),
        name=name,
        sign_count=verified.sign_count,
        created_at=now,
    )
    account_macs.change_passkeys(user.pk, add=passkey.list_entry)
    detail = {"after": {"passkey": name, "host name": site.rp_id}}
    subject = f"auth.User:{user.pk}"
    Entry.objects.append(
        checkpoint, "passkey-added", subject, note=user.get_username(), detail=detail
    )
    return [] if second_factor.is_on(fresh) else second_factor.create_codes(user)


def _check_new(user: User, name: str, digest: str) -> None:
    if Passkey.objects.filter(digest=digest).exists():
        raise Conflict(
            _("This passkey has already been added. Nothing was changed."),
            action=_("Choose another authenticator."),
        )
    if Passkey.objects.filter(user=user, name=name).exists():
        raise Invalid(_("You already have a passkey with this name."), field="name")


@transaction.atomic
def verify_passkey(
    user: User, response: str, *, challenge: bytes, site: Site, now: datetime
) -> bool:
    """Return True if a response was made with a passkey of a user for this site and challenge.

    A response whose signature counter is not higher than before is rejected: the passkey might
    have been copied. No passkey is valid if the account or its row was changed in the database.
    """
    checkpoint = Entry.objects.lock_checkpoint()
    try:
        parsed = responses.parse(response)
        passkey = _find_authentic(user, hashlib.sha256(parsed.raw_id).hexdigest(), site)
        if passkey is None:
            return False
        verified = responses.verify_authentication(parsed, passkey, challenge=challenge, site=site)
    except NotAccepted:
        return False
    before, after = passkey.sign_count, verified.new_sign_count
    is_copy = max(before, after) > 0 and after <= before
    detail: dict[str, Any] = {"after": {"passkey": passkey.name, "host name": passkey.rp_id}}
    if is_copy:
        detail["before"] = {"signature counter": before}
        detail["after"]["signature counter"] = after
    else:
        passkey.sign_count, passkey.last_used_at = after, now
        passkey.save(update_fields=["sign_count", "last_used_at"])
    Entry.objects.append(
        checkpoint,
        "passkey-copied" if is_copy else "passkey-used",
        f"auth.User:{user.pk}",
        note=user.get_username(),
        detail=detail,
    )
    return not is_copy


def _find_authentic(user: User, digest: str, site: Site) -> Passkey | None:
    """Lock and return the passkey of an account that was not altered, or None."""
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    fresh = users.get(pk=user.pk)
    if not account_macs.is_authentic(fresh):
        return None
    rows = Passkey.objects.select_for_update().filter(user=fresh, rp_id=site.rp_id)
    passkey = rows.filter(digest=digest).first()
    if passkey is None:
        account_macs.check_passkeys(fresh)
        return None
    passkey.user = fresh
    return passkey if alarms.is_authentic(passkey) else None


@transaction.atomic
def remove_passkey(user: User, pk: int) -> str:
    """Remove a passkey of a user, and return its name. Raises a fault for a required one."""
    checkpoint = Entry.objects.lock_checkpoint()
    account_macs.check(user.pk)
    passkey = Passkey.objects.select_related("user__account_mac").filter(user=user, pk=pk).first()
    if passkey is None:
        raise NotFound(_("The passkey was not found. Nothing was changed."))
    passkey.check_row_mac()
    is_last = _is_last_factor(passkey)
    if is_last and Policies.objects.get_current().requires_second_factor:
        raise Refused(
            _("Two-factor authentication is required, and this is your only second factor."),
            action=_("Add another passkey or an authenticator app first. Nothing was changed."),
        )
    passkey.delete()
    account_macs.change_passkeys(user.pk, remove=passkey.list_entry)
    if is_last:
        RecoveryCode.objects.filter(user=user).delete()
    detail = {"before": {"passkey": passkey.name, "host name": passkey.rp_id}}
    subject = f"auth.User:{user.pk}"
    Entry.objects.append(
        checkpoint, "passkey-removed", subject, note=user.get_username(), detail=detail
    )
    return passkey.name


def _is_last_factor(passkey: Passkey) -> bool:
    user: Any = passkey.user
    return user.account_mac.list_passkeys() == [passkey.list_entry] and not has_authenticator(user)
