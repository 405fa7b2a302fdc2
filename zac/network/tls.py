"""TLS as the agent needs it: nothing but the given roots is trusted, names are always checked.

One context per trust store and no session reuse, because a resumed session skips verification.
"Unreachable" and "certificate refused" are told apart everywhere: only the second means that
trust is wrong on one side.
"""

from __future__ import annotations

import contextlib
import ssl
from http import HTTPStatus
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from faults import Fault, Kind
from wire.values import Value
from zac.host.clock import Clock
from zac.network import peers
from zac.network.exchange import Exchange
from zac.network.peers import Peer

TIMEOUT = 10.0
MOST_BYTES = 8 << 20
PIECE = 1 << 14
# X509_V_FLAG_NO_CHECK_TIME: the dates are then judged here, with the corrected clock.
NO_CHECK_TIME = 0x200000
MOST_CONTEXTS = 16
NOT_YET_VALID, EXPIRED = 9, 10


class Unreachable(Fault):
    """No connection, or it broke: this says nothing about certificates."""

    kind = Kind.UNAVAILABLE
    action = "Check network, address and port, and that the server runs."


class Refused(Fault):
    """The server's certificate is not accepted with the roots this device trusts."""

    kind = Kind.UNAVAILABLE
    action = "Trust is wrong on one side. Run: zac recover, or the Certificate Remint Tool."

    def __init__(self, explanation: str, code: int = 0) -> None:
        super().__init__(explanation)
        self.code = code


class BadAddress(Unreachable):
    """The text is no address of a server."""

    kind = Kind.INVALID
    action = "Give an address of the form https://SERVER:PORT"


class Answer(Value):
    """An HTTP answer."""

    status: int
    body: bytes


class Line:
    """One open connection; it carries one request."""

    def __init__(self, exchange: Exchange, roots: Sequence[str], prefix: str) -> None:
        self._exchange = exchange
        self.peer = peers.peer_of(exchange.secured, roots) if exchange.secured else Peer()
        self._prefix = prefix.rstrip("/")

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Optional[Mapping[str, str]] = None
    ) -> Answer:
        """Send a request and read the answer; raises Unreachable."""
        sent = dict(headers or {})
        if body:
            sent["Content-Type"] = "application/json"
        with _network(self._exchange.host):
            status = self._exchange.ask(method, self._prefix + path, sent, body)
            data = self._exchange.whole(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise Unreachable("%s sent more than was asked for." % self._exchange.host)
        return Answer(status, data)

    def receive(self, path: str, begin: int, most: int, take: Callable[[int, bytes], None]) -> int:
        """Ask for a file from an offset on; hand each piece with its place to `take`.

        Returns the status. Who knows no ranges sends the whole file, whose pieces begin at 0.
        """
        headers = {"Range": "bytes=%d-" % begin} if begin else {}
        with _network(self._exchange.host):
            status = self._exchange.ask("GET", self._prefix + path, headers)
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return status
        at = begin if status == HTTPStatus.PARTIAL_CONTENT else 0
        told = self._exchange.headers.get("content-range", "")
        if at and not told.startswith("bytes %d-" % at):
            raise Unreachable("%s sent another part than was asked for." % self._exchange.host)
        while True:
            with _network(self._exchange.host):
                data = self._exchange.read(PIECE)
            if not data:
                return status
            if at + len(data) > most:
                raise Unreachable("%s sent more than was asked for." % self._exchange.host)
            take(at, data)
            at += len(data)

    def valid(self) -> List[Tuple[float, float]]:
        """Return from when to when each certificate that was shown is valid."""
        return peers.validities(self._exchange.secured) if self._exchange.secured else []

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()


class Transport:
    """Opens connections. `learn_time` is asked when only the local clock may be wrong."""

    def __init__(self, clock: Clock, timeout: float = TIMEOUT) -> None:
        self._clock = clock
        self._timeout = timeout
        self._contexts: Dict[Tuple[str, bool], ssl.SSLContext] = {}
        self.learn_time: Callable[[str, Sequence[str]], None] = lambda _url, _roots: None

    @contextlib.contextmanager
    def verified(self, url: str, roots: Sequence[str]) -> Iterator[Line]:
        """Open a connection whose certificate the roots verify; raises Unreachable, Refused.

        All roots together are tried first, then each alone: two roots of one name without key
        identifiers would otherwise hide each other.
        """
        with contextlib.closing(self._any_store(url, roots)) as line:
            yield line

    @contextlib.contextmanager
    def dateless(self, url: str, roots: Sequence[str]) -> Iterator[Line]:
        """Open a connection with chain and name verified but no dates: only to learn the time."""
        with contextlib.closing(self._open(url, self._context(roots, dateless=True))) as line:
            yield line

    @contextlib.contextmanager
    def unverified(self, url: str) -> Iterator[Line]:
        """Open a connection to whoever answers: for signed or digest-checked content only."""
        context = None
        if urlsplit(url).scheme == "https":
            context = _client_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with contextlib.closing(self._open(url, context)) as line:
            yield line

    def _any_store(self, url: str, roots: Sequence[str]) -> Line:
        stores: List[Sequence[str]] = [roots] if roots else []
        if len(roots) > 1:
            stores += [[root] for root in roots]
        first: Optional[Refused] = None
        for store in stores:
            try:
                return self._judged(url, store)
            except Refused as refused:
                first = first or refused
        raise first or Refused("This device trusts no certificate authority.")

    def _judged(self, url: str, roots: Sequence[str]) -> Line:
        if not self._clock.absurd:
            try:
                return self._open(url, self._context(roots), roots)
            except Refused as refused:
                if refused.code not in (NOT_YET_VALID, EXPIRED):
                    raise
                self.learn_time(url, roots)
                if not self._clock.absurd:
                    raise
        line = self._open(url, self._context(roots, dateless=True), roots)
        try:
            _judge_dates(line.valid(), self._clock.now())
        except Refused:
            line.close()
            raise
        return line

    def _context(self, roots: Sequence[str], *, dateless: bool = False) -> ssl.SSLContext:
        key = (peers.digest(roots), dateless)
        if key not in self._contexts:
            if len(self._contexts) > MOST_CONTEXTS:
                self._contexts.clear()
            context = _client_context()
            context.load_verify_locations(cadata="".join(roots))
            if dateless:
                context.verify_flags |= NO_CHECK_TIME
            self._contexts[key] = context
        return self._contexts[key]

    def _open(self, url: str, context: Optional[ssl.SSLContext], roots: Sequence[str] = ()) -> Line:
        parts = urlsplit(url)
        host, port = parts.hostname or "", _port(url)
        with _network(host):
            return Line(Exchange(host, port, self._timeout, context), roots, parts.path)


def host_of(url: str) -> str:
    """Return the host a URL names; raises BadAddress."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddress("This is no address of a server: %s" % url)
    return parts.hostname


def _port(url: str) -> int:
    host_of(url)
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise BadAddress("This is no address of a server: %s" % url) from error


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
    context.hostname_checks_common_name = False
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    return context


def _judge_dates(valid: Sequence[Tuple[float, float]], now: float) -> None:
    if not valid:
        raise Refused("The dates of the server's certificate cannot be judged.", EXPIRED)
    for begin, end in valid:
        if now < begin:
            raise Refused("The server's certificate is not yet valid.", NOT_YET_VALID)
        if now > end:
            raise Refused("The server's certificate has expired.", EXPIRED)


@contextlib.contextmanager
def _network(host: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        text = "%s: %s." % (host, error.verify_message)
        raise Refused(text, error.verify_code) from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            "%s does not answer: %s." % (host, str(error) or type(error).__name__)
        ) from error
