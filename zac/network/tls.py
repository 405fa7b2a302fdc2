"""TLS connections of the agent: only the given roots are trusted, and names are always checked.

Each trust store has its own context, and sessions are not reused, because a resumed session skips
verification.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from http import HTTPStatus
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from wire.authentication import RESPONSE_MAC
from wire.records import Record
from zac.host.clock import Clock
from zac.network import peers
from zac.network.errors import (
    BadAddress,
    CertificateRejected,
    CertificateRevoked,
    ServerBusy,
    Unreachable,
)
from zac.network.exchange import Exchange
from zac.network.peers import Peer

TIMEOUT = 10.0
MAX_RESPONSE_BYTES = 8 << 20
CHUNK_BYTES = 1 << 14
# X509_V_FLAG_NO_CHECK_TIME: this module then checks the dates with the corrected clock.
NO_CHECK_TIME = 0x200000
MAX_CONTEXTS = 16
NOT_YET_VALID, EXPIRED = 9, 10
# Status codes of a server that cannot process the call at the moment.
BUSY = (429, 500, 502, 503, 504)
MAX_RETRY_AFTER_SECONDS = 600


class Response(Record):
    """An HTTP response. `is_verified`: whether the TLS connection was verified.

    `retry_after` is the value of Retry-After in seconds, 0 without one. `mac` is the MAC of the
    response, and `is_authentic` whether the console made it for this request.
    """

    status: int
    body: bytes
    is_verified: bool = True
    retry_after: int = 0
    mac: str = ""
    is_authentic: bool = False


def busy(name: str, response: Response) -> ServerBusy:
    """Return the fault for a response with a status of BUSY."""
    text = "%s is busy (HTTP status %d)." % (name, response.status)
    return ServerBusy(text, retry_after=response.retry_after)


def _parse_retry_after(text: str) -> int:
    """Return the seconds of a Retry-After header within the limit, 0 if there are none."""
    return min(int(text), MAX_RETRY_AFTER_SECONDS) if re.match(r"[0-9]{1,9}\Z", text) else 0


class Connection:
    """An open connection for one request."""

    def __init__(self, exchange: Exchange, roots: Sequence[str], prefix: str) -> None:
        self._exchange = exchange
        self.peer = peers.get_peer(exchange.secured, roots) if exchange.secured else Peer()
        self._prefix = prefix.rstrip("/")

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Optional[Mapping[str, str]] = None
    ) -> Response:
        """Send a request and return the response; raises Unreachable."""
        sent = dict(headers or {})
        if body:
            sent["Content-Type"] = "application/json"
        with _network(self._exchange.host):
            status = self._exchange.request(method, self._prefix + path, sent, body)
            data = self._exchange.read_all(MAX_RESPONSE_BYTES + 1)
        if len(data) > MAX_RESPONSE_BYTES:
            raise Unreachable("%s sent more data than requested." % self._exchange.host)
        retry_after = _parse_retry_after(self._exchange.headers.get("retry-after", ""))
        mac = self._exchange.headers.get(RESPONSE_MAC.lower(), "")
        return Response(status, data, retry_after=retry_after, mac=mac)

    def download(
        self, path: str, begin: int, max_bytes: int, store: Callable[[int, bytes], None]
    ) -> int:
        """Download a file from an offset, and call `store` with each chunk and its offset.

        Returns the status. Servers without range support send the whole file, from offset 0.
        """
        headers = {"Range": "bytes=%d-" % begin} if begin else {}
        with _network(self._exchange.host):
            status = self._exchange.request("GET", self._prefix + path, headers)
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return status
        offset = begin if status == HTTPStatus.PARTIAL_CONTENT else 0
        content_range = self._exchange.headers.get("content-range", "")
        if offset and not content_range.startswith("bytes %d-" % offset):
            raise Unreachable("%s sent a different range than requested." % self._exchange.host)
        while True:
            with _network(self._exchange.host):
                data = self._exchange.read(CHUNK_BYTES)
            if not data:
                return status
            if offset + len(data) > max_bytes:
                raise Unreachable("%s sent more data than requested." % self._exchange.host)
            store(offset, data)
            offset += len(data)

    def validity_periods(self) -> List[Tuple[float, float]]:
        """Return the validity (begin, end) of each certificate of the server, in seconds."""
        return peers.validity_periods(self._exchange.secured) if self._exchange.secured else []

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()


class Transport:
    """Opens connections. `learn_time` is called when the local clock might be wrong.

    `is_revoked` is called with the verified certificate (DER) of each server, before a request.
    """

    def __init__(self, clock: Clock, timeout: float = TIMEOUT) -> None:
        self._clock = clock
        self._timeout = timeout
        self._contexts: Dict[Tuple[str, bool], ssl.SSLContext] = {}
        self.learn_time: Callable[[str, Sequence[str]], None] = lambda _url, _roots: None
        self.is_revoked: Callable[[bytes], bool] = lambda _certificate: False

    @contextlib.contextmanager
    def verified(self, url: str, roots: Sequence[str]) -> Iterator[Connection]:
        """Open a verified connection; raises Unreachable, CertificateRejected.

        All roots are tried together, then each one separately, because two roots with the same
        name and no key identifiers hide each other.
        """
        with contextlib.closing(self._open_verified(url, roots)) as connection:
            yield connection

    @contextlib.contextmanager
    def dateless(self, url: str, roots: Sequence[str]) -> Iterator[Connection]:
        """Open a connection that verifies chain and name but not the dates, to learn the time."""
        with contextlib.closing(self._open(url, self._context(roots, dateless=True))) as connection:
            yield connection

    @contextlib.contextmanager
    def unverified(self, url: str) -> Iterator[Connection]:
        """Open an unverified connection, for signed documents and content with a digest only."""
        context = None
        if urlsplit(url).scheme == "https":
            context = _client_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with contextlib.closing(self._open(url, context)) as connection:
            yield connection

    def _open_verified(self, url: str, roots: Sequence[str]) -> Connection:
        stores: List[Sequence[str]] = [roots] if roots else []
        if len(roots) > 1:
            stores += [[root] for root in roots]
        first: Optional[CertificateRejected] = None
        for subset in stores:
            try:
                return self._open_with_dates_checked(url, subset)
            except CertificateRejected as fault:
                first = first or fault
        raise first or CertificateRejected("This device does not trust any certificate authority.")

    def _open_with_dates_checked(self, url: str, roots: Sequence[str]) -> Connection:
        if not self._clock.is_unusable:
            try:
                return self._open(url, self._context(roots), roots)
            except CertificateRejected as fault:
                if fault.code not in (NOT_YET_VALID, EXPIRED):
                    raise
                self.learn_time(url, roots)
                if not self._clock.is_unusable:
                    raise
        connection = self._open(url, self._context(roots, dateless=True), roots)
        try:
            try:
                _check_dates(connection.validity_periods(), self._clock.now())
            except CertificateRejected:
                self.learn_time(url, roots)  # it may be from a server with a wrong clock
                _check_dates(connection.validity_periods(), self._clock.now())
        except CertificateRejected:
            connection.close()
            raise
        return connection

    def _context(self, roots: Sequence[str], *, dateless: bool = False) -> ssl.SSLContext:
        key = (peers.trust_store_id(roots), dateless)
        if key not in self._contexts:
            if len(self._contexts) > MAX_CONTEXTS:
                self._contexts.clear()
            context = _client_context()
            context.load_verify_locations(cadata="".join(roots))
            if dateless:
                context.verify_flags |= NO_CHECK_TIME
            self._contexts[key] = context
        return self._contexts[key]

    def _open(
        self, url: str, context: Optional[ssl.SSLContext], roots: Sequence[str] = ()
    ) -> Connection:
        parts = urlsplit(url)
        host, port = parts.hostname or "", _port(url)
        with _network(host):
            exchange = Exchange(host, port, self._timeout, context)
        certificate = peers.get_verified_certificate(exchange.secured)
        if certificate and self.is_revoked(certificate):
            exchange.close()
            raise CertificateRevoked("%s: The certificate of this server is revoked." % host)
        return Connection(exchange, roots, parts.path)


def host_of(url: str) -> str:
    """Return the host name of a URL; raises BadAddress."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddress("Invalid server address: %s" % url)
    return parts.hostname


def _port(url: str) -> int:
    host_of(url)
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise BadAddress("Invalid server address: %s" % url) from error


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
    context.hostname_checks_common_name = False
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    return context


def _check_dates(periods: Sequence[Tuple[float, float]], now: float) -> None:
    if not periods:
        raise CertificateRejected(
            ("The validity dates of the server's certificate cannot be checked."), EXPIRED
        )
    for begin, end in periods:
        if now < begin:
            raise CertificateRejected("The server's certificate is not yet valid.", NOT_YET_VALID)
        if now > end:
            raise CertificateRejected("The server's certificate has expired.", EXPIRED)


@contextlib.contextmanager
def _network(host: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        text = "%s: %s." % (host, error.verify_message)
        raise CertificateRejected(text, error.verify_code) from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            "%s is not responding: %s." % (host, str(error) or type(error).__name__)
        ) from error
