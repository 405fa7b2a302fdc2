"""What this host reports about its updates at each refresh, and certificates that it sends again.

A status report is sent once. If the console lost it, because its database was restored from a
backup, the console compares the refresh with its database and stores what is later.

See: D-165
"""

from __future__ import annotations

from typing import List, Sequence

from faults import Fault
from wire.update_messages import CsrRequest, UpdateStatus
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.network import calls
from zac.registration import initial_certificate
from zac.trust import pem
from zac.updates.preparation import replaces_certificate
from zac.updates.server_certificate import csr_path, new_certificate_path

# The last closed updates are reported, too. A restored database is rarely older than these.
MAX_CLOSED = 4
IN_USE = "first"


def list_updates(host: Host) -> List[UpdateStatus]:
    """Return the status of the open updates and of the last closed ones, without ignored ones."""
    records = [record for record in host.state.load().updates.values() if record.reported_state]
    closed = [record for record in records if not record.is_open and record.step != state.IGNORED]
    last = sorted(closed, key=lambda record: record.received_at)[-MAX_CLOSED:]
    reported = [record for record in records if record.is_open or record in last]
    return [_build_status(host, record) for record in reported]


def send_certificates(host: Host, wanted: Sequence[str]) -> None:
    """Send the certificates that the console requests, with their chains and without keys."""
    for name in wanted if host.is_certified else ():
        record = host.state.get(name)
        try:
            if name == IN_USE:
                _send(host, initial_certificate.PATH, host.trust_store.current().server, 0)
            elif record is not None:
                generation = max(record.csr_generation, 0)
                _send(host, csr_path(name), _read_certificate(host, record), generation)
        except Fault as fault:
            host.log_event("certificate-not-sent", update=name, reason=str(fault))


def _build_status(host: Host, record: UpdateRecord) -> UpdateStatus:
    new = ""
    if record.step not in state.AFTER_SWITCH and replaces_certificate(host, record):
        new = _read_certificate(host, record)
    return UpdateStatus(
        id=record.id,
        state=record.reported_state,
        revision=record.revision,
        attempt=record.attempt,
        generation=record.csr_generation,
        certificate_sha256=pem.fingerprint(new) if new else "",
    )


def _read_certificate(host: Host, record: UpdateRecord) -> str:
    """Return the new key and chain, or those in use after the activation, "" if there are none."""
    if record.step in state.AFTER_SWITCH:
        return host.trust_store.current().server
    return (files.read(new_certificate_path(host, record.id)) or b"").decode()


def _send(host: Host, path: str, key_and_chain: str, generation: int) -> None:
    chain = "".join(pem.split(key_and_chain))
    if chain:
        calls.send(host, path, CsrRequest(chain=chain, generation=generation))
        host.log_event("certificate-sent", path=path)
