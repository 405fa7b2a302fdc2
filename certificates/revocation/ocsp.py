"""Sign OCSP responses in advance, and find the one to a request (RFC 5019; D-268).

The worker of the certificate server signs responses about each server certificate of an internal
CA that has not expired: for a new certificate, once a day, and when a certificate was revoked.
Every Primary Server serves them. It has no key for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from certificates.authority import key_store
from certificates.models import (
    AcmeCertificate,
    Authority,
    FutureCertificate,
    OcspResponse,
    Revocation,
    ServerCertificate,
)
from certificates.operations.states import READY, AuthorityState
from certificates.revocation import records
from devices.registration.states import DeviceState
from faults import Fault
from pki.certificates import ocsp
from pki.chains import chains

RENEWAL_INTERVAL = timedelta(days=1)
VALIDITY = timedelta(days=4)
BATCH = 50
# A future CA is included, so that its responses are there at the activation.
RESPONDING = (AuthorityState.CURRENT, AuthorityState.FUTURE, AuthorityState.GRACE)


@dataclass(frozen=True)
class StoredResponse:
    """A signed response (DER), and from when until when it is valid."""

    der: bytes
    this_update: datetime
    next_update: datetime


def list_due(now: datetime) -> list[Authority]:
    """Return the CAs that must sign responses now."""
    return [one for one in _list_signing(now) if _list_digests(one, now, limit=1)]


def list_missing(now: datetime) -> tuple[QuerySet[Any], ...]:
    """Return the certificates, revocations, and responses because of which a CA must sign now."""
    return _build_queries(now, authority__in=_list_signing(now).values("pk"))


def _list_signing(now: datetime) -> QuerySet[Authority]:
    rows = list_responding(now).filter(certificate_server__state=DeviceState.REGISTERED)
    return rows.exclude(sealed_key="")


def list_responding(now: datetime) -> QuerySet[Authority]:
    """Return the internal CAs about whose certificates there are responses."""
    return Authority.objects.internal().filter(state__in=RESPONDING, not_after__gt=now)


def _list_digests(authority: Authority, now: datetime, *, limit: int) -> list[str]:
    """Return digests of certificates about which a response must be signed."""
    found: dict[str, None] = {}
    for query in _build_queries(now, authority=authority):
        if len(found) < limit:
            found.update(dict.fromkeys(query.values_list("digest", flat=True)[:limit]))
    return list(found)[:limit]


def _build_queries(now: datetime, **of: Any) -> tuple[QuerySet[Any], ...]:
    """Return the rows about which a response must be signed, with a condition for their CA."""
    alive = {**of, "not_after__gt": now}
    has_response = Exists(OcspResponse.objects.filter(digest=OuterRef("digest")))
    has_revocation = Exists(Revocation.objects.filter(digest=OuterRef("digest")))
    is_old = Q(this_update__lte=now - RENEWAL_INTERVAL)
    is_newly_revoked = Q(has_revocation, saw_revocation=False)
    return (
        # What was revoked first: it must not wait.
        OcspResponse.objects.filter(is_newly_revoked, **alive),
        Revocation.objects.filter(~has_response, **alive),
        ServerCertificate.objects.filter(~has_response, **alive),
        FutureCertificate.objects.filter(~has_response, state__in=READY, **alive),
        AcmeCertificate.objects.filter(~has_response, **alive),
        OcspResponse.objects.filter(is_old, **alive),
    )


@dataclass(frozen=True)
class ResponderStatus:
    """The oldest responses of a CA: since when and until when they are valid."""

    authority: Authority
    oldest: datetime
    next_update: datetime

    def has_expired(self, now: datetime) -> bool:
        """Return True if a response has expired."""
        return self.next_update <= now

    def is_late(self, now: datetime) -> bool:
        """Return True if a response should have been renewed."""
        return self.has_expired(now) or now - self.oldest > 2 * RENEWAL_INTERVAL


def list_statuses(now: datetime) -> list[ResponderStatus]:
    """Return the status of each CA that has responses about certificates that have not expired."""
    found = []
    for authority in list_responding(now).select_related("certificate_server"):
        rows = OcspResponse.objects.filter(authority=authority, not_after__gt=now)
        ends = rows.exclude(serial="").aggregate(a=Min("this_update"), b=Min("next_update"))
        if ends["a"] is not None:
            found.append(ResponderStatus(authority, ends["a"], ends["b"]))
    return found


class RevokedCertificates:
    """The revoked certificates of a CA, which are read once for all batches of a task.

    `by_serial` and `by_digest` are the revocations of certificates that have not expired.
    """

    def __init__(self, authority: Authority, now: datetime) -> None:
        self._authority, self._now = authority, now
        self._known: frozenset[str] | None = None
        self.by_serial: dict[int, Revocation] = {}
        self.by_digest: dict[str, Revocation] = {}

    def include(self, digests: Iterable[str]) -> None:
        """Read them, and again if one of these certificates was revoked since."""
        if self._known is not None and self._known.issuperset(digests):
            return
        rows = records.list_effective(self._now, self._authority)
        self.by_serial = {int(row.serial, 16): row for row in rows}
        self.by_digest = {row.digest: row for row in rows}
        # A row that was changed with SQL is not among them, and must not be looked for again.
        self._known = frozenset({*(self._known or ()), *digests, *self.by_digest})


def sign_batch(
    authority: Authority, *, now: datetime, revoked: RevokedCertificates | None = None
) -> int:
    """Sign the responses of a batch that is due, and return their number. Raises a Fault.

    `revoked` is shared by the batches of a task.
    """
    now = now.replace(microsecond=0)
    OcspResponse.objects.filter(authority=authority, not_after__lte=now).delete()
    digests = _list_digests(authority, now, limit=BATCH)
    if not digests:
        return 0
    work = _Batch(authority, digests, now, revoked or RevokedCertificates(authority, now))
    responder = ocsp.Responder(authority.root_pem, key_store.get_signing_key(authority))
    for digest in digests:
        work.sign(digest, responder)
    return len(digests)


class _Batch:
    """The facts about the certificates of a batch.

    Serial numbers are read from certificates that the CA has signed, and from authentic
    revocations, never from the rows of responses: these have no MAC.
    """

    def __init__(
        self,
        authority: Authority,
        digests: Iterable[str],
        now: datetime,
        revoked: RevokedCertificates,
    ) -> None:
        self.authority, self.now, self.revoked = authority, now, revoked
        self.times = ocsp.ResponseTimes(now, now + VALIDITY)
        # Read first. A later revocation makes the response due again.
        rows = Revocation.objects.filter(digest__in=digests)
        self.seen = dict(rows.values_list("digest", "not_after"))
        self.revoked.include(self.seen)
        self.chains = _load_chains(digests)

    def sign(self, digest: str, responder: ocsp.Responder) -> None:
        """Sign and store the responses about a certificate."""
        serial, not_after = self._identify(digest)
        if not_after is None:
            # Neither the certificate nor a revocation is left.
            OcspResponse.objects.filter(digest=digest).delete()
            return
        signed: Mapping[str, bytes] = {ocsp.SHA1: b"", ocsp.SHA256: b""}
        if serial is not None:
            row = self.revoked.by_serial.get(serial)
            signed = responder.sign(serial, self.times, records.build_entry(row) if row else None)
        OcspResponse.objects.update_or_create(
            digest=digest,
            defaults={
                "authority": self.authority,
                "serial": "" if serial is None else f"{serial:x}",
                "not_after": not_after,
                "saw_revocation": digest in self.seen,
                "this_update": self.times.this_update,
                "next_update": self.times.next_update,
                **signed,
            },
        )

    def _identify(self, digest: str) -> tuple[int | None, datetime | None]:
        """Return serial number and end. No number if the CA has not signed the certificate."""
        row = self.revoked.by_digest.get(digest)
        if row is not None:
            return int(row.serial, 16), row.not_after
        chain, not_after = self.chains.get(digest, ("", self.seen.get(digest)))
        try:
            leaf = "".join(chains.split(chain)[:1])
            return ocsp.get_serial(leaf, issuer_pem=self.authority.root_pem), not_after
        except Fault:
            return None, not_after


def _load_chains(digests: Iterable[str]) -> dict[str, tuple[str, datetime]]:
    found = {}
    for model in (FutureCertificate, ServerCertificate, AcmeCertificate):
        rows: QuerySet[Any] = model.objects.filter(digest__in=digests)
        for digest, chain, not_after in rows.values_list("digest", "chain_pem", "not_after"):
            found[digest] = (chain, not_after)
    return found


def find_response(request: ocsp.CertificateId) -> StoredResponse | None:
    """Return the response to a request, None if there is none. It can have expired."""
    rows = OcspResponse.objects.filter(
        serial=f"{request.serial:x}"[:40], authority__state__in=RESPONDING
    )
    fields = ("authority__root_pem", "this_update", "next_update", request.algorithm)
    for root, this_update, next_update, der in rows.values_list(*fields)[:2]:
        if ocsp.get_issuer_id(root, request.algorithm) == request.issuer and der:
            return StoredResponse(bytes(der), this_update, next_update)
    return None
