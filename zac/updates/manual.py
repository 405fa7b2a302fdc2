"""What an administrator does on the server itself: fetch its request, hand in its certificate.

With the manual choice (manual, 1.2.4) the key is made here, too; it never leaves the server.
"""

from __future__ import annotations

import base64
from typing import List

from faults import Fault, Kind
from wire.messages import CsrOrder
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import Record
from zac.network.tls import host_of
from zac.updates import certificate, steps
from zac.updates import steps as updates_steps

KEY = "key.der"
KEY_LENGTH = 256


class NotAwaited(Fault):
    """No certificate is awaited for this host."""

    kind = Kind.CONFLICT
    action = "Start Change CA or Remint Certificate in the console first. Nothing was changed."


class NotYet(Fault):
    """The request is still to be made."""

    action = "The agent makes it at its next refresh. Run: zac refresh"


class NoFile(Fault):
    """The file cannot be read."""

    kind = Kind.INVALID
    action = "Name a file with the certificate and its chain. Nothing was changed."


def request(host: Host) -> str:
    """Return this server's request as PEM; with the manual choice make key and request now."""
    record = _awaiting(host)
    made = files.read(updates_steps.repository(host, record.id, "csr.pem"))
    if made:
        return made.decode()
    if not record.manifest().manual_csr:
        raise NotYet("The request of this server is not made yet.")
    raw = certificate.found(host, KEY)
    if raw is None:
        raw = _der(host.server.make_key(KEY_LENGTH))
        files.make_folder(host.home.at("remint-repo"))
        files.write(host.home.at("remint-repo", KEY), raw)
    return host.server.make_csr(host.server.read_key(raw), _order(host))


def import_file(host: Host, path: str) -> None:
    """Check a certificate that a CA has signed for this server, and give it to the console."""
    record = _awaiting(host)
    data = _read(path)
    own = files.read(updates_steps.repository(host, record.id, "key.pem"))
    keys = [key for key in (own, certificate.found(host, KEY)) if key]
    if not keys:
        raise certificate.NoKey("There is no key for a certificate on this server yet.")
    faults: List[Fault] = []
    for key in keys:
        try:
            certificate.hand_in(host, record, data, key)
        except Fault as fault:
            faults.append(fault)
        else:
            steps.try_again(host, record.id)
            return
    raise faults[0]


def _awaiting(host: Host) -> Record:
    host.home.device()
    for record in host.state.load().updates.values():
        if record.step == state.CERTIFICATE:
            return record
    raise NotAwaited("No certificate is awaited for this host.")


def _order(host: Host) -> CsrOrder:
    device = host.device
    own = [one for one in host.home.known().servers if one.id == device.id and one.url]
    addresses = device.addresses or [host_of(one.url) for one in own]
    names = [device.fqdn] if device.fqdn else []
    common_name = device.fqdn or device.name
    return CsrOrder(common_name, KEY_LENGTH, dns_names=names, addresses=addresses)


def _der(key: str) -> bytes:
    lines = [line for line in key.splitlines() if line and not line.startswith("-----")]
    return base64.b64decode("".join(lines))


def _read(path: str) -> bytes:
    try:
        data = files.read(path)
    except OSError as error:
        raise NoFile("%s cannot be read: %s." % (path, error.strerror)) from error
    if not data:
        raise NoFile("%s is no file, or it is empty." % path)
    return data
