"""Preflight checks of new server certificates: over the network, and of a server for itself.

A device connects to the preflight port of a server with the new root only. A failure is reported
and blocks nothing on the device, because the port might be closed. Only a rejected certificate,
not an unreachable server, is a reason to postpone the activation.

`verify_certificate` makes the same TLS handshake in memory, before a server uses a certificate.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from http import HTTPStatus
from typing import List, Sequence

from faults import Fault
from wire.messages import ServerAddress
from wire.records import replace
from wire.update_messages import (
    PASSED,
    REJECTED,
    UNREACHABLE,
    PreflightReport,
    PreflightResult,
    StackResult,
)
from zac.host import state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.network import calls
from zac.network.errors import CertificateRejected
from zac.network.tls import NO_CHECK_TIME
from zac.stacks import check
from zac.trust import store

MAX_SERVERS = 3
# Each attempt at a closed port takes a whole timeout, so not every refresh repeats it (seconds).
PAUSE_SECONDS = 10.0
RETRY_SECONDS = 3600.0
# The path on the preflight listener, the same in the previous version.
CHECK_PATH = "/trial"


def run_checks(host: Host, record: UpdateRecord) -> None:
    """Check up to three servers that have not passed yet, and report new results."""
    root = store.find(host.trust_store.current().trust, record.manifest().root_sha256)
    if root is None:
        return
    results: List[PreflightResult] = []
    stacks: List[StackResult] = []
    for server in _servers_to_check(host, record):
        result = _check_server(host, server, root)
        if record.preflight_results.get(server.id) != result.code:
            results.append(result)
        if result.code == PASSED and not (record.has_checked_stacks or stacks):
            stacks = check.check_server(host, server, root)
    if results:
        _report(host, record, results, stacks)


def repeat_checks(host: Host) -> None:
    """Repeat the checks of prepared updates after a pause, for servers that have not passed."""
    if time.monotonic() < host.pauses.get("preflight", 0.0):
        return
    host.pauses["preflight"] = time.monotonic() + PAUSE_SECONDS
    for record in host.state.load().updates.values():
        if record.step == state.READY and not is_activation_due(host, record):
            run_checks(host, record)


def has_pending_checks(host: Host, record: UpdateRecord) -> bool:
    """Return True if a server has not passed within the first hour of an update."""
    is_recent = host.clock.now() - record.received_at < RETRY_SECONDS
    has_time = is_recent and not is_activation_due(host, record)
    return has_time and bool(_servers_to_check(host, record))


def is_activation_due(host: Host, record: UpdateRecord) -> bool:
    """Return True if the activation time has passed, so that checks have no purpose."""
    return host.clock.now() >= record.activates_at()


def _servers_to_check(host: Host, record: UpdateRecord) -> List[ServerAddress]:
    def spread(server: ServerAddress) -> str:
        return hashlib.sha256((host.device.id + server.id).encode()).hexdigest()

    manifest = record.manifest()
    if not manifest.preflight:
        return []
    candidates = [
        server
        for server in host.home.zone_cache().servers
        if server.preflight_url
        and server.id != host.device.id
        and (not manifest.servers or server.id in manifest.servers)
    ]
    chosen = sorted(candidates, key=spread)[:MAX_SERVERS]
    return [server for server in chosen if record.preflight_results.get(server.id) != PASSED]


def _check_server(host: Host, server: ServerAddress, root: str) -> PreflightResult:
    try:
        with host.transport.verified(server.preflight_url, [root]) as connection:
            response = connection.send("GET", CHECK_PATH)
    except CertificateRejected as fault:
        return PreflightResult(server.id, REJECTED, fault.explanation)
    except Fault as fault:
        return PreflightResult(server.id, UNREACHABLE, fault.explanation)
    detail = "" if response.status == HTTPStatus.OK else "%d" % response.status
    return PreflightResult(server.id, PASSED, detail)


def _report(
    host: Host,
    record: UpdateRecord,
    results: List[PreflightResult],
    stacks: List[StackResult],
) -> None:
    path = "/zac/v1/updates/%s/" % record.id
    report = PreflightReport(results=results, at=host.clock.now(), stacks=stacks)
    try:
        calls.send(host, path + "preflight", report, previous_path=path + "rehearsal")
    except Fault as fault:
        host.log_warning("could not report the preflight check: %s" % fault.explanation)
        return
    codes = {result.server: result.code for result in results}
    host.state.edit(
        record.id,
        lambda record: replace(
            record,
            preflight_results={**record.preflight_results, **codes},
            has_checked_stacks=record.has_checked_stacks or bool(stacks),
        ),
    )
    for result in results:
        host.log_event("preflight", update=record.id, server=result.server, code=result.code)
    for stack in stacks:
        if stack.code == REJECTED:
            host.log_event("stack-rejected", stack=stack.stack, reason=stack.detail)


MAX_ROUNDS = 10
NO_CHAIN = "its chain does not lead to the new root, or a key identifier does not match the issuer"
# The most frequent errors of X509_verify_cert(3). The console checks the others before.
REASONS = {
    2: NO_CHAIN,
    7: "a signature is not valid",
    9: "a certificate of the chain is not yet valid",
    10: "a certificate of the chain has expired",
    18: NO_CHAIN,
    19: NO_CHAIN,
    20: NO_CHAIN,
    21: NO_CHAIN,
    34: "a certificate of the chain contains an unknown critical extension",
    47: "the name constraints of a CA do not allow this name",
    48: "the name constraints of a CA do not allow this name",
    62: "it does not cover this name",
    64: "it does not cover this address",
}


class UnusableCertificate(Fault):
    """Devices would reject the certificate."""

    action = "Correct the certificate and submit it again. The current certificate stays in use."


def verify_certificate(
    path: str, root: str, names: Sequence[str], *, dateless: bool = False
) -> None:
    """Make a TLS handshake for each name with the key and chain in a file.

    Raises UnusableCertificate. `dateless` ignores the dates, because the local clock is wrong.
    """
    server = _server_context(path)
    for name in names:
        _handshake(_client_context(root, dateless=dateless), server, name)


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
        raise UnusableCertificate("The private key does not match the certificate.") from error
    return context


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    pending = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(MAX_ROUNDS):
        pending = [side for side in pending if not _is_complete(side, name)]
        if not pending:
            return
    raise UnusableCertificate("The TLS handshake for %s did not complete." % name)


def _is_complete(side: ssl.SSLObject, name: str) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLCertVerificationError as error:
        other = "its chain is not valid (OpenSSL verification error %d)" % error.verify_code
        raise UnusableCertificate(
            "Devices that connect to %s would reject the certificate: %s."
            % (name, REASONS.get(error.verify_code, other))
        ) from error
    except ssl.SSLError as error:
        raise UnusableCertificate(
            "The TLS handshake for %s failed: %s." % (name, error.reason)
        ) from error
    return True
