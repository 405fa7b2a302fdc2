"""Accounts of ACME clients: register, find, change, and deactivate them.

An account belongs to the account key that it registered with. If the key is disabled, its accounts
can only revoke certificates. See: RFC 8555 7.3; D-300
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.models import Entry, EntryCount, EntryLimit
from audit.rows import alarms
from certificates.acme.problems import (
    AccountDoesNotExist,
    AccountUnauthorized,
    ExternalAccountRequired,
    KeyInUse,
    Malformed,
    RateLimited,
    unexpected_content,
)
from certificates.models import AcmeAccount, AcmeAccountKey, AcmeCertificate
from devices.identity import zone_keys

PURPOSE = "acme-account-key"
MAX_CONTACTS, MAX_CONTACT = 5, 200
# A key that became public must not fill the database.
MAX_ACCOUNTS, MAX_ACCOUNTS_PER_HOUR, MAX_ACCOUNTS_PER_DAY = 1_000, 100, 1_000
# Each change adds an entry to the audit log, which cannot be shortened.
MAX_KEY_CHANGES_A_DAY = 10
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LABEL = "certificates.AcmeAccountKey"
KEY_CHANGED = "change-acme-key"


def is_enabled(now: datetime) -> bool:
    """Return True if there is an account key that is not disabled, or a valid certificate.

    Otherwise, there is no ACME. A host can revoke its certificate also after its key was disabled.
    """
    if AcmeAccountKey.objects.enabled().exists():
        return True
    return AcmeCertificate.objects.filter(not_after__gt=now).exists()


def derive_secret(key_id: str) -> bytes:
    """Return the HMAC key of an account key."""
    return bytes.fromhex(zone_keys.get_keyring().get_mac(PURPOSE, key_id))


def get_hmac_key(key_id: str) -> str:
    """Return the HMAC key of an account key as clients receive it, in base64url."""
    return base64.urlsafe_b64encode(derive_secret(key_id)).decode().rstrip("=")


def is_plain(key_id: str) -> bool:
    """Return True if a text can be a key ID. A database does not accept every other text."""
    return key_id.isascii() and key_id.isprintable()


def find_account_key(key_id: str | None, now: datetime) -> AcmeAccountKey:
    """Return an account key with which an account can be registered now, or raise a problem."""
    plain = key_id if key_id and is_plain(key_id) else ""
    found = AcmeAccountKey.objects.usable(now).filter(key_id=plain).first()
    if found is None or not alarms.is_authentic(found):
        raise ExternalAccountRequired(
            _("The account key is unknown, disabled, or expired. Nothing was changed."),
            action=_("Ask an administrator for an account key."),
        )
    return found


def find_by_thumbprint(thumbprint: str) -> AcmeAccount | None:
    """Return the account with a public key, or None."""
    rows = AcmeAccount.objects.select_related("account_key")
    return _check(rows.filter(thumbprint=thumbprint).first())


def find_by_id(text: str) -> AcmeAccount:
    """Return the account of a request, or raise a problem."""
    try:
        guid = UUID(text)
    except ValueError:
        guid = None
    rows = AcmeAccount.objects.select_related("account_key")
    found = _check(rows.filter(pk=guid).first()) if guid is not None else None
    if found is None or found.is_of_est:
        raise AccountDoesNotExist(_("The account was not found. Nothing was changed."))
    if found.deactivated_at is not None:
        raise AccountUnauthorized(_("The account has been deactivated. Nothing was changed."))
    return found


def _check(account: AcmeAccount | None) -> AcmeAccount | None:
    """Return an account if its rows were written by ZCC."""
    if account is None:
        return None
    is_authentic = alarms.is_authentic(account) and alarms.is_authentic(account.account_key)
    return account if is_authentic else None


def check_can_order(account: AcmeAccount) -> None:
    """Raise a problem if the account key of an account was disabled, or does not allow EST."""
    if account.is_of_est and not account.account_key.allows_est:
        raise AccountUnauthorized(
            _("The account key does not allow EST. No certificate was issued."),
            action=_("Ask an administrator for an account key that allows EST."),
        )
    if account.account_key.disabled_at is not None:
        raise AccountUnauthorized(
            _("An administrator has disabled the account key. No certificate was issued.")
        )


@transaction.atomic
def register(
    jwk: dict[str, str], thumbprint: str, key: AcmeAccountKey, contacts: list[str], now: datetime
) -> AcmeAccount:
    """Register an account. Raise a problem if its public key is known, or at a limit of the key."""
    # First without the lock, so that a client that repeats it does not delay administrators.
    _check_accounts(key, now)
    checkpoint = Entry.objects.lock_checkpoint()
    _check_accounts(key, now)
    try:
        with transaction.atomic():
            account = AcmeAccount.objects.create(
                account_key=key, jwk=jwk, thumbprint=thumbprint, contacts=contacts
            )
    except IntegrityError as error:
        raise Malformed(_("The account exists. Nothing was changed.")) from error
    detail = {"account": str(account.pk), "contacts": contacts}
    Entry.objects.append(
        checkpoint, "acme-account", f"{LABEL}:{key.pk}", note=key.label, detail=detail
    )
    return account


def _check_accounts(key: AcmeAccountKey, now: datetime) -> None:
    """Raise a problem if no account can be registered with a key, because it has too many.

    Deactivated accounts do not count, but each registration does: its entry stays in the audit log.
    """
    if key.accounts.filter(deactivated_at=None).count() >= MAX_ACCOUNTS:
        raise AccountUnauthorized(
            _(
                "The account key has the maximum of %d accounts that are not deactivated. No "
                "account was registered."
            )
            % MAX_ACCOUNTS,
            action=_(
                "Deactivate accounts that are no longer used, or ask an administrator for another "
                "account key."
            ),
        )
    if key.accounts.filter(created_at__gt=now - HOUR).count() >= MAX_ACCOUNTS_PER_HOUR:
        raise RateLimited(
            _("Too many accounts were registered with the account key. No account was registered."),
            action=_("Try again in an hour."),
        )
    if key.accounts.filter(created_at__gt=now - DAY).count() >= MAX_ACCOUNTS_PER_DAY:
        raise RateLimited(
            _("Too many accounts were registered with the account key. No account was registered."),
            action=_("Try again in a day."),
            retry_after=int(DAY.total_seconds()),
        )


@transaction.atomic
def deactivate(account: AcmeAccount, now: datetime) -> None:
    """Deactivate an account permanently. Its certificates stay valid."""
    checkpoint = Entry.objects.lock_checkpoint()
    account.deactivated_at = now
    account.save(update_fields=["deactivated_at"])
    subject, detail = f"{LABEL}:{account.account_key_id}", {"account": str(account.pk)}
    note = account.account_key.label
    Entry.objects.append(checkpoint, "end-acme-account", subject, note=note, detail=detail)


@transaction.atomic
def change_key(account: AcmeAccount, jwk: dict[str, str], thumbprint: str, now: datetime) -> None:
    """Replace the public key of an account, or raise a problem.

    The new key must not belong to another account. The account key must be enabled.
    """
    if account.account_key.disabled_at is not None:
        raise AccountUnauthorized(
            _("An administrator has disabled the account key. Nothing was changed.")
        )
    limit = EntryLimit(f"certificates.AcmeAccount:{account.pk}", KEY_CHANGED, now.date())
    # First without the lock, so that a client that repeats it does not delay administrators.
    _check_key_changes(limit, now)
    checkpoint = Entry.objects.lock_checkpoint()
    _check_key_changes(limit, now)
    EntryCount.objects.add(limit)
    account.jwk, account.thumbprint = jwk, thumbprint
    try:
        with transaction.atomic():
            account.save(update_fields=["jwk", "thumbprint"])
    except IntegrityError as error:
        # Another account got the key in the meantime.
        raise KeyInUse(_("The new key belongs to an account. Nothing was changed.")) from error
    subject, detail = f"{LABEL}:{account.account_key_id}", {"account": str(account.pk)}
    note = account.account_key.label
    Entry.objects.append(checkpoint, KEY_CHANGED, subject, note=note, detail=detail)


def _check_key_changes(limit: EntryLimit, now: datetime) -> None:
    """Raise RateLimited until the end of the day (UTC) if an account has changed its key often."""
    count = EntryCount.objects.of(limit).values_list("count", flat=True).first() or 0
    if count < MAX_KEY_CHANGES_A_DAY:
        return
    midnight = datetime.combine(limit.day + DAY, time.min, UTC)
    raise RateLimited(
        _("The key of the account was changed %d times today. Nothing was changed.") % count,
        action=_("Try again tomorrow."),
        retry_after=max(1, int((midnight - now).total_seconds())),
    )


def save_contacts(account: AcmeAccount, contacts: list[str]) -> None:
    """Save the contact addresses of an account. Nothing is sent to them."""
    account.contacts = contacts
    account.save(update_fields=["contacts"])


def check_contacts(value: Any) -> list[str]:
    """Return the contacts of an account, or raise Malformed."""
    found = [] if value is None else value
    if not isinstance(found, list) or len(found) > MAX_CONTACTS:
        raise unexpected_content()
    if not all(isinstance(one, str) and len(one) <= MAX_CONTACT for one in found):
        raise unexpected_content()
    if not all(one.isprintable() for one in found):
        raise unexpected_content()
    return found
