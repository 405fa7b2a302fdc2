"""Retirement of old roots: those in signed notices, and those that the trust list no longer has.

A root is deleted only if it has expired, or if every server of this host was verified without it.
Otherwise the device could lose contact. A root that no signed document ever named is deleted as
soon as one server was verified without it.
"""

from __future__ import annotations

from typing import Sequence

from wire.records import replace
from zac.host.host import Host, servers_with_url
from zac.host.state import State, UpdateRecord
from zac.network.errors import CertificateRejected, Unreachable
from zac.trust import pem, store, trust_list
from zac.trust.store import with_trust
from zac.updates.activation import MAX_CONTACTS


def retire_roots(host: Host) -> None:
    """Delete the roots that are retired or not in the trust list, and are no longer required."""
    trust = host.trust_store.current().trust
    notices = host.state.load().retirements
    listed = {digest for notice in notices for digest in notice.roots_sha256}
    listed |= set(trust_list.find_unlisted(host))
    listed -= {pem.fingerprint(trust.current)}
    removed = [digest for digest in store.digests(trust) if digest in listed]
    foreign = [digest for digest in removed if trust_list.is_foreign(host, digest)]
    retired = [digest for digest in removed if digest not in foreign]
    if foreign and _is_verified_without(host, foreign, needs_all=False):
        _delete(host, "foreign-root-removed", foreign)
    if retired and (_are_expired(host, retired) or _is_verified_without(host, retired)):
        _delete(host, "retired", retired)
    elif retired:
        host.log("keeping an old root because a server still needs it")


def _delete(host: Host, event: str, digests: Sequence[str]) -> None:
    with host.state.locked():
        generation = host.trust_store.current()
        host.trust_store.activate(with_trust(generation, store.without(generation.trust, digests)))
        host.state.update(_without_previous_generations)
    host.log_event(event, roots=",".join(digest[:16] for digest in digests))


def _are_expired(host: Host, digests: Sequence[str]) -> bool:
    trust = host.trust_store.current().trust
    roots = [root for root in (store.find(trust, digest) for digest in digests) if root]
    return all(pem.dates(root)[1] < host.clock.now() for root in roots)


def _is_verified_without(host: Host, digests: Sequence[str], *, needs_all: bool = True) -> bool:
    """Return True if servers were verified without some roots, and none was rejected."""
    remaining = store.roots(store.without(host.trust_store.current().trust, digests))
    verified = 0
    for server in servers_with_url(host.home.zone_cache().servers)[:MAX_CONTACTS]:
        try:
            with host.transport.verified(server.url, remaining) as connection:
                connection.send("GET", "/contact")
            verified += 1
        except Unreachable:
            if needs_all:
                return False
        except CertificateRejected:
            return False
    return bool(verified)


def _without_previous_generations(state: State) -> State:
    def without(record: UpdateRecord) -> UpdateRecord:
        if record.is_open:
            return record
        return replace(record, previous_generation="", generation_without_cross="")

    updates = {update: without(record) for update, record in state.updates.items()}
    return replace(state, updates=updates)
