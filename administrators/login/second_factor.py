"""Two-factor authentication: an authenticator app (TOTP) and recovery codes.

Passkeys are in administrators.passkeys.

See: RFC 6238
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_otp.oath import TOTP

from administrators.models import FailedCode, Passkey, RecoveryCode, SecondFactor
from administrators.protection import account_macs
from audit.models import Entry
from audit.rows import alarms
from console.access.reauthentication import (
    has_authenticator,
    has_second_factor,
    list_passkey_hosts,
)
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Invalid

SECRET_BYTES = 20
is_on = has_second_factor
CODE_COUNT = 10
CODE_BYTES = 15
DIGITS = 6
# The clock of a phone can be off by one time step (30 seconds).
TOLERANCE = 1
# Incorrect codes of an account, from all addresses, after which codes are not verified.
MAX_FAILURES, FAILURE_PERIOD = 20, timedelta(hours=1)


class WrongCode(Invalid):
    """The code does not match the current code of the authenticator."""

    action = gettext_lazy(
        "Wait for the next code, and check that the clock on your device is correct."
    )


def start_setup(user: User) -> SecondFactor:
    """Create a new secret that its first code must confirm; raise Conflict if one is active."""
    existing = SecondFactor.objects.filter(user=user).first()
    if existing is not None and existing.confirmed_at is not None:
        raise Conflict(
            _("An authenticator is already set up. Nothing was changed."),
            action=(_("To use a different device, remove the current authenticator first.")),
        )
    encrypted = zone_keys.get_keyring().encrypt_for_servers(
        secrets.token_bytes(SECRET_BYTES), binding=_binding(user)
    )
    factor, _new = SecondFactor.objects.update_or_create(
        user=user, defaults={"encrypted": encrypted, "last_step": 0}
    )
    return factor


def secret_text(factor: SecondFactor) -> str:
    """Return the secret in Base32, as it is entered in an authenticator."""
    return base64.b32encode(_decrypt(factor)).decode()


def provisioning_uri(factor: SecondFactor) -> str:
    """Return the otpauth:// URI for the QR code."""
    issuer = f"ZCC {Zone.objects.get_zone().name}"
    label = quote(f"{issuer}:{factor.user.get_username()}")
    values = {"secret": secret_text(factor), "issuer": issuer, "digits": DIGITS, "period": 30}
    return f"otpauth://totp/{label}?{urlencode(values, quote_via=quote)}"


@transaction.atomic
def confirm_setup(user: User, code: str, *, now: datetime) -> list[str]:
    """Activate the authenticator with its first code.

    Returns the recovery codes if the user has no other second factor, otherwise [].
    """
    Entry.objects.lock_checkpoint()
    factor = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at=None).first()
    if factor is None:
        raise Conflict(
            _("There is no two-factor setup to confirm."), action=_("Start the setup again.")
        )
    if not _matches(factor, code, now):
        raise WrongCode(_("The code is incorrect."), field="code")
    account_macs.check(user.pk)
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=now)
    account_macs.stamp(user.pk)
    Entry.objects.record("second-factor-on", f"auth.User:{user.pk}", note=user.get_username())
    return [] if _has_passkeys(user) else create_codes(user)


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """Replace the recovery codes and return the new ones."""
    Entry.objects.record("new-recovery-codes", f"auth.User:{user.pk}", note=user.get_username())
    account_macs.check(user.pk)
    return create_codes(user)


@transaction.atomic
def remove_authenticator(user: User) -> None:
    """Remove the authenticator of a user, and without a passkey the recovery codes, too."""
    Entry.objects.record("second-factor-off", f"auth.User:{user.pk}", note=user.get_username())
    account_macs.check(user.pk)
    SecondFactor.objects.filter(user=user).delete()
    if not _has_passkeys(user):
        RecoveryCode.objects.filter(user=user).delete()
    account_macs.stamp(user.pk)


def _has_passkeys(user: User) -> bool:
    fresh = User.objects.select_related("account_mac").get(pk=user.pk)
    return bool(list_passkey_hosts(fresh))


def delete_second_factors(user: User) -> None:
    """Delete authenticator, passkeys, and recovery codes of a user whose account was verified.

    Call it in a transaction that has locked the checkpoint.
    """
    SecondFactor.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    Passkey.objects.filter(user=user).delete()
    account_macs.stamp(user.pk, keeps_passkeys=False)


@transaction.atomic
def verify_code(user: User, code: str, *, now: datetime) -> bool:
    """Return True if a code is valid, and mark it as used: no code is accepted twice.

    No code is valid if the second factor of the user was changed in the database (D-210).
    """
    code = "".join(code.split()).replace("-", "").upper()
    is_of_authenticator = code.isascii() and code.isdecimal()
    if not is_of_authenticator:
        Entry.objects.lock_checkpoint()
    account = _lock_authentic(user)
    if account is None or not is_on(account):
        return False
    if is_of_authenticator:
        return has_authenticator(account) and _verify_limited(account.second_factor, code, now)
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(code), used_at=None)
    found = unused.first()
    if found is None or not alarms.is_authentic(found) or not unused.update(used_at=now):
        return False
    left = RecoveryCode.objects.filter(user=user, used_at=None).count()
    Entry.objects.record(
        "recovery-code-used", f"auth.User:{user.pk}", note=f"{user.get_username()}, {left} left"
    )
    return True


def _lock_authentic(user: User) -> Any:
    """Lock the authenticator of a user, and return the user. None if the account was altered."""
    SecondFactor.objects.select_for_update().filter(user=user).first()
    # After the lock, and in one statement, so that account, MAC, and second factors match.
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    fresh = users.get(pk=user.pk)
    return fresh if account_macs.is_authentic(fresh) else None


def are_codes_blocked(user: User, *, now: datetime) -> bool:
    """Return True if authenticator codes of a user are not verified because of too many failures.

    A person who enters codes knows the password. Recovery codes are too long to guess and work.
    """
    recent = FailedCode.objects.filter(user=user, at__gt=now - FAILURE_PERIOD)
    return recent.count() >= MAX_FAILURES


def _verify_limited(factor: SecondFactor, code: str, now: datetime) -> bool:
    user = factor.user
    if are_codes_blocked(user, now=now):
        return False
    if _matches(factor, code, now):
        return True
    FailedCode.objects.filter(at__lte=now - FAILURE_PERIOD).delete()
    FailedCode.objects.create(user=user, at=now)
    if are_codes_blocked(user, now=now):
        Entry.objects.record("codes-blocked", f"auth.User:{user.pk}", note=user.get_username())
    return False


def _matches(factor: SecondFactor, code: str, now: datetime) -> bool:
    code = "".join(code.split())
    if not (code.isascii() and code.isdecimal() and len(code) == DIGITS):
        return False
    totp = TOTP(_decrypt(factor), digits=DIGITS)
    totp.time = int(now.timestamp())
    if not totp.verify(int(code), tolerance=TOLERANCE, min_t=factor.last_step + 1):
        return False
    later = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=totp.t())
    return bool(later.update(last_step=totp.t()))


def create_codes(user: User) -> list[str]:
    """Replace the recovery codes of a user, and return the new ones."""
    RecoveryCode.objects.filter(user=user).delete()
    codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode() for _ in range(CODE_COUNT)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(code)) for code in codes
    )
    return ["-".join(code[i : i + 4] for i in range(0, len(code), 4)) for code in codes]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _binding(user: User) -> str:
    return f"second-factor|{user.pk}"


def _decrypt(factor: SecondFactor) -> bytes:
    return zone_keys.get_keyring().decrypt_for_servers(
        factor.encrypted, binding=_binding(factor.user)
    )
