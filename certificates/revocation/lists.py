"""Issue the revocation lists (CRLs) of the internal CAs.

The worker of the certificate server signs a list when a certificate was revoked, and once a day.
Lists of a previous CA continue until its root is retired, because its certificates are valid
until then. The zone has no key of an external CA, so it issues no list for it.

See: RFC 5280 5; D-266
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.db.models import BigIntegerField, Exists, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from certificates.authority import key_store
from certificates.models import Authority, Revocation, RevocationList
from certificates.operations.states import AuthorityState
from certificates.revocation import records
from devices.registration.states import DeviceState
from pki.certificates import revocation

RENEWAL_INTERVAL = timedelta(days=1)
VALIDITY = timedelta(days=7)
# When the first list of a CA is late.
FIRST_LIST = timedelta(hours=1)
ISSUING = (AuthorityState.CURRENT, AuthorityState.GRACE)


@dataclass(frozen=True)
class ListStatus:
    """A CA that must have a CRL, and when its last one was issued and expires. None without one."""

    authority: Authority
    issued_at: datetime | None
    next_update: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """Return True if there was a CRL, and it has expired."""
        return self.next_update is not None and self.next_update <= now

    def is_late(self, now: datetime) -> bool:
        """Return True if there is no CRL, or it should have been renewed."""
        if self.issued_at is None:
            return now - self.authority.created_at > FIRST_LIST
        return self.has_expired(now) or now - self.issued_at > 2 * RENEWAL_INTERVAL


def list_statuses(now: datetime) -> list[ListStatus]:
    """Return the status of each internal CA that must have a CRL, also if its key is lost."""
    authorities = Authority.objects.filter(
        kind=Authority.Kind.INTERNAL, state__in=ISSUING, not_after__gt=now
    ).select_related("certificate_server")
    return [_get_status(one) for one in authorities if _can_sign(one.root_pem)]


def _get_status(authority: Authority) -> ListStatus:
    last = _get_last(authority)
    if last is None:
        return ListStatus(authority, None, None)
    return ListStatus(authority, last.issued_at, last.next_update)


def list_due(now: datetime) -> list[Authority]:
    """Return the CAs whose CRL must be issued now."""
    return [authority for authority in _list_issuing(now) if _is_due(authority, now)]


def list_without_recent(now: datetime) -> QuerySet[Authority]:
    """Return the CAs without a CRL of the last day that contains their newest revocation.

    Those whose key cannot sign CRLs are included.
    """
    revoked = Revocation.objects.filter(authority=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    recent = RevocationList.objects.filter(
        authority=OuterRef("pk"),
        last_revocation=OuterRef("newest"),
        issued_at__gt=now - RENEWAL_INTERVAL,
    )
    newest = Coalesce(Subquery(revoked), 0, output_field=BigIntegerField())
    return _list_issuing(now).alias(newest=newest).filter(~Exists(recent))


def _list_issuing(now: datetime) -> QuerySet[Authority]:
    """Return the CAs that have a CRL, and whose key is in the vault of a registered server."""
    rows = Authority.objects.internal().filter(
        state__in=ISSUING, not_after__gt=now, certificate_server__state=DeviceState.REGISTERED
    )
    return rows.exclude(sealed_key="")


def _is_due(authority: Authority, now: datetime) -> bool:
    if not _can_sign(authority.root_pem):
        return False
    last = _get_last(authority)
    if last is None or last.last_revocation != _get_newest(authority):
        return True
    return now - last.issued_at >= RENEWAL_INTERVAL


def _get_newest(authority: Authority) -> int:
    """Return the key of the newest revocation, 0 if there is none."""
    rows = Revocation.objects.filter(authority=authority)
    return rows.aggregate(newest=Max("pk"))["newest"] or 0


def _get_last(authority: Authority) -> RevocationList | None:
    return RevocationList.objects.filter(authority=authority).defer("der").first()


@lru_cache(maxsize=16)
def _can_sign(root_pem: str) -> bool:
    """Return True if the key of a CA can sign CRLs. A CA from a backup might not be allowed to."""
    return revocation.can_sign_crls(root_pem)


@transaction.atomic
def issue(authority: Authority, *, now: datetime) -> None:
    """Issue the CRL of a CA if it is due, on its certificate server. Raises a Fault."""
    now = now.replace(microsecond=0)
    Authority.objects.select_for_update().get(pk=authority.pk)
    if not _is_due(authority, now):
        return
    # Before the rows are read, so that a later revocation makes the next list due.
    newest = _get_newest(authority)
    last = _get_last(authority)
    # It also exceeds the number of a list that was issued before the database was restored.
    number = max(int(now.timestamp()), last.number + 1 if last is not None else 0)
    validity = revocation.ListValidity(number, now, now + VALIDITY)
    # An expired certificate stays on a list that is issued after its end (RFC 5280 3.3).
    listed = records.list_effective(now - VALIDITY, authority)
    entries = [records.build_entry(row) for row in listed]
    key = key_store.get_signing_key(authority)
    der = revocation.build_crl(authority.root_pem, key, entries, validity)
    RevocationList.objects.update_or_create(
        authority=authority,
        defaults={
            "key_id": revocation.get_key_id(authority.root_pem),
            "number": number,
            "issued_at": now,
            "next_update": validity.next_update,
            "last_revocation": newest,
            "der": der,
        },
    )


def get_crl(key_id: str) -> bytes | None:
    """Return the last CRL (DER) of the CA with this key identifier, or None."""
    found = RevocationList.objects.filter(key_id=key_id).order_by("-issued_at")
    der = found.values_list("der", flat=True).first()
    return bytes(der) if der is not None else None
