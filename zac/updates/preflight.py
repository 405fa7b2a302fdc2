"""Dress rehearsal (B-1): a handshake with a server's future certificate and the future root alone.

A failure is reported and blocks nothing: the port may be closed. "Refused" and "unreachable" are
told apart, because only the first is a reason to postpone.

A whole TLS handshake in memory, as a device with one given root would make it.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from http import HTTPStatus
from typing import List, Sequence

from faults import Fault
from wire.messages import ServerAddress
from wire.preflight import RehearsalReport, RehearsalResult
from wire.values import replace
from zac.host.host import Host
from zac.host.state import Record
from zac.network import calls
from zac.network.tls import NO_CHECK_TIME, Refused
from zac.trust import store

OK, REFUSED, UNREACHABLE = "ok", "refused", "unreachable"
MOST_SERVERS = 3
# A closed port costs a whole time-out, so it is not tried at each of many quick refreshes.
REST = 10.0
PATIENCE = 3600.0


def rehearse(host: Host, record: Record) -> None:
    """Try up to three servers that have not passed yet, and tell the console what is new."""
    root = store.find(host.security.current().trust, record.manifest().root_sha256)
    if root is None:
        return
    results = []
    for server in _chosen(host, record):
        result = _try(host, server, root)
        if record.rehearsed.get(server.id) != result.code:
            results.append(result)
    if results:
        _report(host, record, results)


def again(host: Host) -> None:
    """Rehearse once more, after a rest, for armed updates that have servers yet to pass."""
    if time.monotonic() < host.rests.get("rehearsal", 0.0):
        return
    host.rests["rehearsal"] = time.monotonic() + REST
    for record in host.state.load().updates.values():
        if record.step == "armed" and not is_late(host, record):
            rehearse(host, record)


def is_open(host: Host, record: Record) -> bool:
    """Tell whether some server has yet to pass; asked for an hour, then at refreshes only."""
    young = host.clock.now() - record.since < PATIENCE
    return young and not is_late(host, record) and bool(_chosen(host, record))


def is_late(host: Host, record: Record) -> bool:
    """Tell whether the activation time has come, so that there is nothing left to rehearse."""
    return host.clock.now() >= record.activates_at()


def _chosen(host: Host, record: Record) -> List[ServerAddress]:
    def spread(server: ServerAddress) -> str:
        return hashlib.sha256((host.device.id + server.id).encode()).hexdigest()

    known = host.home.known()
    manifest = record.manifest()
    if not manifest.rehearse:
        return []
    there = [
        server
        for server in known.servers
        if server.rehearsal_url
        and server.id != host.device.id
        and (not manifest.servers or server.id in manifest.servers)
    ]
    nearest = sorted(there, key=spread)[:MOST_SERVERS]
    return [server for server in nearest if record.rehearsed.get(server.id) != OK]


def _try(host: Host, server: ServerAddress, root: str) -> RehearsalResult:
    try:
        with host.transport.verified(server.rehearsal_url, [root]) as line:
            answer = line.send("GET", "/trial")
    except Refused as fault:
        return RehearsalResult(server.id, REFUSED, fault.explanation)
    except Fault as fault:
        return RehearsalResult(server.id, UNREACHABLE, fault.explanation)
    return RehearsalResult(
        server.id, OK, "" if answer.status == HTTPStatus.OK else "%d" % answer.status
    )


def _report(host: Host, record: Record, results: List[RehearsalResult]) -> None:
    path = "/zac/v1/updates/%s/rehearsal" % record.id
    try:
        calls.tell(host, path, RehearsalReport(results=results, at=host.clock.now()))
    except Fault as fault:
        host.log("rehearsal not reported: %s" % fault.explanation)
        return
    codes = {result.server: result.code for result in results}
    host.state.amend(
        record.id,
        lambda held: replace(held, rehearsed={**held.rehearsed, **codes}),
    )
    for result in results:
        host.note("rehearsed", update=record.id, server=result.server, code=result.code)


ROUNDS = 10


class Unusable(Fault):
    """Devices would refuse this certificate."""

    action = "Correct the certificate and hand it in again; the current one stays in use."


def check(path: str, root: str, names: Sequence[str], *, dateless: bool = False) -> None:
    """Shake hands under each name with the key and chain in a file; raises Unusable.

    `dateless`: the local clock is wrong, so it cannot judge dates.
    """
    server = _server_context(path)
    for name in names:
        _shake_hands(_client_context(root, dateless=dateless), server, name)


def _client_context(root: str, *, dateless: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
    context.hostname_checks_common_name = False
    context.load_verify_locations(cadata=root)
    if dateless:
        context.verify_flags |= NO_CHECK_TIME
    return context


def _server_context(path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(path)
    except (ssl.SSLError, OSError) as error:
        raise Unusable("Key and certificate do not fit together.") from error
    return context


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [near, far]
    for _ in range(ROUNDS):
        pending = [side for side in pending if not _done(side, name)]
        if not pending:
            return
    raise Unusable("The handshake for %s did not end." % name)


def _done(side: ssl.SSLObject, name: str) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLCertVerificationError as error:
        raise Unusable("A device would refuse %s: %s." % (name, error.verify_message)) from error
    except ssl.SSLError as error:
        raise Unusable("The handshake for %s failed: %s." % (name, error.reason)) from error
    return True
