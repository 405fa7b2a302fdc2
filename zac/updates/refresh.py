"""One refresh: hear what the zone wants, bring trust and updates forward, meet one more server."""

from __future__ import annotations

from typing import List

from faults import Fault
from wire.envelope import Envelope
from wire.messages import (
    CERTIFIED_ROLES,
    FEATURE_CSR,
    FEATURE_DEPOT,
    FEATURE_RECOVERY,
    FEATURE_REHEARSAL,
    MANAGED,
    Refresh,
    Refreshed,
    Trust,
)
from wire.metadata import GO
from wire.values import replace
from zac import VERSION
from zac.content import content, replication
from zac.enrollment import first_certificate
from zac.host.clock import NOTEWORTHY
from zac.host.host import Host, servers_with_url
from zac.network import calls
from zac.network.tls import Line, Refused, Unreachable
from zac.trust import pem, retirement, store
from zac.trust.store import with_trust
from zac.updates import activation, notices, preflight, reports, steps


def refresh(host: Host, *, asked: bool = False) -> Refreshed:
    """Refresh once; raises NotRegistered, NoServer, NoneVerifies or what else stands in the way.

    `asked`: somebody wants it now, so what has failed is tried again, too (manual, A.4).
    """
    answer = _hear(host)
    if asked:
        notices.redeploy(host, list(host.state.load().updates))
    if answer.approved:
        _take_over(host, answer)
        bring_forward(host)
        preflight.again(host)
        if content_changed(host, answer):
            answer = _hear(host)
    _meet_one_more(host)
    activation.tidy(host)
    return answer


def bring_forward(host: Host) -> None:
    """Advance what is waiting, without a refresh: steps and reports."""
    poll_go(host)
    steps.advance_all(host)
    reports.flush(host)


def content_changed(host: Host, answer: Refreshed) -> bool:
    """Fetch what this content server shall hold; True if it now holds more or less."""
    if not host.serves_content:
        return False
    return replication.replicate(host, answer.replicate, answer.withdraw)


def poll_go(host: Host) -> None:
    """Ask for the go of each update that waits for nothing else."""
    for record in host.state.load().updates.values():
        if record.step == "armed" and activation.due_at(host, record) is None:
            path = "/zac/v1/updates/%s/go" % record.id
            found = calls.get(host, path, Envelope, anyone=record.manifest().immediate)
            if found is not None:
                notices.heed(host, [found])


def features(role: str) -> List[str]:
    """Return what an agent of this role can do (D-49)."""
    known = [FEATURE_REHEARSAL, FEATURE_RECOVERY]
    if role in CERTIFIED_ROLES:
        known.append(FEATURE_CSR)
    if role != MANAGED:
        known.append(FEATURE_DEPOT)
    return known


def _hear(host: Host) -> Refreshed:
    answer = calls.post(host, "/zac/v1/refresh", lambda line: _told(host, line), Refreshed)
    host.contacts.tried = host.contacts.refused = 0
    host.state.change(lambda held: replace(held, distrusted=[]))
    moved = host.clock.learn(answer.time)
    if abs(moved) > NOTEWORTHY:
        host.note("clock", moved=round(moved, 1), offset=round(host.clock.offset, 1))
    known = host.home.known()
    host.home.keep_known(
        replace(
            known,
            servers=answer.servers or known.servers,
            refresh_s=max(answer.refresh_s, 0.2),
            approved=answer.approved,
            server_id=answer.server_id or known.server_id,
            refreshed=round(host.clock.now(), 3),
        )
    )
    return answer


def _told(host: Host, line: Line) -> Refresh:
    device, generation = host.device, host.security.current()
    digests = store.digests(generation.trust)
    return Refresh(
        t=host.clock.local(),
        agent=VERSION,
        generation=host.security.name(),
        root_sha256=digests[0],
        anchored_sha256=line.peer.anchored,
        skew=round(host.clock.local() - host.clock.now(), 3),
        fqdn=device.fqdn,
        addresses=device.addresses,
        features=features(device.role),
        contacts=host.contacts.tried,
        refused=host.contacts.refused,
        server_certificate_sha256=(pem.fingerprint(generation.server) if generation.server else ""),
        trusted_sha256=digests,
        holds=content.held(host) if host.serves_content else [],
        distrusted=host.state.load().distrusted,
        copies=replication.copies(host, host.wanted) if host.serves_content else [],
    )


def _take_over(host: Host, answer: Refreshed) -> None:
    canceled = notices.heed(host, answer.notices)
    notices.take_up(host, answer.updates, answer.ignored)
    # The go of an update may come with its manifest.
    notices.heed(host, [one for one in answer.notices if one.payload_type == GO])
    notices.redeploy(host, answer.redeploy)
    _trust(host, answer, drop_pending=canceled)
    retirement.retire(host)
    if answer.certificate and host.is_certified:
        try:
            first_certificate.collect(host)
        except Fault as fault:
            host.note("certificate-refused", reason=str(fault))


def _trust(host: Host, answer: Refreshed, *, drop_pending: bool) -> None:
    if answer.trust is None or not _is_sound(host, answer.trust):
        return
    with host.state.held():
        generation = host.security.current()
        held = store.joined(generation.trust, answer.trust)
        offered = store.digests(answer.trust)
        if drop_pending:
            gone = [one for one in pem.fingerprints(held.pending) if one not in offered]
            held = store.without(held, gone)
        if not _is_coming(host, offered[0]) and not _is_past(held, offered[0]):
            held = store.activated(held, offered[0])
        if host.security.use(with_trust(generation, held)):
            host.note("trust", current=offered[0][:16], trusted=len(store.digests(held)))


def _is_sound(host: Host, offered: Trust) -> bool:
    """Tell whether every root offered is one; a trust store with rubbish in it verifies nothing."""
    try:
        for root in store.roots(offered):
            pem.describe(root)
    except pem.NotCertificates as fault:
        host.note("trust-refused", reason=fault.explanation)
        return False
    return True


def _is_coming(host: Host, digest: str) -> bool:
    """Tell whether an update brings this root, so that it becomes current with the update only."""
    records = host.state.load().updates.values()
    return any(record.open and record.manifest().root_sha256 == digest for record in records)


def _is_past(held: Trust, digest: str) -> bool:
    """Tell whether this host has moved on from a root; the console may follow a moment later."""
    return digest in pem.fingerprints(held.in_grace)


def _meet_one_more(host: Host) -> None:
    known = host.home.known()
    registered = host.device.url
    others = [
        one
        for one in servers_with_url(known.servers)
        if one.url != registered and one.id != host.device.id
    ]
    if not others:
        return
    try:
        activation.meet(host, others[known.turn % len(others)])
    except (Unreachable, Refused) as fault:
        host.log("contact: %s" % fault.explanation)
    host.home.keep_known(replace(known, turn=known.turn + 1))
