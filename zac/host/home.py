"""Files in the data directory of an agent and their contents."""

from __future__ import annotations

import json
import os
from typing import Any, ClassVar, Dict, List, Optional

from faults import Fault
from wire import json_codec
from wire.envelope import PublicKeys
from wire.messages import MANAGED, ServerAddress
from wire.metadata import RecoveryNotices
from wire.records import Record, field
from zac.host import files

MAX_JOURNAL_BYTES = 1 << 20
DEFAULT = "/etc/zac"
FORMER = "former-device.json"


class NotRegistered(Fault):
    """The device is not registered in a zone."""

    action = "To register it, run: zac reg https://SERVER:PORT --key KEY"


class DamagedFile(Fault):
    """A file in the data directory cannot be read."""

    action = "Register the device again: zac reg https://SERVER:PORT --key KEY"


class Device(Record):
    """Identity of this host (device.json, mode 0600). `url` is the server it registered with.

    `second_pub` is "" until a trust list contained the second zone key (D-175).
    """

    json_names: ClassVar[Dict[str, str]] = {"preflight_port": "rehearsal_port"}

    id: str
    secret: str
    zone: str
    zone_pub: str
    name: str
    url: str
    role: str = MANAGED
    fqdn: str = ""
    addresses: List[str] = field(default_factory=list)
    port: int = 0
    content_port: int = 0
    preflight_port: int = 0
    parent: str = ""
    epoch: int = 0
    second_pub: str = ""

    @property
    def zone_keys(self) -> PublicKeys:
        """Return the keys that must have signed a document for this device."""
        return PublicKeys(self.zone_pub, self.second_pub)


class AcceptedTrustList(Record):
    """The trust list in use: its version, its times, the digests of its roots, and `revoked`.

    `revoked` also contains what earlier lists contained, until the time in `revoked_until`.
    `system_trust`: the zone wants its roots in the trust stores of operating systems.
    """

    version: int
    issued_at: float
    expires_at: float
    roots_sha256: List[str]
    revoked: List[str] = field(default_factory=list)
    system_trust: bool = False
    revoked_until: Dict[str, float] = field(default_factory=dict)


class ZoneCache(Record):
    """Data that the zone sent with the last refresh (servers.json).

    `turn` is the number of refreshes, which selects the next server to contact. With
    `has_authentic_responses`, the console is known to sign its responses.
    """

    servers: List[ServerAddress] = field(default_factory=list)
    refresh_s: float = 43200.0
    approved: bool = False
    server_id: str = ""
    refreshed: float = 0.0
    turn: int = 0
    zone_name: str = ""
    trust_list: Optional[AcceptedTrustList] = None
    has_authentic_responses: bool = False


class Home:
    """The data directory of one agent."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def path_to(self, *names: str) -> str:
        """Return the path of a file in the data directory."""
        return os.path.join(self.path, *names)

    def device(self) -> Device:
        """Return the identity of this host; raises NotRegistered."""
        device = self.device_or_none()
        if device is None:
            raise NotRegistered("This device is not registered.")
        return device

    def device_or_none(self) -> Optional[Device]:
        """Return the identity of this host, None before registration; raises DamagedFile."""
        data = files.read(self.path_to("device.json"))
        try:
            return None if data is None else json_codec.load(Device, data)
        except json_codec.Malformed as error:
            raise DamagedFile("Cannot read device.json.") from error

    def save_device(self, device: Device) -> None:
        """Write device.json. A former identity is deleted."""
        files.write(self.path_to("device.json"), json_codec.dump(device))
        files.remove(self.path_to(FORMER))

    def leave_zone(self, *, delete: bool) -> None:
        """Rename device.json, so that this host can return without a registration key (D-51).

        With `delete`, it is deleted.
        """
        if delete:
            files.remove(self.path_to("device.json"))
            files.remove(self.path_to(FORMER))
        else:
            files.rename(self.path_to("device.json"), self.path_to(FORMER))

    def former_device(self) -> Optional[Device]:
        """Return the identity of this host before it was unregistered, None if it has none."""
        data = files.read(self.path_to(FORMER))
        try:
            return None if data is None else json_codec.load(Device, data)
        except json_codec.Malformed:
            return None

    def zone_cache(self) -> ZoneCache:
        """Return the data that the zone sent last."""
        data = files.read(self.path_to("servers.json"))
        return ZoneCache() if data is None else json_codec.load(ZoneCache, data)

    def save_zone_cache(self, cache: ZoneCache) -> None:
        """Write servers.json if it changed."""
        data = json_codec.dump(cache)
        if files.read(self.path_to("servers.json")) != data:
            files.write(self.path_to("servers.json"), data)

    def next_counter(self) -> int:
        """Return a counter that was never used; it is stored before it is returned."""
        data = files.read(self.path_to("counter")) or b"0"
        counter = (int(data) if data.strip().isdigit() else 0) + 1
        files.write(self.path_to("counter"), b"%d" % counter)
        return counter

    def recovery_notices(self) -> RecoveryNotices:
        """Return the notices that this host serves to devices that cannot verify TLS."""
        data = files.read(self.path_to("recovery.json"))
        return RecoveryNotices("", []) if data is None else json_codec.load(RecoveryNotices, data)

    def save_recovery_notices(self, notices: RecoveryNotices) -> None:
        """Write recovery.json."""
        files.write(self.path_to("recovery.json"), json_codec.dump(notices))

    def append_journal(self, now: float, event: str, **fields: Any) -> None:
        """Append an event to journal.jsonl; the fields must not contain secrets."""
        self._append("journal.jsonl", {"t": round(now, 3), "event": event, **fields}, flush=True)

    def append_contact(self, now: float, **fields: Any) -> None:
        """Append an attempted connection to contact.jsonl."""
        self._append("contact.jsonl", {"t": round(now, 3), **fields}, flush=False)

    def _append(self, name: str, fields: Any, *, flush: bool) -> None:
        path = self.path_to(name)
        if os.path.exists(path) and os.path.getsize(path) > MAX_JOURNAL_BYTES:
            files.rename(path, path + ".1")
        line = json.dumps(fields, sort_keys=True) + "\n"
        files.append(path, line.encode(), flush=flush)
