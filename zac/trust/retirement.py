"""Retirement of old roots after a signed notice.

A root is deleted only if it has expired, or if every server of this host was verified without it.
Otherwise the device could lose contact.
"""

from __future__ import annotations

from typing import Sequence

from wire.records import replace
from zac.host.host import Host, servers_with_url
from zac.host.state import State, UpdateRecord
from zac.network.tls import CertificateRejected, Unreachable
from zac.trust import pem, store
from zac.trust.store import with_trust
from zac.updates.activation import MAX_CONTACTS


def retire_roots(host: Host) -> None:
    """Delete the roots that are listed in signed notices and are no longer required."""
    trust = host.trust_store.current().trust
    notices = host.state.load().retirements
    listed = {digest for notice in notices for digest in notice.roots_sha256}
    listed -= {pem.fingerprint(trust.current)}
    retired = [digest for digest in store.digests(trust) if digest in listed]
    if not retired:
        return
    if not _are_expired(host, retired) and not _is_verified_without(host, retired):
        host.log("keeping an old root because a server still needs it")
        return
    with host.state.locked():
        generation = host.trust_store.current()
        host.trust_store.activate(with_trust(generation, store.without(generation.trust, retired)))
        host.state.update(_without_previous_generations)
    host.log_event("retired", roots=",".join(digest[:16] for digest in retired))


def _are_expired(host: Host, digests: Sequence[str]) -> bool:
    trust = host.trust_store.current().trust
    roots = [root for root in (store.find(trust, digest) for digest in digests) if root]
    return all(pem.dates(root)[1] < host.clock.now() for root in roots)


def _is_verified_without(host: Host, digests: Sequence[str]) -> bool:
    remaining = store.roots(store.without(host.trust_store.current().trust, digests))
    servers = servers_with_url(host.home.zone_cache().servers)
    try:
        for server in servers[:MAX_CONTACTS]:
            with host.transport.verified(server.url, remaining) as connection:
                connection.send("GET", "/contact")
    except (CertificateRejected, Unreachable):
        return False
    return bool(servers)


def _without_previous_generations(state: State) -> State:
    def without(record: UpdateRecord) -> UpdateRecord:
        if record.is_open:
            return record
        return replace(record, previous_generation="", generation_without_cross="")

    updates = {update: without(record) for update, record in state.updates.items()}
    return replace(state, updates=updates)
