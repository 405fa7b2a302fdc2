"""The agent's home: which files there are, and what they hold."""

from __future__ import annotations

import json
import os
from typing import Any, List, Optional

from faults import Fault
from wire import json_codec
from wire.messages import MANAGED, ServerAddress
from wire.metadata import Recovery
from wire.values import Value, field
from zac.host import files

LINES_KEPT = 1 << 20
DEFAULT = "/etc/zac"


class NotRegistered(Fault):
    """The device does not belong to a zone, or the zone no longer knows it."""

    action = "Register it: zac reg https://SERVER:PORT --key KEY"


class Damaged(Fault):
    """A file of the home cannot be read."""

    action = "Register the device again: zac reg https://SERVER:PORT --key KEY"


class Device(Value):
    """Who this host is: device.json, readable by its owner only. `url` is the registered server."""

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
    rehearsal_port: int = 0
    parent: str = ""
    epoch: int = 0


class Known(Value):
    """What the zone last said: servers.json."""

    servers: List[ServerAddress] = field(default_factory=list)
    refresh_s: float = 43200.0
    approved: bool = False
    server_id: str = ""
    refreshed: float = 0.0
    turn: int = 0


class Home:
    """One agent's folder."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def at(self, *names: str) -> str:
        """Return the path of something in the home."""
        return os.path.join(self.path, *names)

    def device(self) -> Device:
        """Return who this host is; raises NotRegistered."""
        found = self.device_if_any()
        if found is None:
            raise NotRegistered("This device is not registered.")
        return found

    def device_if_any(self) -> Optional[Device]:
        """Return who this host is, None before registration; raises Damaged."""
        data = files.read(self.at("device.json"))
        try:
            return None if data is None else json_codec.load(Device, data)
        except json_codec.Malformed as error:
            raise Damaged("device.json cannot be read.") from error

    def keep_device(self, device: Device) -> None:
        """Write device.json."""
        files.write(self.at("device.json"), json_codec.dump(device))

    def known(self) -> Known:
        """Return what the zone last said."""
        data = files.read(self.at("servers.json"))
        return Known() if data is None else json_codec.load(Known, data)

    def keep_known(self, known: Known) -> None:
        """Write servers.json, if it changes."""
        data = json_codec.dump(known)
        if files.read(self.at("servers.json")) != data:
            files.write(self.at("servers.json"), data)

    def next_counter(self) -> int:
        """Return a counter never used before: it is on disk before anybody sees it (S-57)."""
        data = files.read(self.at("counter")) or b"0"
        counter = (int(data) if data.strip().isdigit() else 0) + 1
        files.write(self.at("counter"), b"%d" % counter)
        return counter

    def recovery(self) -> Recovery:
        """Return the notices this host hands to devices that cannot verify TLS."""
        data = files.read(self.at("recovery.json"))
        return Recovery("", []) if data is None else json_codec.load(Recovery, data)

    def keep_recovery(self, recovery: Recovery) -> None:
        """Write recovery.json."""
        files.write(self.at("recovery.json"), json_codec.dump(recovery))

    def journal(self, now: float, event: str, **fields: Any) -> None:
        """Add one event to the journal; never a secret."""
        self._line("journal.jsonl", {"t": round(now, 3), "event": event, **fields}, flush=True)

    def contact(self, now: float, **fields: Any) -> None:
        """Add one attempted contact to the log of contacts; like the journal it turns at 1 MiB."""
        self._line("contact.jsonl", {"t": round(now, 3), **fields}, flush=False)

    def _line(self, name: str, fields: Any, *, flush: bool) -> None:
        path = self.at(name)
        if os.path.exists(path) and os.path.getsize(path) > LINES_KEPT:
            files.move(path, path + ".1")
        line = json.dumps(fields, sort_keys=True) + "\n"
        files.append(path, line.encode(), flush=flush)
