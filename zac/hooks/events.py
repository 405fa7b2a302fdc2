"""Events for hooks: the differences between what hooks have seen and the current trust.

An event is found by comparison, not when it happens. An agent that is killed between an activation
and its hooks therefore finds the same event again.

See: D-269
"""

from __future__ import annotations

from typing import List, Optional

from wire.host_messages import ACTIVATED, RETIRED, TRUST_CHANGED
from wire.records import Record, field
from zac.host import state
from zac.host.host import Host
from zac.trust import pem

# Between these steps, a server can still return to its old certificate.
UNSETTLED = (state.SWITCHING, state.VERIFYING)


class Snapshot(Record):
    """Digests of the trusted roots and of the server certificate, "" without a certificate."""

    current: str = ""
    in_grace: List[str] = field(default_factory=list)
    pending: List[str] = field(default_factory=list)
    certificate: str = ""

    def roots(self) -> List[str]:
        """Return the digests of all trusted roots, sorted."""
        return sorted({self.current, *self.in_grace, *self.pending} - {""})


class Event(Record):
    """An event, and the roots that this host has started and stopped to trust."""

    name: str
    added: List[str]
    removed: List[str]


def take_snapshot(host: Host) -> Optional[Snapshot]:
    """Return what this host trusts now, None before the registration and during an activation."""
    if host.home.device_or_none() is None or not host.trust_store.exists():
        return None
    with host.state.locked():
        records = host.state.load().updates.values()
        if any(record.step in UNSETTLED for record in records):
            return None
        generation = host.trust_store.current()
    trust = generation.trust
    return Snapshot(
        current=pem.fingerprint(trust.current),
        in_grace=sorted(pem.fingerprints(trust.in_grace)),
        pending=sorted(pem.fingerprints(trust.pending)),
        certificate=pem.fingerprint(generation.server) if generation.server else "",
    )


def list_events(before: Snapshot, now: Snapshot) -> List[Event]:
    """Return the events between two snapshots, in the order in which hooks run for them.

    A root that was announced and then withdrawn is a change of trust. It was never in use, so it
    is not retired.
    """
    added = sorted(set(now.roots()) - set(before.roots()))
    removed = sorted(set(before.roots()) - set(now.roots()))
    retired = [root for root in removed if root not in before.pending]
    found = []
    if added or len(retired) < len(removed):
        found.append(TRUST_CHANGED)
    if (before.current, before.certificate) != (now.current, now.certificate):
        found.append(ACTIVATED)
    if retired:
        found.append(RETIRED)
    return [Event(name, added, removed) for name in found]


def find_update(host: Host, event: Event) -> str:
    """Return the ID of the newest update to which an event belongs, "" if there is none."""
    records = host.state.load().updates.values()
    for record in sorted(records, key=lambda record: -record.received_at):
        manifest = record.manifest()
        if event.name == ACTIVATED:
            if record.step in (*state.AFTER_SWITCH, state.ROLLED_BACK):
                return record.id
        elif {manifest.root_sha256, manifest.old_root_sha256} & {*event.added, *event.removed}:
            return record.id
    return ""
