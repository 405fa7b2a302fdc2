"""The content server of one server: which listeners are open, adjusted after each refresh."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple

from wire.messages import AUTHENTICATION_SATELLITE
from zac.content.listener import Listener
from zac.host import state
from zac.host.host import Host
from zac.updates import server_certificate

# Kind, address and port; the kind of a preflight listener includes the version of its certificate.
ListenerKey = Tuple[str, str, int]
CertificatePath = Optional[Callable[[], str]]
PREFLIGHT = "preflight"


class ContentServer:
    """The listeners of one server."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._listeners: Dict[ListenerKey, Listener] = {}

    def update_listeners(self) -> None:
        """Open required listeners and close others. A port in use is retried at the next call."""
        required = self._required_listeners()
        for key in [key for key in self._listeners if key not in required]:
            self._listeners.pop(key).stop()
        for key, certificate in required.items():
            if key not in self._listeners:
                self._open(key, certificate)

    def close(self) -> None:
        """Close all listeners."""
        for key in list(self._listeners):
            self._listeners.pop(key).stop()

    def _open(self, key: ListenerKey, certificate: CertificatePath) -> None:
        kind, address, port = key
        try:
            listener = Listener((address, port), self._host.home, certificate)
        except OSError as error:
            self._host.log_warning("Cannot listen on %s:%d: %s" % (address, port, error))
            return
        listener.is_preflight = kind.startswith(PREFLIGHT)
        listener.start()
        self._listeners[key] = listener

    def _required_listeners(self) -> Dict[ListenerKey, CertificatePath]:
        host, device = self._host, self._host.device
        addresses = _addresses(host)
        required: Dict[ListenerKey, CertificatePath] = {}
        if host.serves_content and device.content_port:
            required.update(
                {("content", address, device.content_port): None for address in addresses}
            )
        has_certificate = os.path.exists(host.trust_store.server_certificate_path())
        if device.role == AUTHENTICATION_SATELLITE and device.port and has_certificate:
            current = host.trust_store.server_certificate_path
            required.update({("tls", address, device.port): current for address in addresses})
        required.update(self._preflight_listeners())
        return required

    def _preflight_listeners(self) -> Dict[ListenerKey, CertificatePath]:
        host, port = self._host, self._host.device.preflight_port
        for record in host.state.load().updates.values():
            is_ready = record.step in (state.CERTIFIED, state.READY)
            path = server_certificate.new_certificate_path(host, record.id)
            if is_ready and port and record.manifest().preflight and os.path.exists(path):
                kind = "%s-%s-%d" % (PREFLIGHT, record.id, os.stat(path).st_mtime_ns)
                return {(kind, address, port): _constant(path) for address in _addresses(host)}
        return {}


def _addresses(host: Host) -> List[str]:
    return host.device.addresses or ["0.0.0.0"]  # noqa: S104 - servers listen on all addresses


def _constant(path: str) -> Callable[[], str]:
    return lambda: path
