"""Commands of an administrator on a server: print its CSR, import its signed certificate.

If the update requires a manual CSR, the private key is created here and never leaves the server.

See: manual 1.2.4
"""

from __future__ import annotations

import base64
from typing import List

from faults import Fault, Kind
from wire.update_messages import CsrParameters
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.network.tls import host_of
from zac.updates import repository, server_certificate, state_machine
from zac.updates.preparation import repository_path

KEY_LENGTH = 256


class NoCertificatePending(Fault):
    """No update of this host is waiting for a certificate."""

    kind = Kind.CONFLICT
    action = "Start Change CA or Remint Certificate in the console first. Nothing was changed."


class CsrNotGenerated(Fault):
    """The agent has not generated the CSR yet."""

    action = "The agent generates it at the next refresh. To refresh now, run: zac refresh"


class UnreadableFile(Fault):
    """The file cannot be read."""

    kind = Kind.INVALID
    action = "Specify a file that contains the certificate and its chain. Nothing was changed."


def get_csr(host: Host) -> str:
    """Return this server's CSR as PEM. A manual CSR is generated, with its key if needed."""
    record = _find_pending_update(host)
    csr = files.read(repository_path(host, record.id, "csr.pem"))
    if csr:
        return csr.decode()
    if not record.manifest().manual_csr:
        raise CsrNotGenerated("The CSR for this server has not been generated yet.")
    key = repository.read(host, repository.KEY)
    if key is None:
        key = _to_der(host.server_part.generate_key(KEY_LENGTH))
        files.make_folder(host.home.path_to(repository.FOLDER))
        files.write(host.home.path_to(repository.FOLDER, repository.KEY), key)
    return host.server_part.build_csr(host.server_part.parse_key(key), _csr_parameters(host))


def import_certificate(host: Host, path: str) -> None:
    """Verify a signed certificate for this server, and submit it to the console."""
    record = _find_pending_update(host)
    data = _read(path)
    own = files.read(repository_path(host, record.id, "key.pem"))
    keys = [key for key in (own, repository.read(host, repository.KEY)) if key]
    if not keys:
        raise server_certificate.KeyMissing(
            "The private key for this server has not been generated yet."
        )
    faults: List[Fault] = []
    for key in keys:
        try:
            server_certificate.submit_certificate(host, record, data, key)
        except Fault as fault:
            faults.append(fault)
        else:
            state_machine.retry(host, record.id)
            return
    raise faults[0]


def _find_pending_update(host: Host) -> UpdateRecord:
    host.home.device()
    for record in host.state.load().updates.values():
        if record.step == state.AWAITING_CERTIFICATE:
            return record
    raise NoCertificatePending("This host is not waiting for a certificate.")


def _csr_parameters(host: Host) -> CsrParameters:
    device = host.device
    servers = host.home.zone_cache().servers
    own = [server for server in servers if server.id == device.id and server.url]
    return CsrParameters(
        common_name=device.fqdn or device.name,
        key_length=KEY_LENGTH,
        dns_names=[device.fqdn] if device.fqdn else [],
        addresses=device.addresses or [host_of(server.url) for server in own],
    )


def _to_der(key: str) -> bytes:
    lines = [line for line in key.splitlines() if line and not line.startswith("-----")]
    return base64.b64decode("".join(lines))


def _read(path: str) -> bytes:
    try:
        data = files.read(path)
    except OSError as error:
        raise UnreadableFile("Cannot read %s: %s." % (path, error.strerror)) from error
    if not data:
        raise UnreadableFile("%s does not exist or is empty." % path)
    return data
