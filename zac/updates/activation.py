"""Activation: at its time by zone time, as one rename, proven, and undone if it does not work.

A managed device switches by the signed time of the manifest; a server only with the signed go of
the console (D-26), so that one which missed a cancel or a postponement never swaps alone.
"""

from __future__ import annotations

import os
import time
from typing import List, Optional

from faults import Fault
from wire.messages import ACTIVATED, ACTIVATING, ServerAddress
from wire.values import replace
from zac.host import files, state
from zac.host.host import Host, servers_with_url
from zac.host.state import Record
from zac.network import calls
from zac.network.tls import Refused, Unreachable
from zac.trust import pem, store
from zac.trust.store import Generation
from zac.updates import certificate, steps
from zac.updates import steps as updates_steps
from zac.updates.steps import Step

PROOF_SECONDS = 15.0
PROOF_PAUSE = 0.3
MOST_CONTACTS = 50


class NotServed(Fault):
    """The new certificate is not what this server shows after the swap."""

    action = "The old certificate is in use again. The agent tries once more at its next refresh."


@steps.register
class Armed(Step):
    """Everything is ready: wait for the time, and on a server for the go."""

    name = state.ARMED
    offline = True

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        due = due_at(host, record)
        if due is None or host.clock.now() < due:
            return None
        with host.state.held():
            before = host.security.name()
            host.state.amend(self.update, lambda held: replace(held, before=before))
        return Swapping(self.update)


@steps.register
class Swapping(Step):
    """The moment itself: new root, key and chain come into force together."""

    name = state.SWAPPING
    word = ACTIVATING
    offline = True

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        manifest = record.manifest()
        swaps = updates_steps.gets_certificate(host, record)
        with host.state.held():
            self.record(host)
            generation = host.security.current()
            held = generation.trust
            if manifest.changes_ca:
                held = store.activated(held, manifest.root_sha256)
            server = certificate.future(host, self.update) if swaps else generation.server
            host.security.use(Generation(held, server))
        host.note("swapped", update=self.update, generation=host.security.name())
        return Proving(self.update) if swaps else Activated(self.update)


@steps.register
class Proving(Step):
    """A server shakes hands with itself until the new certificate is served, else goes back."""

    name = state.PROVING
    offline = True

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        url = own_url(host)
        if not url:
            return Activated(self.update)
        generation = host.security.current()
        try:
            _prove(host, url, generation)
        except (NotServed, Refused) as fault:
            undo(host, record, keep="pending")
            host.state.move(self.update, self.name, state.ARMED)
            raise NotServed("%s %s" % (type(fault).__doc__, fault.explanation)) from fault
        return Activated(self.update)


@steps.register
class Activated(Step):
    """The swap is done: meet every server once with the new trust, then say so."""

    name = state.ACTIVATED

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        manifest = record.manifest()
        if manifest.changes_ca:
            host.state.change(lambda held: replace(held, epoch=max(held.epoch, manifest.epoch)))
        anchors = _meet_all(host)
        certificate.empty_repository(host, record)
        roots = ", ".join(sorted({anchor[:16] for anchor in anchors}))
        return Confirmed(self.update, "Servers were verified by the root %s." % (roots or "-"))


@steps.register
class Confirmed(Step):
    """Nothing is left to do but to remember the way back."""

    name = state.CONFIRMED
    word = ACTIVATED

    def take(self, host: Host) -> Optional[Step]:
        return None


def due_at(host: Host, record: Record) -> Optional[float]:
    """Return when this host may swap, 0 for at once, None while a server has no go."""
    if not updates_steps.gets_certificate(host, record):
        return record.activates_at()
    if record.go is None or record.go.revision < record.revision:
        return None
    return float(record.go.activate_at)


def undo(host: Host, record: Record, *, keep: str) -> None:
    """Put the old root, key and chain in force again; see trust.reverted for `keep`."""
    with host.state.held():
        if not record.before:
            return
        manifest = record.manifest()
        before = host.security.read(record.before)
        held = host.security.current().trust
        if manifest.changes_ca:
            old = pem.fingerprint(before.trust.current)
            held = store.reverted(held, old, manifest.root_sha256, keep)
        server = before.server if updates_steps.gets_certificate(host, record) else ""
        host.security.use(Generation(held, server or host.security.current().server))
    host.note("undone", update=record.id, generation=host.security.name())


def empty_repository(host: Host, update: str) -> None:
    """Remove what was staged for an update (D-17), its future key included."""
    files.remove_tree(updates_steps.repository(host, update))


def tidy(host: Host) -> None:
    """Remove generations that no update will go back to, and what closed updates have staged.

    An agent that died between the end of an update and this would keep a future key for ever.
    """
    # The activation thread builds its generation under the same lock: half of one looks like waste.
    with host.state.held():
        records = host.state.load().updates
        kept = [name for record in records.values() for name in (record.before, record.bare)]
        host.security.tidy(kept)
    for record in records.values():
        if not record.open and os.path.isdir(updates_steps.repository(host, record.id)):
            empty_repository(host, record.id)


def own_url(host: Host) -> str:
    """Return the TLS address under which this server is known."""
    device = host.device
    for server in host.home.known().servers:
        if server.id == device.id and server.url:
            return server.url
    if not device.port or not (device.addresses or device.fqdn):
        return ""
    return "https://%s:%d" % ((device.addresses or [device.fqdn])[0], device.port)


def meet(host: Host, server: ServerAddress) -> str:
    """Make one verified contact with a server; returns the root that verified it, "" if none."""
    with host.contact(server) as line:
        line.send("GET", "/contact")
        return line.peer.anchored or "unknown"


def _meet_all(host: Host) -> List[str]:
    anchors: List[str] = []
    faults: List[Fault] = []
    own = host.device.id
    others = [one for one in servers_with_url(host.home.known().servers) if one.id != own]
    for server in others[:MOST_CONTACTS]:
        try:
            anchors.append(meet(host, server))
        except (Unreachable, Refused) as fault:
            faults.append(fault)
    if others and not anchors:
        raise calls.worst(faults)
    return anchors


def _prove(host: Host, url: str, generation: Generation) -> None:
    leaf = pem.fingerprint(generation.server)
    until = time.monotonic() + PROOF_SECONDS
    while True:
        try:
            with host.transport.verified(url, store.roots(generation.trust)[:1]) as line:
                if line.peer.certificate_sha256 == leaf:
                    return
                fault: Fault = NotServed("The old certificate is still served.")
        except (Refused, Unreachable) as error:
            fault = error
        if time.monotonic() > until:
            raise fault
        time.sleep(PROOF_PAUSE)
