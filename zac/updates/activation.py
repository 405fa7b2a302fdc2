"""Activation of an update: at the activation time, atomic, verified, and reverted on failure.

A managed device activates at the time in the signed manifest. A server also requires the signed
activation order, so a server that missed a cancellation or postponement never activates alone.

See: D-26
"""

from __future__ import annotations

import os
import time
from typing import List, Optional

from faults import Fault
from wire.messages import ACTIVATED, ACTIVATING, ServerAddress
from wire.records import replace
from zac.host import files, state
from zac.host.host import Host, servers_with_url
from zac.host.state import UpdateRecord
from zac.network import calls
from zac.network.errors import CertificateRejected, Unreachable
from zac.trust import pem, store
from zac.trust.store import Generation
from zac.updates import server_certificate
from zac.updates.preparation import replaces_certificate, repository_path
from zac.updates.state_machine import Step, register_step

VERIFY_SECONDS = 15.0
VERIFY_PAUSE = 0.3
MAX_CONTACTS = 50


class CertificateNotServed(Fault):
    """The server does not present its new certificate after the switch."""

    action = "The agent has restored the old certificate and will try again at its next refresh."


@register_step
class Ready(Step):
    """Everything is prepared. Wait for the activation time; servers also for the order."""

    name = state.READY
    offline = True

    def run(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        due = activation_due_at(host, record)
        if due is None or host.clock.now() < due:
            return None
        with host.state.locked():
            previous = host.trust_store.current_name()
            host.state.edit(
                self.update, lambda record: replace(record, previous_generation=previous)
            )
        return Switching(self.update)


@register_step
class Switching(Step):
    """Activate the new root, key and chain together."""

    name = state.SWITCHING
    reported_state = ACTIVATING
    offline = True

    def run(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        manifest = record.manifest()
        has_new_certificate = replaces_certificate(host, record)
        with host.state.locked():
            self.record(host)
            generation = host.trust_store.current()
            trust, server = generation.trust, generation.server
            if manifest.changes_ca:
                trust = store.with_current(trust, manifest.root_sha256)
            if has_new_certificate:
                server = server_certificate.read_new_certificate(host, self.update)
            host.trust_store.activate(Generation(trust, server))
        name = host.trust_store.current_name()
        host.log_event("switched", update=self.update, generation=name)
        return Verifying(self.update) if has_new_certificate else Activated(self.update)


@register_step
class Verifying(Step):
    """Connect to this server until it presents the new certificate; otherwise revert."""

    name = state.VERIFYING
    offline = True

    def run(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        url = own_url(host)
        if not url:
            return Activated(self.update)
        generation = host.trust_store.current()
        try:
            _wait_until_served(host, url, generation)
        except (CertificateNotServed, CertificateRejected) as fault:
            restore_previous(host, record, keep="pending")
            host.state.transition(self.update, self.name, state.READY)
            raise CertificateNotServed(
                "%s %s" % (type(fault).__doc__, fault.explanation)
            ) from fault
        return Activated(self.update)


@register_step
class Activated(Step):
    """The switch is complete. Contact each server with the new trust, then report it."""

    name = state.ACTIVATED

    def run(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        manifest = record.manifest()
        if manifest.changes_ca:
            host.state.update(lambda held: replace(held, epoch=max(held.epoch, manifest.epoch)))
        anchors = _contact_all_servers(host)
        server_certificate.delete_staged_files(host, record)
        # Only an unexpected root is worth a text on each device.
        others = sorted({anchor[:16] for anchor in anchors if anchor != manifest.root_sha256})
        text = "Verified servers with root %s." % ", ".join(others) if others else ""
        return Confirmed(self.update, text)


@register_step
class Confirmed(Step):
    """The update is complete. Its record is kept for a rollback."""

    name = state.CONFIRMED
    reported_state = ACTIVATED

    def run(self, host: Host) -> Optional[Step]:
        return None


def activation_due_at(host: Host, record: UpdateRecord) -> Optional[float]:
    """Return the activation time of this host: 0 for immediately, None without an order."""
    if not replaces_certificate(host, record):
        return record.activates_at()
    order = record.activation_order
    if order is None or order.revision < record.revision:
        return None
    return float(order.activate_at)


def restore_previous(host: Host, record: UpdateRecord, *, keep: str) -> None:
    """Activate the previous root, key and chain; see store.with_previous for `keep`."""
    with host.state.locked():
        if not record.previous_generation:
            return
        manifest = record.manifest()
        previous = host.trust_store.read(record.previous_generation)
        current = host.trust_store.current()
        trust = current.trust
        if manifest.changes_ca:
            old = pem.fingerprint(previous.trust.current)
            trust = store.with_previous(trust, old, manifest.root_sha256, keep)
        server = previous.server if replaces_certificate(host, record) else ""
        host.trust_store.activate(Generation(trust, server or current.server))
    name = host.trust_store.current_name()
    host.log_event("reverted", update=record.id, generation=name)


def delete_staged_files(host: Host, update: str) -> None:
    """Delete the files prepared for an update, including its new private key (D-17)."""
    files.remove_tree(repository_path(host, update))


def delete_unused(host: Host) -> None:
    """Delete generations that no update needs, and the staged files of closed updates.

    Otherwise an agent that crashed at the end of an update would keep the new key forever.
    """
    # The activation thread builds generations under the same lock: incomplete ones look unused.
    with host.state.locked():
        records = host.state.load().updates
        needed = [record.previous_generation for record in records.values()]
        needed += [record.generation_without_cross for record in records.values()]
        host.trust_store.delete_except(needed)
    for record in records.values():
        if not record.is_open and os.path.isdir(repository_path(host, record.id)):
            delete_staged_files(host, record.id)


def own_url(host: Host) -> str:
    """Return the TLS address of this server, "" if it has none."""
    device = host.device
    for server in host.home.zone_cache().servers:
        if server.id == device.id and server.url:
            return server.url
    if not device.port or not (device.addresses or device.fqdn):
        return ""
    return "https://%s:%d" % ((device.addresses or [device.fqdn])[0], device.port)


def contact_server(host: Host, server: ServerAddress) -> str:
    """Make a verified connection to a server; return the digest of the root that verified it."""
    with host.connect(server) as connection:
        connection.send("GET", "/contact")
        return connection.peer.anchored or "unknown"


def _contact_all_servers(host: Host) -> List[str]:
    anchors: List[str] = []
    faults: List[Fault] = []
    own = host.device.id
    servers = servers_with_url(host.home.zone_cache().servers)
    others = [server for server in servers if server.id != own]
    for server in others[:MAX_CONTACTS]:
        try:
            anchors.append(contact_server(host, server))
        except (Unreachable, CertificateRejected) as fault:
            faults.append(fault)
    if others and not anchors:
        raise calls.most_significant(faults)
    return anchors


def _wait_until_served(host: Host, url: str, generation: Generation) -> None:
    leaf = pem.fingerprint(generation.server)
    until = time.monotonic() + VERIFY_SECONDS
    while True:
        try:
            roots = store.roots(generation.trust)[:1]
            with host.transport.verified(url, roots) as connection:
                if connection.peer.certificate_sha256 == leaf:
                    return
                fault: Fault = CertificateNotServed(
                    "The server is still using the old certificate."
                )
        except (CertificateRejected, Unreachable) as error:
            fault = error
        if time.monotonic() > until:
            raise fault
        time.sleep(VERIFY_PAUSE)
