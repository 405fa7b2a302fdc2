"""What a server's agent serves: content, notices for recovery, the remint tool, rehearsals.

Everything here is public and checked by digest or signature at the other end, so plain HTTP is
enough. TLS listeners show the certificate in force, or on the rehearsal port the future one.

Which listeners a server has open at the moment, brought in line after each pass.
"""

from __future__ import annotations

import contextlib
import html
import http.server
import os
import socket
import ssl
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote, urlsplit

from wire import http_range, json_codec
from wire.messages import AUTHENTICATION_SATELLITE
from zac.content import content
from zac.host import clock, state
from zac.host.home import Home
from zac.host.host import Host
from zac.updates import server_certificate as updates_certificate

MAX_CONNECTIONS = 128
CONNECTIONS_PER_ADDRESS = 32
TIMEOUT = 15.0
# TLS handshake and request head must be complete after this time; a response has this time, and
# the time that its size takes at the lowest rate.
HEAD_SECONDS = 5.0
RESPONSE_SECONDS = 15.0
MIN_BYTES_PER_SECOND = 4 << 10
CHUNK = 1 << 16
Certificate = Callable[[], str]


class Listener(http.server.ThreadingHTTPServer):
    """One address that answers; `certificate` names the key-and-chain file for TLS, if any.

    The file is looked up at each connection, so that a swap shows at the next handshake.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: Tuple[str, int], home: Home, certificate: Optional[Certificate] = None
    ) -> None:
        self.home = home
        self.trial = False
        self._certificate = certificate
        self._context: Optional[ssl.SSLContext] = None
        self._loaded = ""
        self._lock = threading.Lock()
        self._deadlines: Dict[socket.socket, float] = {}
        self._connections: Dict[str, int] = {}
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, RequestHandler)

    def start(self) -> None:
        """Answer from now on, in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True).start()

    def stop(self) -> None:
        """Answer no more and free the port."""
        self.shutdown()
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return False, which closes the connection, if too many are open. Never wait."""
        address = str(client_address[0])
        with self._lock:
            total, own = sum(self._connections.values()), self._connections.get(address, 0)
            if total >= MAX_CONNECTIONS or own >= CONNECTIONS_PER_ADDRESS:
                return False
            self._connections[address] = own + 1
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            address = str(client_address[0])
            with self._lock:
                self._connections[address] -= 1
                if not self._connections[address]:
                    del self._connections[address]

    def finish_request(self, request: Any, client_address: Any) -> None:
        plain: socket.socket = request
        plain.settimeout(TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._certificate is None:
            with self._limited(plain):
                super().finish_request(plain, client_address)
            return
        secured = self._tls().wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with secured, self._limited(secured):
            secured.do_handshake()
            super().finish_request(secured, client_address)

    @contextlib.contextmanager
    def _limited(self, connection: socket.socket) -> Iterator[None]:
        """Close a connection at its deadline; `allow` extends it once the head was read."""
        self._set_deadline(connection, HEAD_SECONDS)
        try:
            yield
        finally:
            with self._lock:
                self._deadlines.pop(connection, None)

    def allow(self, connection: socket.socket, size: int) -> None:
        """Give a connection the time to receive a response of `size` bytes."""
        self._set_deadline(connection, RESPONSE_SECONDS + size / MIN_BYTES_PER_SECOND)

    def _set_deadline(self, connection: socket.socket, seconds: float) -> None:
        with self._lock:
            self._deadlines[connection] = clock.running_time() + seconds

    def service_actions(self) -> None:
        """Close each connection whose deadline has passed (called between two connections)."""
        now = clock.running_time()
        with self._lock:
            expired = [one for one, deadline in self._deadlines.items() if deadline < now]
        for connection in expired:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a broken connection is the other side's affair."""

    def _tls(self) -> ssl.SSLContext:
        path = self._certificate() if self._certificate else ""
        with self._lock:
            if self._context is None or path != self._loaded:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.options |= ssl.OP_NO_TICKET
                context.num_tickets = 0
                context.load_cert_chain(path)
                self._context, self._loaded = context, path
            return self._context


