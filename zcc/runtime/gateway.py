"""The ASGI application of the web process: it reads each request before a thread runs Django.

Worker threads are few. A request body is read completely on the event loop, with a deadline, a
minimum rate and limits per client address, so that slow or broken connections never occupy a
thread. A body that is shorter than announced is rejected before a view runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Executor, ThreadPoolExecutor
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any

from asgiref.wsgi import WsgiToAsgiInstance
from django.conf import settings

from console.requests import proxies
from console.requests.networks import get_network
from console.requests.open_bodies import OpenBodies, OpenBody, TooManyBodies

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Larger than any upload that a view accepts (console.rest.api.UPLOAD_AT_MOST).
MAX_BODY_BYTES = 12 << 20
MAX_LENGTH_DIGITS = 18
# Without session cookie and Authorization header there is nothing large to send.
MAX_ANONYMOUS_BODY_BYTES = 1 << 20
SPOOL_BYTES = 64 << 10
# A body must arrive within this time, plus the time that its announced size takes at this rate.
BODY_SECONDS = 10.0
MIN_BYTES_PER_SECOND = 32 << 10
# Responses are sent in pieces of this size, each within this time.
PIECE_BYTES = 256 << 10
SEND_SECONDS = 30.0


class _Rejected(Exception):
    """The request is rejected before a view runs."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Disconnected(Exception):
    """The client closed the connection."""


class _FileWrapper:
    """The `wsgi.file_wrapper` of PEP 3333: it marks a file that the event loop sends."""

    def __init__(self, file: IO[bytes], block_size: int = PIECE_BYTES) -> None:
        self.file, self.block_size = file, block_size
        self.close = getattr(file, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self.block_size), b"")


class Gateway:
    """An ASGI application that runs a WSGI application in `threads` threads."""

    def __init__(self, application: Any, threads: int) -> None:
        self._application, self._threads = application, threads
        self._bodies = OpenBodies()
        self.active: set[tuple[str, int]] = set()
        """Addresses and ports of the clients whose requests are being served."""
        self._pool: Executor | None = None
        self._files: Executor | None = None

    def _executors(self) -> tuple[Executor, Executor]:
        # Threads do not survive a fork, so they are created in the worker process.
        if self._pool is None or self._files is None:
            self._pool = ThreadPoolExecutor(self._threads, "web")
            self._files = ThreadPoolExecutor(1, "files")
        return self._pool, self._files

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request. A client cannot cause an exception."""
        if scope["type"] != "http":
            return
        peer = _get_peer(scope)
        self.active.add(peer)
        try:
            with SpooledTemporaryFile(max_size=SPOOL_BYTES) as body:
                await self._read(scope, receive, body)
                await self._respond(scope, body, send)
        except _Rejected as error:
            await _send_text(send, error.status, error.text)
        except (_Disconnected, TimeoutError):
            log.debug("connection closed during a request")
        finally:
            self.active.discard(peer)

    async def _read(self, scope: Message, receive: Receive, body: IO[bytes]) -> None:
        """Read the whole body into a file and rewind it, or raise _Rejected."""
        length = _content_length(scope)
        limit = MAX_BODY_BYTES if _has_credentials(scope) else MAX_ANONYMOUS_BODY_BYTES
        if length is not None and length > limit:
            raise _Rejected(413, "The request body is too large. Nothing was changed.")
        if not length and _header(scope, b"transfer-encoding") is None:
            return
        address = get_network(_get_client_address(scope))
        seconds = BODY_SECONDS + (length or limit) / MIN_BYTES_PER_SECOND
        try:
            async with self._bodies.add(address, seconds) as entry:
                await _copy(receive, body, limit, entry)
        except TooManyBodies:
            text = "Too many requests from this address. Nothing was changed."
            raise _Rejected(429, text) from None
        except TimeoutError:
            raise _Rejected(408, "The request body did not arrive in time.") from None
        if length is not None and entry.size != length:
            raise _Rejected(400, "The request body is shorter than its Content-Length.")
        body.seek(0)

    async def _respond(self, scope: Message, body: IO[bytes], send: Send) -> None:
        pool, files = self._executors()
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(pool, self._run, scope, body)
        try:
            await send(response.start)
            if response.file is None:
                await send({"type": "http.response.body", "body": response.data})
                return
            async with asyncio.timeout(SEND_SECONDS) as deadline:
                while piece := await loop.run_in_executor(files, response.file.read, PIECE_BYTES):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    deadline.reschedule(loop.time() + SEND_SECONDS)
            await send({"type": "http.response.body", "body": b""})
        finally:
            if response.file is not None:
                await loop.run_in_executor(files, response.close)

    def _run(self, scope: Message, body: IO[bytes]) -> _Response:
        """Run the WSGI application in a thread and collect its response."""
        headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
        plain = {**scope, "headers": headers}
        bridge: Any = WsgiToAsgiInstance(self._application)  # type: ignore[no-untyped-call]  # no types
        bridge.scope = plain
        environ = bridge.build_environ(plain, body)
        environ["wsgi.file_wrapper"] = _FileWrapper
        response = _Response()
        result = self._application(environ, response.start_response)
        response.collect(result)
        return response


class _Response:
    """A response of the WSGI application: start message, and a body in memory or in a file."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.data = b""
        self.file: IO[bytes] | None = None
        self.close: Callable[[], None] = lambda: None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None
    ) -> None:
        """Keep status and headers; the event loop sends them."""
        self.start = {
            "type": "http.response.start",
            "status": int(status.split(" ", 1)[0]),
            "headers": [(n.lower().encode("latin1"), v.encode("latin1")) for n, v in headers],
        }

    def collect(self, result: Any) -> None:
        """Take over a file, or read all pieces, so that the thread is free for the next request."""
        if isinstance(result, _FileWrapper):
            self.file, self.close = result.file, result.close
            return
        try:
            pieces = iter(result)
            for piece in pieces:
                self.data += piece
                if len(self.data) > PIECE_BYTES:
                    self._spool(pieces)
        finally:
            getattr(result, "close", lambda: None)()

    def _spool(self, pieces: Iterator[bytes]) -> None:
        file = TemporaryFile()  # noqa: SIM115 - closed when it was sent
        file.write(self.data)
        file.writelines(pieces)
        file.seek(0)
        self.file, self.close = file, file.close


def _header(scope: Message, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _get_peer(scope: Message) -> tuple[str, int]:
    """Return the address and the port of the client as a socket does. Granian's port is a text."""
    host, port = scope.get("client") or ("", 0)
    return str(host), int(port)


def _get_client_address(scope: Message) -> str:
    forwarded = (_header(scope, b"x-forwarded-for") or b"").decode("latin1")
    return proxies.client_address(_get_peer(scope)[0], forwarded, settings.TRUSTED_PROXIES)


def _content_length(scope: Message) -> int | None:
    value = _header(scope, b"content-length")
    if value is None:
        return None
    if not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
        raise _Rejected(400, "The Content-Length is not a number.")
    return int(value)


def _has_credentials(scope: Message) -> bool:
    return any(_header(scope, name) is not None for name in (b"cookie", b"authorization"))


async def _copy(receive: Receive, body: IO[bytes], limit: int, entry: OpenBody) -> None:
    """Write the body into a file, and count its size in bytes."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Disconnected
        piece = message.get("body", b"")
        entry.size += len(piece)
        if entry.size > limit:
            raise _Rejected(413, "The request body is too large. Nothing was changed.")
        body.write(piece)
        if not message.get("more_body"):
            return


async def _send_text(send: Send, status: int, text: str) -> None:
    data = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(data)).encode()),
        (b"connection", b"close"),
    ]
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
