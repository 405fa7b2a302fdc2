"""The signed trust list: the only source of roots and servers outside updates (D-150).

A list is accepted over any connection, because the zone key signed it. It replaces the one before:
`find_unlisted` returns the roots that this device must stop trusting.
"""

from __future__ import annotations

from typing import List, Optional, Set

from faults import Fault
from wire.envelope import Envelope, PublicKeys
from wire.metadata import TRUST_LIST, TrustList, verify_document
from zac.host import state
from zac.host.home import AcceptedTrustList
from zac.host.host import Host
from zac.trust import pem, store


class InvalidTrustList(Fault):
    """The trust list belongs to another zone, is older than the one in use, or has expired."""

    action = (
        "The list was not used, and this device keeps its roots. Check which "
        "server responds to this device, and the clocks of the servers."
    )


def verify(
    envelope: Envelope,
    *,
    zone: str,
    keys: PublicKeys,
    min_version: int,
    now: float,
) -> TrustList:
    """Return a verified trust list.

    `min_version` is the version in use, `now` the zone time. If `keys` have no second key, the
    second key in the list must have signed it, too. Raises NotSigned, Malformed, InvalidTrustList,
    pem.InvalidCertificate.
    """
    document = verify_document(TrustList, TRUST_LIST, envelope, keys)
    if keys.second_pub and document.second_key not in ("", keys.second_pub):
        raise InvalidTrustList("The trust list contains a different second zone key.")
    envelope.verify(PublicKeys(keys.zone_pub, document.second_key), TRUST_LIST)
    if document.zone != zone:
        raise InvalidTrustList("The trust list belongs to a different zone.")
    if document.version < min_version:
        raise InvalidTrustList(
            "The trust list has version %d, but this device already has version %d."
            % (document.version, min_version)
        )
    if document.expires_at <= now:
        raise InvalidTrustList("The trust list has expired.")
    for root in store.roots(document.trust):
        # One invalid root would make the whole trust store unusable.
        pem.describe(root)
    return document


def summarize(
    document: TrustList, before: Optional[AcceptedTrustList], now: float
) -> AcceptedTrustList:
    """Return what a device stores of an accepted trust list.

    A revoked certificate of the list before stays revoked until it expires, also if the new list
    does not contain it: a revocation is permanent (D-282). `now` is the zone time.
    """
    until = {} if before is None else before.revoked_until
    kept = {digest: end for digest, end in until.items() if end > now}
    kept.update(zip(document.revoked, document.revoked_until))
    return AcceptedTrustList(
        version=document.version,
        issued_at=document.issued_at,
        expires_at=document.expires_at,
        roots_sha256=store.digests(document.trust),
        revoked=sorted({*document.revoked, *kept}),
        system_trust=document.system_trust,
        revoked_until=kept,
    )


def get_version_to_report(accepted: Optional[AcceptedTrustList], now: float) -> int:
    """Return the version in use, or 0 to request a new list in the second half of its validity."""
    if accepted is None:
        return 0
    renew_at = (accepted.issued_at + accepted.expires_at) / 2
    return accepted.version if now < renew_at else 0


def is_authorized(host: Host, digest: str) -> bool:
    """Return True if the trust list or an activated update of this zone contains a root."""
    accepted = host.home.zone_cache().trust_list
    if accepted is None or digest in accepted.roots_sha256:
        return True
    records = host.state.load().updates.values()
    return any(
        record.step in state.AFTER_SWITCH and record.manifest().root_sha256 == digest
        for record in records
    )


def find_unlisted(host: Host) -> List[str]:
    """Return the digests of trusted roots that neither the list nor an open update contains."""
    accepted = host.home.zone_cache().trust_list
    if accepted is None:
        return []
    allowed = set(accepted.roots_sha256) | _list_roots_of_updates(host, only_open=True)
    trust = host.trust_store.current().trust
    return [digest for digest in store.digests(trust)[1:] if digest not in allowed]


def is_foreign(host: Host, digest: str) -> bool:
    """Return True if no signed document on this device has named a root."""
    retired = {root for notice in host.state.load().retirements for root in notice.roots_sha256}
    return digest not in retired | _list_roots_of_updates(host, only_open=False)


def _list_roots_of_updates(host: Host, *, only_open: bool) -> Set[str]:
    digests: Set[str] = set()
    for record in host.state.load().updates.values():
        if record.is_open or not only_open:
            manifest = record.manifest()
            digests |= {manifest.root_sha256, manifest.old_root_sha256}
    return digests
