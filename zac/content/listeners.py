"""Which listeners a server has open at the moment, brought in line after each pass."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple

from wire.messages import AUTHENTICATION_SATELLITE
from zac.content.content_server import Listener
from zac.host import state
from zac.host.host import Host
from zac.updates import certificate as updates_certificate

Key = Tuple[str, str, int]
Wanted = Dict[Key, Optional[Callable[[], str]]]


class Listeners:
    """The depot of one server."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._open: Dict[Key, Listener] = {}

    def sync(self) -> None:
        """Open what should be open, close what should not; a port in use is tried again later."""
        wanted = self._wanted()
        for key in [key for key in self._open if key not in wanted]:
            self._open.pop(key).stop()
        for key, certificate in wanted.items():
            if key not in self._open:
                self._start(key, certificate)

    def close(self) -> None:
        """Close everything."""
        for key in list(self._open):
            self._open.pop(key).stop()

    def _start(self, key: Key, certificate: Optional[Callable[[], str]]) -> None:
        kind, address, port = key
        try:
            listener = Listener((address, port), self._host.home, certificate)
        except OSError as error:
            self._host.log("%s:%d cannot be opened: %s" % (address, port, error))
            return
        listener.trial = kind.startswith("trial")
        listener.start()
        self._open[key] = listener

    def _wanted(self) -> Wanted:
        host, device = self._host, self._host.device
        wanted: Wanted = {}
        if host.serves_content and device.content_port:
            wanted.update({("content", one, device.content_port): None for one in _addresses(host)})
        serves = os.path.exists(host.security.server_file())
        if device.role == AUTHENTICATION_SATELLITE and device.port and serves:
            current = host.security.server_file
            wanted.update({("tls", one, device.port): current for one in _addresses(host)})
        wanted.update(self._trial())
        return wanted

    def _trial(self) -> Wanted:
        host, port = self._host, self._host.device.rehearsal_port
        for record in host.state.load().updates.values():
            ready = record.step in (state.REHEARSED, state.ARMED)
            path = updates_certificate.future_file(host, record.id)
            if ready and port and record.manifest().rehearse and os.path.exists(path):
                kind = "trial-%s-%d" % (record.id, os.stat(path).st_mtime_ns)
                return {(kind, one, port): _always(path) for one in _addresses(host)}
        return {}


def _addresses(host: Host) -> List[str]:
    return host.device.addresses or ["0.0.0.0"]  # noqa: S104 - a server answers everywhere


def _always(path: str) -> Callable[[], str]:
    return lambda: path
