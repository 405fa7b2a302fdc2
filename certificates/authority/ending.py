"""Destroy in the token the keys of CAs that were retired or discarded (B-27).

A key in a file is gone with its row. One in a token stays until the server that holds the token
destroys it there; until then the row keeps its name.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from audit.models import Entry
from certificates.authority import key_store
from certificates.models import Authority
from certificates.models.authority import PKCS11
from certificates.operations.states import AuthorityState
from faults import Fault

log = logging.getLogger(__name__)
ENDED = (AuthorityState.RETIRED, AuthorityState.DISCARDED)
AGAIN = timedelta(minutes=10)


def due(now: datetime) -> list[Authority]:
    """Return the CAs whose key has yet to be destroyed and was not tried just now."""
    rest = Q(checked_at=None) | Q(checked_at__lte=now - AGAIN)
    ended = Authority.objects.filter(rest, state__in=ENDED, sealed_key__startswith=PKCS11)
    return list(ended.exclude(certificate_server=None))


def destroy(authority: Authority, *, now: datetime) -> None:
    """Destroy the key of one CA; a token that is away is asked again later."""
    if authority.state not in ENDED or not authority.has_token_key:
        return
    mine = Authority.objects.filter(pk=authority.pk, state__in=ENDED)
    mine.update(checked_at=now)
    try:
        key_store.destroy_key(authority)
    except Fault as fault:
        log.warning("The key of %s could not be destroyed: %s", authority.subject, fault)
        return
    with transaction.atomic():
        Entry.objects.queue()
        mine.update(sealed_key="")
        subject = f"certificates.Authority:{authority.pk}"
        Entry.objects.record("destroy-ca-key", subject, note=authority.subject[:200])
