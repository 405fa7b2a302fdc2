"""The second factor: an authenticator app (RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

from django.contrib.auth.models import User
from django.db import transaction
from django_otp.oath import TOTP

from administrators.models import RecoveryCode, SecondFactor
from audit.models import Entry
from console.access.reauthentication import has_second_factor
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Invalid

SECRET_BYTES = 20
is_on = has_second_factor
CODES = 10
CODE_BYTES = 15
DIGITS = 6
# One step of thirty seconds early or late is the clock of a telephone.
TOLERANCE = 1


class WrongCode(Invalid):
    """The code is not the one that the authenticator shows now."""

    action = "Wait for the next code, and check the clock of your device."


def begin(user: User) -> SecondFactor:
    """Make a new secret, to be confirmed by its first code; one that is on stays as it is."""
    known = SecondFactor.objects.filter(user=user).first()
    if known is not None and known.confirmed_at is not None:
        raise Conflict(
            "You have a second factor already. Nothing was changed.",
            action="Remove it first, if you want to use another device.",
        )
    blob = zone_keys.here().seal_for_all(secrets.token_bytes(SECRET_BYTES), binding=_binding(user))
    factor, _new = SecondFactor.objects.update_or_create(
        user=user, defaults={"sealed": blob, "last_step": 0}
    )
    return factor


def secret_text(factor: SecondFactor) -> str:
    """Return the secret as it is typed into an authenticator (base32)."""
    return base64.b32encode(_open(factor)).decode()


def address(factor: SecondFactor) -> str:
    """Return what the authenticator scans."""
    issuer = f"ZCC {Zone.objects.the().name}"
    label = quote(f"{issuer}:{factor.user.get_username()}")
    values = {"secret": secret_text(factor), "issuer": issuer, "digits": DIGITS, "period": 30}
    return f"otpauth://totp/{label}?{urlencode(values, quote_via=quote)}"


@transaction.atomic
def confirm(user: User, code: str, *, now: datetime) -> list[str]:
    """Turn the factor on with its first code; returns the recovery codes, shown this once."""
    factor = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at=None).first()
    if factor is None:
        raise Conflict("There is no second factor to confirm.", action="Begin again.")
    if not _matches(factor, code, now):
        raise WrongCode("This is not the code that belongs to the secret.", field="code")
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=now)
    Entry.objects.record("second-factor-on", f"auth.User:{user.pk}", note=user.get_username())
    return _new_codes(user)


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """Replace the recovery codes; the old ones open nothing any more."""
    Entry.objects.record("new-recovery-codes", f"auth.User:{user.pk}", note=user.get_username())
    return _new_codes(user)


@transaction.atomic
def remove(user: User) -> None:
    """Turn a user's second factor off, with its recovery codes."""
    Entry.objects.record("second-factor-off", f"auth.User:{user.pk}", note=user.get_username())
    SecondFactor.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()


@transaction.atomic
def prove(user: User, code: str, *, now: datetime) -> bool:
    """Tell whether a code is right, and use it up: it proves nothing a second time."""
    code = "".join(code.split()).replace("-", "").upper()
    factor = SecondFactor.objects.select_for_update().filter(user=user).first()
    if factor is None or factor.confirmed_at is None:
        return False
    if code.isascii() and code.isdecimal():
        return _matches(factor, code, now)
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(code), used_at=None)
    if not unused.update(used_at=now):
        return False
    left = RecoveryCode.objects.filter(user=user, used_at=None).count()
    Entry.objects.record(
        "recovery-code-used", f"auth.User:{user.pk}", note=f"{user.get_username()}, {left} left"
    )
    return True


def _matches(factor: SecondFactor, code: str, now: datetime) -> bool:
    code = "".join(code.split())
    if not (code.isascii() and code.isdecimal() and len(code) == DIGITS):
        return False
    totp = TOTP(_open(factor), digits=DIGITS)
    totp.time = int(now.timestamp())
    if not totp.verify(int(code), tolerance=TOLERANCE, min_t=factor.last_step + 1):
        return False
    later = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=totp.t())
    return bool(later.update(last_step=totp.t()))


def _new_codes(user: User) -> list[str]:
    RecoveryCode.objects.filter(user=user).delete()
    codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode() for _ in range(CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(code)) for code in codes
    )
    return ["-".join(code[i : i + 4] for i in range(0, len(code), 4)) for code in codes]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _binding(user: User) -> str:
    return f"second-factor|{user.pk}"


def _open(factor: SecondFactor) -> bytes:
    return zone_keys.here().open_for_all(factor.sealed, binding=_binding(factor.user))
