"""A server of the tests' zone: real TLS with a certificate that can be swapped."""

from __future__ import annotations

import http.server
import ssl
import threading
from pathlib import Path
from typing import Any, Protocol

from tests.zac.support.certificates import Root
from wire import json_codec, messages
from wire.authentication import RESPONSE_MAC
from wire.messages import ServerAddress
from zac.trust import pem

ADDRESS = "127.0.0.1"


class Answering(Protocol):
    """The console's side, as far as a listener needs it."""

    root: Root

    def answer(
        self, server: Any, method: str, path: str, body: bytes, headers: Any
    ) -> tuple[int, Any]: ...


class Server:
    """One server of the zone: a TLS listener whose certificate can be swapped."""

    def __init__(
        self, zone: Answering, folder: Path, name: str, role: str = messages.PRIMARY
    ) -> None:
        self.zone, self.name, self.role = zone, name, role
        self.path = folder / f"{name}.pem"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.show(zone.root.server(ADDRESS))
        self.listener = http.server.ThreadingHTTPServer((ADDRESS, 0), _handler(self))
        self.listener.daemon_threads = True
        self.plain = http.server.ThreadingHTTPServer((ADDRESS, 0), _handler(self))
        self.plain.daemon_threads = True
        self.listener.get_request = self._accept  # type: ignore[method-assign]  # TLS in the thread would be nicer
        self.url = f"https://{ADDRESS}:{self.listener.server_port}"
        self.content_url = f"http://{ADDRESS}:{self.plain.server_port}"
        for listener in (self.listener, self.plain):
            threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()

    def _accept(self) -> Any:
        sock, peer = self.listener.socket.accept()
        sock.settimeout(5)
        try:
            return self.context.wrap_socket(sock, server_side=True), peer
        except OSError:
            sock.close()
            raise

    def show(self, server_pem: str) -> None:
        """Serve this key and chain from the next handshake on."""
        self.path.write_text(server_pem)
        self.context.load_cert_chain(self.path)
        self.certificate = pem.fingerprint(server_pem)

    @property
    def der(self) -> bytes:
        """The certificate that is served, as DER."""
        return pem.der(self.path.read_text())

    def close(self) -> None:
        for listener in (self.listener, self.plain):
            listener.shutdown()
            listener.server_close()

    def address(self) -> ServerAddress:
        return ServerAddress(
            id=f"id-{self.name}",
            name=self.name,
            fqdn="",
            role=self.role,
            url=self.url,
            content_url=self.content_url,
        )


def _no_mac(*_request: object) -> str:
    return ""


def _handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            status, thing = server.zone.answer(server, self.command, self.path, body, self.headers)
            data = (
                thing
                if isinstance(thing, bytes)
                else b""
                if thing is None
                else json_codec.dump(thing)
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            mac = getattr(server.zone, "sign_response", _no_mac)(self.headers, status, data)
            if mac:
                self.send_header(RESPONSE_MAC, mac)
            if status == 429:
                self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_words: object) -> None:
            pass

    return Handler
