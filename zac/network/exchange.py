"""One HTTP request on one connection, as an agent makes it: HTTP/1.0, the answer to its end.

http.client reads an answer's header with the email package: 1.7 MB of an agent's 10
(docs/performance.md). HTTP/1.0 is never answered in chunks (RFC 9112, 6.1), and each of the
agent's connections carries one request anyway.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import Dict, Mapping, Optional

LONGEST_HEAD = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_LINE = re.compile(r"[\x20-\x7e]*\Z")
_TARGET = re.compile(r"[\x21-\x7e]*\Z")


class Broken(ConnectionError):
    """What came is no HTTP, or less than was announced; or no HTTP can be made of what to send."""


class Exchange:
    """A connection, with `context` over TLS; raises OSError, as everything here."""

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

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> int:
        """Send the request and read the head of the answer; returns the status."""
        told = {"Host": self._name, **headers}
        if body:
            told["Content-Length"] = str(len(body))
        lines = ["%s: %s" % item for item in told.items()]
        if not _TARGET.match(target) or not all(map(_LINE.match, lines)):
            raise Broken("the request cannot be written")
        head = ["%s %s HTTP/1.0" % (method, target or "/"), *lines, "", ""]
        self._socket.sendall("\r\n".join(head).encode("ascii") + body)
        return self._head()

    def read(self, most: int) -> bytes:
        """Return the next bytes of the answer, b"" at its end."""
        data = self._file.read(most if self._left is None else min(most, self._left))
        if self._left is not None:
            if not data and self._left:
                raise Broken("the answer broke off")
            self._left -= len(data)
        return data

    def whole(self, most: int) -> bytes:
        """Return the answer, or as much of it as is wanted at most."""
        data = self.read(most)
        if self._left and len(data) < most:
            raise Broken("the answer broke off")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def _head(self) -> int:
        room = LONGEST_HEAD
        first = line = self._file.readline(room)
        while line not in (b"\r\n", b"\n"):
            room -= len(line)
            if not line.endswith(b"\n") or room <= 0:
                raise Broken("the answer has no end of its head")
            line = self._file.readline(room)
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                self.headers.setdefault(name.lower(), value.strip())
        status = _STATUS.match(first)
        if status is None or "transfer-encoding" in self.headers:
            raise Broken("the answer is no HTTP/1.0")
        length = self.headers.get("content-length")
        if length is not None:
            if not re.match(r"[0-9]{1,15}\Z", length):
                raise Broken("the answer has a length that is none")
            self._left = int(length)
        return int(status.group(1))
