"""Authenticate EST clients: HTTP Basic with an account key that allows EST.

The user name is the key ID, and the password the HMAC key. TLS client certificates are not
requested. See: RFC 7030 3.2.3; RFC 7617; D-313, D-316
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from limits import RateLimitItemPerMinute

from audit.models import Entry
from audit.rows import alarms
from certificates.acme import accounts
from certificates.est.problems import KeyRejected, NotAuthenticated
from certificates.models import AcmeAccount, AcmeAccountKey
from certificates.models.acme import EST_PREFIX
from devices.registration import throttle
from faults import TooMany

MAX_HEADER = 1024
FAILURES = RateLimitItemPerMinute(20, namespace="failed-est")


def is_enabled() -> bool:
    """Return True if there is an enabled account key that allows EST. Otherwise, EST is off."""
    return AcmeAccountKey.objects.of_est().exists()


def authenticate(header: str, network: str) -> AcmeAccountKey:
    """Return the account key of a request, or raise a problem.

    Failures are counted by network. Requests with a valid key are not, so that an attacker cannot
    keep the hosts behind the same address from renewing.
    """
    key_id, secret = _parse(header)
    key = _find(key_id, secret)
    if key is not None:
        return key
    if header:
        _count_failure(network)
    raise NotAuthenticated(
        _("The key ID or the HMAC key is not valid. No certificate was issued."),
        action=_("Use the key ID as the user name, and the HMAC key as the password."),
    )


def _parse(header: str) -> tuple[str, str]:
    """Return user name and password of the Authorization header, or empty texts."""
    scheme, _space, encoded = header[:MAX_HEADER].partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        return "", ""
    key_id, _colon, secret = text.partition(":")
    return (key_id, secret) if accounts.is_plain(key_id) else ("", "")


def _find(key_id: str, secret: str) -> AcmeAccountKey | None:
    """Return the authentic account key with this secret, or None.

    The secret of an unknown key is computed, too, so that both cases take the same time.
    """
    expected = accounts.get_hmac_key(key_id)
    is_valid = hmac.compare_digest(secret.rstrip("=").encode(), expected.encode())
    found = AcmeAccountKey.objects.filter(key_id=key_id).first()
    return found if is_valid and found is not None and alarms.is_authentic(found) else None


def _count_failure(network: str) -> None:
    try:
        throttle.check(FAILURES, network)
    except TooMany as fault:
        raise TooMany(
            _("Too many EST requests from this address have failed. No certificate was issued."),
            action=_("Check the key ID and the HMAC key, and try again in a minute."),
            retry_after=fault.retry_after,
        ) from fault
    throttle.record(FAILURES, network)


def check_usable(key: AcmeAccountKey) -> None:
    """Raise KeyRejected if EST clients cannot use a key. Its expiration is not checked."""
    if not key.allows_est:
        raise KeyRejected(
            _("The account key does not allow EST. No certificate was issued."),
            action=_("Ask an administrator for an account key that allows EST."),
        )
    if key.disabled_at is not None:
        raise KeyRejected(
            _("An administrator has disabled the account key. No certificate was issued."),
            action=_("Ask an administrator for another account key."),
        )


def is_expired(key: AcmeAccountKey, now: datetime) -> bool:
    """Return True if no further host can enroll with a key."""
    return key.expires_at is not None and key.expires_at <= now


@transaction.atomic
def get_account(key: AcmeAccountKey) -> AcmeAccount:
    """Return the account of the EST clients of a key. The first request creates it."""
    thumbprint = f"{EST_PREFIX}{key.pk}"
    rows = AcmeAccount.objects.select_related("account_key")
    found = rows.filter(thumbprint=thumbprint).first()
    if found is not None:
        return found.check_row_mac()
    checkpoint = Entry.objects.lock_checkpoint()
    account, is_new = AcmeAccount.objects.get_or_create(
        thumbprint=thumbprint, defaults={"account_key": key, "jwk": {}}
    )
    if is_new:
        detail = {"account": str(account.pk)}
        subject = f"{accounts.LABEL}:{key.pk}"
        Entry.objects.append(checkpoint, "est-account", subject, note=key.label, detail=detail)
    return account
