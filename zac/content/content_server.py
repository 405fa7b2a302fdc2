"""What a server's agent serves: content, notices for recovery, the remint tool, rehearsals.

Everything here is public and checked by digest or signature at the other end, so plain HTTP is
enough. TLS listeners show the certificate in force, or on the rehearsal port the future one.

Which listeners a server has open at the moment, brought in line after each pass.
"""

from __future__ import annotations

import html
import http.server
import os
import socket
import ssl
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import unquote, urlsplit

from wire import http_range, json_codec
from wire.messages import AUTHENTICATION_SATELLITE
from zac.content import content
from zac.host import state
from zac.host.home import Home
from zac.host.host import Host
from zac.updates import certificate as updates_certificate

MOST_CONNECTIONS = 64
TIMEOUT = 15.0
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
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Pages)

    def start(self) -> None:
        """Answer from now on, in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True).start()

    def stop(self) -> None:
        """Answer no more and free the port."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(timeout=TIMEOUT):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        plain: socket.socket = request
        plain.settimeout(TIMEOUT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._certificate is None:
            super().finish_request(plain, client_address)
            return
        with self._tls().wrap_socket(plain, server_side=True) as secured:
            super().finish_request(secured, client_address)

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


class Pages(http.server.BaseHTTPRequestHandler):
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
            self._bytes(json_codec.dump(home.recovery()))
        elif path.startswith("/content/"):
            digest = path[len("/content/") :]
            self._file(home.at("content", digest) if content.is_digest(digest) else "")
        else:
            self._setup(path, home)

    def _setup(self, path: str, home: Home) -> None:
        parts = path.strip("/").split("/")
        if parts == ["zenworks-setup"]:
            self._bytes(_listing(_offered(home)), "text/html; charset=utf-8")
        elif parts[:1] == ["zenworks-setup"] and "/".join(parts[1:]) in _offered(home):
            self._file(home.at("setup", parts[1]))
        else:
            self._bytes(None)

    def _bytes(self, data: Optional[bytes], kind: str = "application/json") -> None:
        body = b"" if data is None else data
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
            span = http_range.span(self.headers.get("Range", ""), size)
            if span is None:
                self.send_response(416)
                self._headers({"Content-Range": "bytes */%d" % size, "Content-Length": "0"})
                return
            begin, end = span
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
    folder = home.at("setup")
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
