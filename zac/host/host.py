"""What every step is handed: files, trust, clock, network, and the part that only servers have."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from faults import Fault
from wire.messages import (
    CERTIFIED_ROLES,
    CONTENT_ROLES,
    CsrOrder,
    Replicate,
    ServerAddress,
    VaultKeys,
)
from zac.host.clock import Clock
from zac.host.home import Device, Home
from zac.host.state import StateFile
from zac.network import contact as network_contact
from zac.network.tls import Line, Refused, Transport, Unreachable
from zac.trust import store
from zac.trust.store import Security


class ServerPart:
    """What only servers can do, because it needs the library for keys and certificates."""

    def make_key(self, length: int) -> str:
        """Return a new private key, PEM."""
        raise NotImplementedError

    def make_csr(self, key: str, order: CsrOrder) -> str:
        """Return a signed request for what was ordered, PEM."""
        raise NotImplementedError

    def read_key(self, data: bytes) -> str:
        """Return a private key found in the remint repository as PEM."""
        raise NotImplementedError

    def read_chain(self, data: bytes, root: str, key: str) -> str:
        """Return the chain for a key out of any certificate file: leaf first, no root."""
        raise NotImplementedError

    def same_key(self, key: str, certificate: str) -> bool:
        """Tell whether a certificate is that of a private key."""
        raise NotImplementedError

    def make_vault_keys(self, home: str) -> VaultKeys:
        """Make a Primary Server's vault keys unless they are there; returns the public halves."""
        raise NotImplementedError


def load_server_part() -> ServerPart:
    """Import the server part; a managed device never does."""
    made: ServerPart = importlib.import_module("zac.host.server_part").Tools()
    return made


class Contacts:
    """Contacts since the last refresh that the console has heard of."""

    def __init__(self) -> None:
        self.tried = 0
        self.refused = 0


class Host:
    """One agent's surroundings. Tests replace single parts."""

    def __init__(
        self,
        home: Home,
        *,
        clock: Optional[Clock] = None,
        transport: Optional[Transport] = None,
        server: Callable[[], ServerPart] = load_server_part,
    ) -> None:
        self.home = home
        self.clock = clock or Clock(home.at("clock.json"))
        self.transport = transport or Transport(self.clock)
        self.security = Security(home.at("security"))
        self.state = StateFile(home.at("state.json"))
        self.contacts = Contacts()
        self.log: Callable[[str], None] = lambda _text: None
        self.carried: Callable[[str], Optional[bytes]] = lambda _digest: None
        self.extra_roots: Sequence[str] = ()
        self.rests: Dict[str, float] = {}
        self.wanted: List[Replicate] = []
        self.troubles: Dict[str, str] = {}
        self.activator: Optional[Callable[[], None]] = None
        self.transport.learn_time = self._learn_time
        self._load_server = server
        self._server: Optional[ServerPart] = None

    @property
    def device(self) -> Device:
        """Who this host is; raises NotRegistered."""
        return self.home.device()

    @property
    def server(self) -> ServerPart:
        """The server part, imported when it is first needed."""
        if self._server is None:
            self._server = self._load_server()
        return self._server

    @property
    def is_certified(self) -> bool:
        """Tell whether this host has a server certificate of its own."""
        return self.device.role in CERTIFIED_ROLES

    @property
    def serves_content(self) -> bool:
        """Tell whether this host keeps content for others."""
        return self.device.role in CONTENT_ROLES

    def roots(self) -> Sequence[str]:
        """Return every root trusted for the next contact."""
        if self.extra_roots:
            return self.extra_roots
        return store.roots(self.security.current().trust)

    def note(self, event: str, **fields: Any) -> None:
        """Write an event into the journal and the log."""
        self.home.journal(self.clock.now(), event, **fields)
        words = " ".join("%s=%s" % item for item in fields.items())
        self.log("%s %s" % (event, words) if words else event)

    @contextlib.contextmanager
    def contact(
        self, server: ServerAddress, roots: Optional[Sequence[str]] = None
    ) -> Iterator[Line]:
        """Open a verified connection to a server and log how it went."""
        held = self.roots() if roots is None else roots
        line: Optional[Line] = None
        fault: Optional[Fault] = None
        try:
            with self.transport.verified(server.url, held) as line:
                yield line
        except (Unreachable, Refused) as error:
            fault = error
            raise
        finally:
            self._log_contact(server, line, fault)

    def _learn_time(self, url: str, roots: Sequence[str]) -> None:
        device = self.home.device_if_any()
        if device is not None:
            network_contact.learn_time(self.transport, self.clock.learn, device.zone_pub)(
                url, roots
            )

    def _log_contact(
        self, server: ServerAddress, line: Optional[Line], fault: Optional[Fault]
    ) -> None:
        refused = isinstance(fault, Refused)
        self.contacts.tried += 1
        self.contacts.refused += int(refused)
        fields: Dict[str, Any] = {"server": server.name, "url": server.url, "refused": refused}
        fields["ok"] = fault is None and line is not None
        fields["store"] = line.peer.store if line else ""
        fields["anchored"] = line.peer.anchored if line else ""
        fields["error"] = fault.explanation if fault else ""
        self.home.contact(self.clock.now(), **fields)


def say(text: str) -> None:
    """Write one line for whoever watches a running agent."""
    print(text, file=sys.stderr, flush=True)


def servers_with_url(servers: Sequence[ServerAddress]) -> List[ServerAddress]:
    """Return the servers that answer over TLS."""
    return [server for server in servers if server.url]
