"""An HTTP/1.0 client for one request per connection.

http.client imports the email package, which costs 1.7 MB of the 10 MB of an agent
(docs/performance.md). Responses to HTTP/1.0 are never chunked, and each connection of the agent
is used for one request only.

See: RFC 9112 6.1
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import Dict, Mapping, Optional

MAX_HEADER_BYTES = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_LINE = re.compile(r"[\x20-\x7e]*\Z")
_TARGET = re.compile(r"[\x21-\x7e]*\Z")


class InvalidResponse(ConnectionError):
    """The response is not HTTP or is incomplete, or the request cannot be sent as HTTP."""


class Exchange:
    """A connection, over TLS if `context` is given. All methods raise OSError."""

    def __init__(
        self, host: str, port: int, timeout: float, context: Optional[ssl.SSLContext] = None
    ) -> None:
        self.host = host
        self._name = "%s:%d" % ("[%s]" % host if ":" in host else host, port)
        self._socket = socket.create_connection((host, port), timeout)
        self.secured: Optional[ssl.SSLSocket] = None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                self.secured = context.wrap_socket(self._socket, server_hostname=host)
                self._socket = self.secured
            self._file = self._socket.makefile("rb")
        except BaseException:
            self._socket.close()
            raise
        self.headers: Dict[str, str] = {}
        self._left: Optional[int] = None

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> int:
        """Send the request and read the response headers; return the status."""
        sent = {"Host": self._name, **headers}
        if body:
            sent["Content-Length"] = str(len(body))
        lines = ["%s: %s" % item for item in sent.items()]
        if not _TARGET.match(target) or not all(map(_LINE.match, lines)):
            raise InvalidResponse("the request could not be sent")
        header_lines = ["%s %s HTTP/1.0" % (method, target or "/"), *lines, "", ""]
        self._socket.sendall("\r\n".join(header_lines).encode("ascii") + body)
        return self._read_headers()

    def read(self, max_bytes: int) -> bytes:
        """Return the next bytes of the response, b"" at its end."""
        data = self._file.read(max_bytes if self._left is None else min(max_bytes, self._left))
        if self._left is not None:
            if not data and self._left:
                raise InvalidResponse("the response was incomplete")
            self._left -= len(data)
        return data

    def read_all(self, max_bytes: int) -> bytes:
        """Return the whole response, but not more than `max_bytes`."""
        data = self.read(max_bytes)
        if self._left and len(data) < max_bytes:
            raise InvalidResponse("the response was incomplete")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def _read_headers(self) -> int:
        remaining = MAX_HEADER_BYTES
        first = line = self._file.readline(remaining)
        while line not in (b"\r\n", b"\n"):
            remaining -= len(line)
            if not line.endswith(b"\n") or remaining <= 0:
                raise InvalidResponse("the response headers are incomplete")
            line = self._file.readline(remaining)
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                self.headers.setdefault(name.lower(), value.strip())
        status = _STATUS.match(first)
        if status is None or "transfer-encoding" in self.headers:
            raise InvalidResponse("the response is not HTTP/1.0")
        length = self.headers.get("content-length")
        if length is not None:
            if not re.match(r"[0-9]{1,15}\Z", length):
                raise InvalidResponse("the response has an invalid content length")
            self._left = int(length)
        return int(status.group(1))
