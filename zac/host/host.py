"""The environment of an agent: files, trust store, clock, network, and the server part."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence
from urllib.parse import urlsplit

from faults import Fault, Kind
from wire.messages import (
    CERTIFIED_ROLES,
    CONTENT_ROLES,
    ServerAddress,
    VaultKeys,
)
from wire.update_messages import CsrParameters, ReplicationRequest
from zac.host import logs
from zac.host.clock import Clock
from zac.host.home import Device, Home
from zac.host.state import StateFile
from zac.network import contact as network_contact
from zac.network.errors import CertificateRejected, Unreachable
from zac.network.tls import Connection, Transport
from zac.trust import revocation, store
from zac.trust.store import TrustStore

UNREACHABLE_SECONDS = 60.0


class ServerPart:
    """Operations of servers that need a library for keys and certificates.

    The implementation is zac.host.server_part. Managed devices never import it.
    """

    def generate_key(self, length: int) -> str:
        """Return a new private key, PEM."""
        raise NotImplementedError

    def build_csr(self, key: str, parameters: CsrParameters) -> str:
        """Return a signed CSR with the required parameters, PEM."""
        raise NotImplementedError

    def parse_key(self, data: bytes) -> str:
        """Return the private key in a file as PEM."""
        raise NotImplementedError

    def build_chain(self, data: bytes, root: str, key: str) -> str:
        """Return the chain of a key from a certificate file: leaf first, no root."""
        raise NotImplementedError

    def is_same_key(self, key: str, certificate: str) -> bool:
        """Return True if a certificate belongs to a private key."""
        raise NotImplementedError

    def create_vault_keys(self, home: str) -> VaultKeys:
        """Create a Primary Server's vault keys unless they exist; return the public halves."""
        raise NotImplementedError


class NoServerPart(Fault):
    """The server part is not available to this process."""

    kind = Kind.UNAVAILABLE
    action = "Run the command with the agent that is installed on the server."


def no_server_part() -> ServerPart:
    """Raise NoServerPart; the default of a host without server part."""
    raise NoServerPart("The server part of the agent is not available.")


class ContactCounts:
    """Number of connections since the last refresh that the console received."""

    def __init__(self) -> None:
        self.tried = 0
        self.rejected = 0


class Host:
    """The environment of one agent. `load_server_part` is called when a server first needs it."""

    def __init__(
        self,
        home: Home,
        *,
        clock: Optional[Clock] = None,
        transport: Optional[Transport] = None,
        load_server_part: Callable[[], ServerPart] = no_server_part,
    ) -> None:
        self.home = home
        self.clock = clock or Clock(home.path_to("clock.json"))
        self.transport = transport or Transport(self.clock)
        self.trust_store = TrustStore(home.path_to("security"))
        self.state = StateFile(home.path_to("state.json"))
        self.contacts = ContactCounts()
        self.write_log: Callable[[logs.LogLine], None] = lambda _line: None
        self.bundled_content: Callable[[str], Optional[bytes]] = lambda _digest: None
        self.extra_roots: Sequence[str] = ()
        self.pauses: Dict[str, float] = {}
        self._unreachable: Dict[str, float] = {}
        self.pending_replicas: List[ReplicationRequest] = []
        self.replication_errors: Dict[str, str] = {}
        self.activator: Optional[Callable[[], None]] = None
        self.transport.learn_time = self._learn_time
        self.transport.is_revoked = self._is_revoked
        self._load_server_part = load_server_part
        self._server_part: Optional[ServerPart] = None

    @property
    def device(self) -> Device:
        """Return the identity of this host; raises NotRegistered."""
        return self.home.device()

    @property
    def server_part(self) -> ServerPart:
        """Return the server part, which is loaded on first use; raises NoServerPart."""
        if self._server_part is None:
            self._server_part = self._load_server_part()
        return self._server_part

    @property
    def is_certified(self) -> bool:
        """Return True if this host has a server certificate."""
        return self.device.role in CERTIFIED_ROLES

    @property
    def serves_content(self) -> bool:
        """Return True if this host is a content server."""
        return self.device.role in CONTENT_ROLES

    def trusted_roots(self) -> Sequence[str]:
        """Return the roots that are trusted for the next connection."""
        if self.extra_roots:
            return self.extra_roots
        return store.roots(self.trust_store.current().trust)

    def log(self, text: str) -> None:
        """Write a message about normal work to the log."""
        self.write_log(logs.LogLine(logs.INFO, text))

    def log_warning(self, text: str) -> None:
        """Write a message about a problem to the log."""
        self.write_log(logs.LogLine(logs.WARNING, text))

    def log_event(self, event: str, **fields: Any) -> None:
        """Write an event to the journal and the log."""
        self.home.append_journal(self.clock.now(), event, **fields)
        text = " ".join("%s=%s" % item for item in fields.items())
        message = "%s %s" % (event, text) if text else event
        details = {"event": event, **fields}
        self.write_log(logs.LogLine(logs.level_of(event), message, details))

    @contextlib.contextmanager
    def connect(
        self, server: ServerAddress, roots: Optional[Sequence[str]] = None
    ) -> Iterator[Connection]:
        """Open a verified connection to a server, and log the result."""
        trusted = self.trusted_roots() if roots is None else roots
        connection: Optional[Connection] = None
        fault: Optional[Fault] = None
        try:
            with self.transport.verified(server.url, trusted) as connection:
                yield connection
        except (Unreachable, CertificateRejected) as error:
            fault = error
            if isinstance(error, Unreachable):
                self.record_unreachable(server.url)
            raise
        finally:
            self._log_contact(server, connection, fault)

    def record_unreachable(self, url: str) -> None:
        """Contact the other servers first for a minute: each call would time out at this one."""
        self._unreachable[urlsplit(url).netloc] = time.monotonic() + UNREACHABLE_SECONDS

    def is_unreachable(self, url: str) -> bool:
        """Return True if a server was unreachable within the last minute."""
        return time.monotonic() < self._unreachable.get(urlsplit(url).netloc, 0.0)

    def _learn_time(self, url: str, roots: Sequence[str]) -> None:
        device = self.home.device_or_none()
        if device is not None:
            network_contact.learn_time(self.transport, self.clock.learn, device.zone_pub)(
                url, roots
            )

    def _is_revoked(self, certificate: bytes) -> bool:
        return revocation.is_revoked(self.home, self.trust_store, certificate)

    def _log_contact(
        self, server: ServerAddress, connection: Optional[Connection], fault: Optional[Fault]
    ) -> None:
        is_rejected = isinstance(fault, CertificateRejected)
        self.contacts.tried += 1
        self.contacts.rejected += int(is_rejected)
        fields: Dict[str, Any] = {"server": server.name, "url": server.url, "refused": is_rejected}
        fields["ok"] = fault is None and connection is not None
        fields["store"] = connection.peer.store if connection else ""
        fields["anchored"] = connection.peer.anchored if connection else ""
        fields["error"] = fault.explanation if fault else ""
        self.home.append_contact(self.clock.now(), **fields)


def servers_with_url(servers: Sequence[ServerAddress]) -> List[ServerAddress]:
    """Return the servers that have a TLS address."""
    return [server for server in servers if server.url]
