"""HTTP listener of a content server: content, recovery notices, and the Certificate Remint Tool.

All responses are public, and clients check them by digest or signature, so plain HTTP is allowed.
A TLS listener presents the current certificate, a preflight listener the new one.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import ssl
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote, urlsplit

from wire import http_range, json_codec
from zac.content import content, setup_page
from zac.host import clock
from zac.host.home import Home

MAX_CONNECTIONS = 128
CONNECTIONS_PER_ADDRESS = 32
TIMEOUT = 15.0
# TLS handshake and request head must be complete after this time; a response has this time, and
# the time that its size takes at the lowest rate.
HEAD_SECONDS = 5.0
RESPONSE_SECONDS = 15.0
MIN_BYTES_PER_SECOND = 4 << 10
CHUNK = 1 << 16
IPV4_MAPPED = bytes(10) + b"\xff\xff"
Certificate = Callable[[], str]


class Listener(http.server.ThreadingHTTPServer):
    """Listener at one address. `certificate` returns the path of the key and chain, for TLS.

    It is called for each connection, so a new certificate is used from the next handshake on.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: Tuple[str, int], home: Home, certificate: Optional[Certificate] = None
    ) -> None:
        self.home = home
        self.is_preflight = False
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
        """Start to respond, in a separate thread."""
        threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True).start()

    def stop(self) -> None:
        """Stop to respond and close the port."""
        self.shutdown()
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return False, which closes the connection, if too many are open. Never wait."""
        address = _get_network(str(client_address[0]))
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
            address = _get_network(str(client_address[0]))
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
        """Ignore errors of a connection; the client retries."""

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
    """GET and HEAD requests of a content server."""

    server_version = "zac"
    sys_version = ""
    server: Listener

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def log_message(self, *_args: object) -> None:
        """Log nothing, because there can be thousands of devices."""

    def _respond(self) -> None:
        path = unquote(urlsplit(self.path).path)
        home = self.server.home
        if self.server.is_preflight:
            self._send_bytes(b"{}" if path == "/trial" else None)
        elif path == "/contact":
            self._send_bytes(b"{}")
        elif path == "/recovery":
            self._send_bytes(json_codec.dump(home.recovery_notices()))
        elif path.startswith("/content/"):
            digest = path[len("/content/") :]
            self._send_file(home.path_to("content", digest) if content.is_digest(digest) else "")
        else:
            self._send_setup(path, home)

    def _send_setup(self, path: str, home: Home) -> None:
        parts = path.strip("/").split("/")
        if parts == ["zenworks-setup"]:
            page = setup_page.build_page(home.path_to("setup"), _setup_files(home))
            self._send_bytes(page, "text/html; charset=utf-8")
        elif parts[:1] == ["zenworks-setup"] and "/".join(parts[1:]) in _setup_files(home):
            self._send_file(home.path_to("setup", parts[1]))
        else:
            self._send_bytes(None)

    def _send_bytes(self, data: Optional[bytes], kind: str = "application/json") -> None:
        body = b"" if data is None else data
        self.server.allow(self.connection, len(body))
        self.send_response(404 if data is None else 200)
        self._send_headers({"Content-Type": kind, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_file(self, path: str) -> None:
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed just below
        except OSError:
            self._send_bytes(None)
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            span = http_range.parse_range(self.headers.get("Range", ""), size)
            if span is None:
                self.send_response(416)
                self._send_headers({"Content-Range": "bytes */%d" % size, "Content-Length": "0"})
                return
            begin, end = span
            self.server.allow(self.connection, end - begin)
            self.send_response(206 if "Range" in self.headers else 200)
            self._send_headers(_file_headers(begin, end, size))
            if self.command != "HEAD":
                file.seek(begin)
                self._copy(file.read, end - begin)

    def _copy(self, read: Callable[[int], bytes], remaining: int) -> None:
        while remaining > 0:
            data = read(min(CHUNK, remaining))
            if not data:
                return
            self.wfile.write(data)
            remaining -= len(data)

    def _send_headers(self, headers: Dict[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()


def _get_network(address: str) -> str:
    """Return an address as limits count it. One host can use a whole /64 network of IPv6."""
    if ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return (packed if packed.startswith(IPV4_MAPPED) else packed[:8]).hex()


def _file_headers(begin: int, end: int, size: int) -> Dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(end - begin),
        "Content-Range": http_range.content_range(begin, end, size),
        "Accept-Ranges": "bytes",
        "Content-Disposition": "attachment",
    }


def _setup_files(home: Home) -> List[str]:
    folder = home.path_to("setup")
    if not os.path.isdir(folder):
        return []
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))
