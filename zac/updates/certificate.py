"""A server's way to its future certificate: key, request, answer, self-test (manual, 1.2.4).

The key is made here and never leaves; only the request travels (D-16 of docs/decisions.md). A
certificate that the console holds comes before one found in the remint repository (D-17).
"""

from __future__ import annotations

from typing import List, Optional

from faults import Fault
from wire.messages import CertificateAnswer, CsrOrder, CsrRequest
from wire.metadata import OLD_WITH_NEW, sha256
from wire.values import replace
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import Record
from zac.network import calls
from zac.network.tls import host_of
from zac.trust import pem, store
from zac.trust.store import Generation
from zac.updates import preflight, steps
from zac.updates import steps as updates_steps
from zac.updates.steps import Step

SUFFIXES = ("der", "cer", "crt", "p7b", "pem", "cert")


class NoKey(Fault):
    """There is a certificate for this server, but its private key is not here."""

    action = "Generate a new request for this server and have it signed."


@steps.register
class NeedCertificate(Step):
    """Ask for the certificate; send a request when one is ordered; wait otherwise."""

    name = state.CERTIFICATE

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        path = "/zac/v1/updates/%s/csr" % self.update
        anyone = record.manifest().immediate
        answer = calls.get(host, path, CertificateAnswer, anyone=anyone)
        if answer is None:
            return None
        if answer.chain:
            accept(host, record, answer.chain)
            return Certified(self.update)
        if answer.order is not None and answer.generation > record.sent:
            _request(host, record, path, answer)
        elif record.manifest().manual_csr:
            _hand_in(host, record)
        return None


@steps.register
class Certified(Step):
    """The future certificate passed the self-test: serve the bridge for those already ahead."""

    name = state.REHEARSED

    def take(self, host: Host) -> Optional[Step]:
        bridge = files.read(updates_steps.repository(host, self.update, OLD_WITH_NEW))
        if bridge:
            with host.state.held():
                generation = host.security.current()
                bare = host.security.name()
                if host.security.use(_with_bridge(generation, bridge.decode())):
                    host.state.amend(self.update, lambda held: replace(held, bare=bare))
        return steps.at(state.ARMED, self.update)


def accept(host: Host, record: Record, chain: str) -> None:
    """Check a certificate as devices will, then put it into the repository as server.cer."""
    manifest = record.manifest()
    root = store.find(host.security.current().trust, manifest.root_sha256)
    if root is None:
        raise NoKey("The future CA of this update is not here.")
    key = _key_for(host, record.id, chain)
    _prove(host, record, key + chain, root)
    files.write(updates_steps.repository(host, record.id, "server.cer"), chain.encode())


def future_file(host: Host, update: str) -> str:
    """Return the path of future key and chain in one file; written once they were proven."""
    return updates_steps.repository(host, update, "future.pem")


def future(host: Host, update: str) -> str:
    """Return future key and chain in one PEM text; raises NoKey."""
    data = files.read(future_file(host, update))
    if not data:
        raise NoKey("The future certificate of this server is not here.")
    return data.decode()


def empty_repository(host: Host, record: Record) -> None:
    """Remove what lay there for an update, keys included; after activation it is empty (D-17)."""
    files.remove_tree(updates_steps.repository(host, record.id))
    if record.manifest().manual_csr:
        for name in ("key.der", *("server." + suffix for suffix in SUFFIXES)):
            files.remove(host.home.at("remint-repo", name))


def _request(host: Host, record: Record, path: str, answer: CertificateAnswer) -> None:
    order = answer.order
    if order is None:
        return
    try:
        key = host.server.make_key(order.key_length)
        request = CsrRequest(csr=host.server.make_csr(key, order), generation=answer.generation)
        files.write(updates_steps.repository(host, record.id, "key.pem"), key.encode())
        files.write(
            updates_steps.repository(host, record.id, "csr.pem"), (request.csr or "").encode()
        )
    except Fault as fault:
        request = CsrRequest(error=str(fault), generation=answer.generation)
    calls.tell(host, path, request, anyone=record.manifest().immediate)
    host.state.amend(
        record.id,
        lambda held: replace(held, sent=answer.generation, order=order),
    )
    host.note("requested", update=record.id, generation=answer.generation)


def _hand_in(host: Host, record: Record) -> None:
    data = next(filter(None, (found(host, "server." + suffix) for suffix in SUFFIXES)), None)
    raw = found(host, "key.der")
    root = store.find(host.security.current().trust, record.manifest().root_sha256)
    if data is None or raw is None or root is None or record.handed == sha256(data + raw):
        return
    handed = sha256(data + raw)
    host.state.amend(record.id, lambda held: replace(held, handed=handed))
    hand_in(host, record, data, raw)


def hand_in(host: Host, record: Record, data: bytes, raw_key: bytes) -> None:
    """Check a certificate and its key as devices will, then give the certificate to the console."""
    root = store.find(host.security.current().trust, record.manifest().root_sha256)
    if root is None:
        raise NoKey("The future CA of this update is not here.")
    key = host.server.read_key(raw_key)
    chain = host.server.read_chain(data, root, key)
    _prove(host, record, key + chain, root)
    said = CsrRequest(chain=chain, generation=max(record.sent, 0))
    calls.tell(host, "/zac/v1/updates/%s/csr" % record.id, said)
    host.note("handed-in", update=record.id)


def _prove(host: Host, record: Record, server: str, root: str) -> None:
    trial = updates_steps.repository(host, record.id, "trial.pem")
    files.write(trial, server.encode())
    preflight.check(trial, root, _names(host, record), dateless=host.clock.absurd)
    files.move(trial, future_file(host, record.id))


def _key_for(host: Host, update: str, chain: str) -> str:
    leaf = pem.split(chain)[0] if pem.split(chain) else ""
    for data in (
        files.read(updates_steps.repository(host, update, "key.pem")),
        found(host, "key.der"),
    ):
        if data and leaf:
            key = host.server.read_key(data)
            if host.server.same_key(key, leaf):
                return key
    raise NoKey("The certificate does not fit the key of this server.")


def found(host: Host, name: str) -> Optional[bytes]:
    """Return what an administrator has placed in the remint repository under a name."""
    return files.read(host.home.at("remint-repo", name))


def _names(host: Host, record: Record) -> List[str]:
    order = record.order or CsrOrder("", 0)
    own = [one for one in host.home.known().servers if one.id == host.device.id and one.url]
    names = [
        host.device.fqdn,
        *(host_of(one.url) for one in own),
        *order.dns_names,
        *order.addresses,
    ]
    return [name for name in dict.fromkeys(names) if name and not name.startswith("*")]


def _with_bridge(generation: Generation, bridge: str) -> Generation:
    missing = [one for one in pem.split(bridge) if one not in pem.split(generation.server)]
    return replace(generation, server=generation.server + "".join(missing))
