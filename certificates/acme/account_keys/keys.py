"""Account keys: create, show once, and disable them.

See: RFC 8555 7.3.4; D-300
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.chain import actor
from audit.models import Entry
from certificates.acme import accounts, policy
from certificates.models import AcmeAccountKey, AcmeCertificate
from faults import Invalid, NotFound

RIGHT = "certificates.certificate_authority"
MAX_KEYS = 1000
MAX_LABEL = 64
KEY_ID_BYTES = 16
DEFAULT_DAYS = 7
"""How long hosts can register with a key for which nothing else was requested."""
SUBJECT = "certificates.AcmeAccountKey"


@dataclass(frozen=True)
class NewKey:
    """A new account key with its secret (base64url), which is not shown again."""

    row: AcmeAccountKey
    hmac_key: str


@transaction.atomic
def create(
    label: str,
    names: Iterable[str],
    *,
    expires_at: datetime | None,
    now: datetime,
    allows_est: bool = False,
) -> NewKey:
    """Create an account key for hosts with these names, or raise Invalid."""
    checkpoint = Entry.objects.lock_checkpoint()
    label, permitted = label.strip(), policy.check_patterns(names)
    if not label or len(label) > MAX_LABEL:
        raise Invalid(
            _("Enter a name of 1 to %d characters. No key was created.") % MAX_LABEL,
            field="label",
        )
    if expires_at is not None and expires_at <= now:
        raise Invalid(
            _("The expiration date is in the past. No key was created."), field="expires_at"
        )
    if AcmeAccountKey.objects.count() >= MAX_KEYS:
        raise Invalid(_("The maximum of %d keys has been reached. No key was created.") % MAX_KEYS)
    row = AcmeAccountKey.objects.create(
        key_id=secrets.token_urlsafe(KEY_ID_BYTES),
        label=label,
        names=permitted,
        created_by=actor.current().name,
        expires_at=expires_at,
        allows_est=allows_est,
    )
    Entry.objects.append(
        checkpoint,
        "acme-account-key",
        f"{SUBJECT}:{row.pk}",
        note=label,
        detail={"names": permitted, "key_id": row.key_id, "allows_est": allows_est},
    )
    return NewKey(row, accounts.get_hmac_key(row.key_id))


def count_hosts(key: AcmeAccountKey, now: datetime, *, but: AcmeCertificate | None = None) -> int:
    """Return the number of hosts that cannot renew if a key is disabled.

    Each certificate in use counts as a host, without those of the host that uses `but`.
    """
    used = AcmeCertificate.objects.in_use(now).filter(account__account_key=key)
    if but is not None:
        used = used.exclude(account=but.account_id, names=but.names)
    return used.count()


@transaction.atomic
def disable(pk: int, *, now: datetime) -> AcmeAccountKey:
    """Disable an account key permanently. Its accounts get no further certificates."""
    checkpoint = Entry.objects.lock_checkpoint()
    key = AcmeAccountKey.objects.select_for_update().filter(pk=pk).first()
    if key is None:
        raise NotFound(_("The ACME account key was not found. Nothing was changed."))
    if key.disabled_at is None:
        key.disabled_at = now
        key.save(update_fields=["disabled_at"])
        Entry.objects.append(
            checkpoint, "disable-acme-account-key", f"{SUBJECT}:{pk}", note=key.label
        )
    return key
