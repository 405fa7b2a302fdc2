"""Whether a CA can sign: its key is opened and tried, and what is wrong stands on its row (S-11).

The pane shows it. Nothing is lost meanwhile: what waits for a signature is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import models

from certificates.authority import key_store
from certificates.models import Authority
from certificates.operations.states import AuthorityState
from faults import Fault

log = logging.getLogger(__name__)
EVERY = timedelta(minutes=10)
AGAIN = timedelta(seconds=20)


def due(now: datetime) -> models.QuerySet[Authority]:
    """Return the internal CAs whose key was not tried for a while, or failed at the last try."""
    well = models.Q(fault="") & models.Q(checked_at__lt=now - EVERY)
    ill = ~models.Q(fault="") & models.Q(checked_at__lt=now - AGAIN)
    return Authority.objects.filter(
        well | ill | models.Q(checked_at=None),
        kind=Authority.Kind.INTERNAL,
        state__in=(AuthorityState.CURRENT, AuthorityState.FUTURE),
        certificate_server__isnull=False,
    )


def check(authority: Authority, *, now: datetime) -> None:
    """Open the CA key and sign a trial with it; note the outcome."""
    with watched(authority, now=now):
        key_store.open_issuer(authority, now=now)


@contextmanager
def watched(authority: Authority, *, now: datetime) -> Iterator[None]:
    """Note on the authority's row what keeps it from signing, or that nothing does."""
    try:
        yield
    except Fault as fault:
        log.warning("The CA %s cannot sign: %s", authority.subject, fault)
        _note(authority, now, fault.explanation, fault.action)
    else:
        _note(authority, now)


def _note(authority: Authority, now: datetime, fault: str = "", action: str = "") -> None:
    authority.fault, authority.fault_action, authority.checked_at = fault, action, now
    Authority.objects.filter(pk=authority.pk).update(
        fault=fault, fault_action=action, checked_at=now
    )
