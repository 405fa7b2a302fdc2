"""Dropping an old root: only by a signed notice, and only when nothing needs it any more.

Rule A: a root goes after every server this host uses was verified without it, or when it has
expired. Any other order can lose a contact.
"""

from __future__ import annotations

from typing import Sequence

from wire.values import replace
from zac.host.host import Host, servers_with_url
from zac.host.state import Record, State
from zac.network.tls import Refused, Unreachable
from zac.trust import pem, store
from zac.trust.store import with_trust
from zac.updates.activation import MOST_CONTACTS


def retire(host: Host) -> None:
    """Drop the roots that signed notices name, as far as the rule allows it now."""
    held = host.security.current().trust
    named = {digest for notice in host.state.load().retire for digest in notice.roots_sha256}
    named -= {pem.fingerprint(held.current)}
    going = [digest for digest in store.digests(held) if digest in named]
    if not going:
        return
    if not _expired(host, going) and not _served_without(host, going):
        host.log("an old root stays trusted: a server still needs it")
        return
    with host.state.held():
        generation = host.security.current()
        host.security.use(with_trust(generation, store.without(generation.trust, going)))
        host.state.change(_no_way_back)
    host.note("retired", roots=",".join(digest[:16] for digest in going))


def _expired(host: Host, going: Sequence[str]) -> bool:
    held = host.security.current().trust
    roots = [root for root in (store.find(held, digest) for digest in going) if root]
    return all(pem.dates(root)[1] < host.clock.now() for root in roots)


def _served_without(host: Host, going: Sequence[str]) -> bool:
    left = store.roots(store.without(host.security.current().trust, going))
    servers = servers_with_url(host.home.known().servers)
    try:
        for server in servers[:MOST_CONTACTS]:
            with host.transport.verified(server.url, left) as line:
                line.send("GET", "/contact")
    except (Refused, Unreachable):
        return False
    return bool(servers)


def _no_way_back(held: State) -> State:
    def forget(record: Record) -> Record:
        return record if record.open else replace(record, before="", bare="")

    updates = {name: forget(record) for name, record in held.updates.items()}
    return replace(held, updates=updates)