class RequestHandler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of the few things a depot has."""

    server_version = "zac"
    sys_version = ""
    server: Listener

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_words: object) -> None:
        """Write no log: there may be thousands of devices."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        home = self.server.home
        if self.server.trial:
            self._bytes(b"{}" if path == "/trial" else None)
        elif path == "/contact":
            self._bytes(b"{}")
        elif path == "/recovery":
            self._bytes(json_codec.dump(home.recovery_notices()))
        elif path.startswith("/content/"):
            digest = path[len("/content/") :]
            self._file(home.path_to("content", digest) if content.is_digest(digest) else "")
        else:
            self._setup(path, home)

    def _setup(self, path: str, home: Home) -> None:
        parts = path.strip("/").split("/")
        if parts == ["zenworks-setup"]:
            self._bytes(_listing(_offered(home)), "text/html; charset=utf-8")
        elif parts[:1] == ["zenworks-setup"] and "/".join(parts[1:]) in _offered(home):
            self._file(home.path_to("setup", parts[1]))
        else:
            self._bytes(None)

    def _bytes(self, data: Optional[bytes], kind: str = "application/json") -> None:
        body = b"" if data is None else data
        self.server.allow(self.connection, len(body))
        self.send_response(404 if data is None else 200)
        self._headers({"Content-Type": kind, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, path: str) -> None:
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed just below
        except OSError:
            self._bytes(None)
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            span = http_range.parse_range(self.headers.get("Range", ""), size)
            if span is None:
                self.send_response(416)
                self._headers({"Content-Range": "bytes */%d" % size, "Content-Length": "0"})
                return
            begin, end = span
            self.server.allow(self.connection, end - begin)
            self.send_response(206 if "Range" in self.headers else 200)
            self._headers(_file_headers(begin, end, size))
            if self.command != "HEAD":
                file.seek(begin)
                self._copy(file.read, end - begin)

    def _copy(self, read: Callable[[int], bytes], left: int) -> None:
        while left > 0:
            data = read(min(CHUNK, left))
            if not data:
                return
            self.wfile.write(data)
            left -= len(data)

    def _headers(self, headers: Dict[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()


def _file_headers(begin: int, end: int, size: int) -> Dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(end - begin),
        "Content-Range": http_range.content_range(begin, end, size),
        "Accept-Ranges": "bytes",
        "Content-Disposition": "attachment",
    }


def _offered(home: Home) -> List[str]:
    folder = home.path_to("setup")
    if not os.path.isdir(folder):
        return []
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _listing(names: List[str]) -> bytes:
    rows = "".join(
        '<li><a href="/zenworks-setup/%s">%s</a></li>' % ((html.escape(name),) * 2)
        for name in names
    )
    page = "<!doctype html><title>zenworks-setup</title><h1>zenworks-setup</h1><ul>%s</ul>"
    return (page % rows).encode()


Key = Tuple[str, str, int]
Wanted = Dict[Key, Optional[Callable[[], str]]]


class ContentServer:
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
            self._host.log("Cannot listen on %s:%d: %s" % (address, port, error))
            return
        listener.trial = kind.startswith("trial")
        listener.start()
        self._open[key] = listener

    def _wanted(self) -> Wanted:
        host, device = self._host, self._host.device
        wanted: Wanted = {}
        if host.serves_content and device.content_port:
            wanted.update({("content", one, device.content_port): None for one in _addresses(host)})
        serves = os.path.exists(host.trust_store.server_certificate_path())
        if device.role == AUTHENTICATION_SATELLITE and device.port and serves:
            current = host.trust_store.server_certificate_path
            wanted.update({("tls", one, device.port): current for one in _addresses(host)})
        wanted.update(self._trial())
        return wanted

    def _trial(self) -> Wanted:
        host, port = self._host, self._host.device.preflight_port
        for record in host.state.load().updates.values():
            ready = record.step in (state.CERTIFIED, state.ARMED)
            path = updates_certificate.new_certificate_path(host, record.id)
            if ready and port and record.manifest().preflight and os.path.exists(path):
                kind = "trial-%s-%d" % (record.id, os.stat(path).st_mtime_ns)
                return {(kind, one, port): _always(path) for one in _addresses(host)}
        return {}


def _addresses(host: Host) -> List[str]:
    return host.device.addresses or ["0.0.0.0"]  # noqa: S104 - a server answers everywhere


def _always(path: str) -> Callable[[], str]:
    return lambda: path
