"""The network of an agent of the swarm: that of zac, and each call is measured.

The time of a call is that of its TLS handshake and of its request. What the agent does between the
two does not count.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from zac.host.clock import Clock
from zac.network.errors import CertificateRejected, Unreachable
from zac.network.tls import EXPIRED as EXPIRED_CODE
from zac.network.tls import Connection, Response, Transport

HANDSHAKE = "handshake"
CONTENT = "content"
# Results of a call: accepted; the agent rejected the certificate, because it has expired or for
# another reason; the server rejected the request; no server responded.
OK, EXPIRED, REFUSED, REJECTED, UNREACHABLE = "ok", "expired", "refused", "rejected", "unreachable"

# The contexts of all agents of a process. Those of the same roots are equal.
Contexts = dict[tuple[str, bool], ssl.SSLContext]


class Call(NamedTuple):
    """One call: when it began (monotonic clock), its kind, its duration in seconds, its result."""

    began: float
    kind: str
    seconds: float
    result: str


Record = Callable[[Call], None]


def get_kind(path: str) -> str:
    """Return the last part of a path, or `content`, whose last part is a digest."""
    parts = [part for part in path.split("/") if part]
    if CONTENT in parts:
        return CONTENT
    return parts[-1] if parts else CONTENT


def get_result(fault: CertificateRejected | Unreachable) -> str:
    """Return the result of a connection that was not established."""
    if isinstance(fault, CertificateRejected):
        return EXPIRED if fault.code == EXPIRED_CODE else REFUSED
    return UNREACHABLE


class MeasuredConnection(Connection):
    """An open connection that measures its request."""

    def __init__(self, opened: Connection, handshake_seconds: float, record: Record) -> None:
        # The handshake is done, so the constructor of the base class is not called again.
        vars(self).update(vars(opened))
        self._handshake_seconds = handshake_seconds
        self._record = record

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        began = time.monotonic()
        try:
            response = super().send(method, path, body, headers)
        except Unreachable:
            self._note(get_kind(path), began, UNREACHABLE)
            raise
        self._note(get_kind(path), began, _of_status(response.status))
        return response

    def download(
        self, path: str, begin: int, max_bytes: int, store: Callable[[int, bytes], None]
    ) -> int:
        began = time.monotonic()
        try:
            status = super().download(path, begin, max_bytes, store)
        except Unreachable:
            self._note(CONTENT, began, UNREACHABLE)
            raise
        self._note(CONTENT, began, _of_status(status))
        return status

    def _note(self, kind: str, began: float, result: str) -> None:
        seconds = self._handshake_seconds + time.monotonic() - began
        self._record(Call(began, kind, seconds, result))


class MeasuredTransport(Transport):
    """The transport of one agent. Its TLS contexts are shared, which saves 16 KB for each."""

    def __init__(self, clock: Clock, contexts: Contexts, record: Record) -> None:
        super().__init__(clock)
        self._contexts = contexts
        self._record = record

    def _open(
        self, url: str, context: ssl.SSLContext | None, roots: Sequence[str] = ()
    ) -> Connection:
        began = time.monotonic()
        try:
            opened = super()._open(url, context, roots)
        except (CertificateRejected, Unreachable) as fault:
            self._record(Call(began, HANDSHAKE, time.monotonic() - began, get_result(fault)))
            raise
        return MeasuredConnection(opened, time.monotonic() - began, self._record)


def _of_status(status: int) -> str:
    return OK if status < HTTPStatus.BAD_REQUEST else REJECTED
