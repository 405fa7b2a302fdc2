"""The gateway reads each request completely before a worker thread runs the application."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

from console.requests import open_bodies
from zcc.runtime import gateway
from zcc.runtime.gateway import Gateway

HEADERS = [(b"host", b"zcc.example")]


def scope(length: int | str | None = None, *more: tuple[bytes, bytes]) -> dict[str, Any]:
    headers = [*HEADERS, *more]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/zac/v1/hello",
        "raw_path": b"/zac/v1/hello",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.9", 5000),
        "server": ("127.0.0.11", 8443),
    }


def body(*pieces: bytes, end: str = "http.request") -> list[dict[str, Any]]:
    found = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    return [*found, {"type": end, "body": b"", "more_body": False}]


class Client:
    """One request to a gateway: the messages it sends, and what it receives."""

    def __init__(self, messages: list[dict[str, Any]], *, stalls: bool = False) -> None:
        self.messages, self.stalls = messages, stalls
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> Any:
        if not self.messages and self.stalls:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    @property
    def status(self) -> int | None:
        return int(self.sent[0]["status"]) if self.sent else None

    @property
    def data(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


class Echo:
    """A WSGI application that returns what it was sent, and counts its calls."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any] | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self._answer = answer or (lambda environ: [environ["wsgi.input"].read()])

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.calls.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self._answer(environ)


def run(echo: Echo, request: dict[str, Any], client: Client) -> Client:
    wait_for(Gateway(echo, 2)(request, client.receive, client.send))
    return client


def wait_for(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a call in a thread of its own: browser tests leave a running loop in this one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, call).result()


def test_the_application_sees_the_whole_body():
    echo = Echo()
    client = run(echo, scope(6), Client(body(b"abc", b"def")))
    assert (client.status, client.data) == (200, b"abcdef")
    assert echo.calls[0]["REMOTE_ADDR"] == "127.0.0.9"
    assert echo.calls[0]["PATH_INFO"] == "/zac/v1/hello"


@pytest.mark.parametrize(("length", "pieces"), [(10, [b"abc"]), (10, []), (2, [b"abc"])])
def test_a_body_of_another_length_is_400_and_reaches_no_view(length, pieces):
    echo = Echo()
    assert run(echo, scope(length), Client(body(*pieces))).status == 400
    assert echo.calls == []


def test_a_body_that_stalls_is_408_and_reaches_no_view(monkeypatch):
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.05)
    echo = Echo()
    assert run(echo, scope(10), Client(body(b"abc")[:1], stalls=True)).status == 408
    assert echo.calls == []


def test_a_connection_that_closes_in_a_body_reaches_no_view():
    echo = Echo()
    client = run(echo, scope(10), Client(body(b"abc", end="http.disconnect")))
    assert (client.sent, echo.calls) == ([], [])


@pytest.mark.parametrize("length", ["-1", "x", "1,2", "9" * 5000])
def test_a_length_that_is_no_number_is_400(length):
    assert run(Echo(), scope(length), Client(body(b"a"))).status == 400


def test_a_large_body_is_413_by_its_header_and_by_its_size():
    over = gateway.MAX_ANONYMOUS_BODY_BYTES + 1
    assert run(Echo(), scope(over), Client([])).status == 413
    chunked = scope(None, (b"transfer-encoding", b"chunked"))
    assert run(Echo(), chunked, Client(body(b"x" * over))).status == 413


def test_an_upload_of_a_user_may_be_larger():
    over = gateway.MAX_ANONYMOUS_BODY_BYTES + 1
    client = run(Echo(), scope(over, (b"cookie", b"a=b")), Client(body(b"x" * over)))
    assert (client.status, len(client.data)) == (200, over)


def test_clients_of_a_trusted_proxy_have_limits_of_their_own(monkeypatch, settings):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.9/32")]
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(open_bodies, "BODIES_PER_ADDRESS", 1)

    async def send() -> int | None:
        app = Gateway(Echo(), 1)
        stalled, other = Client([], stalls=True), Client(body(b"abc"))
        request = scope(9, (b"x-forwarded-for", b"192.0.2.1"))
        task = asyncio.create_task(app(request, stalled.receive, stalled.send))
        await asyncio.sleep(0.05)
        request = scope(3, (b"x-forwarded-for", b"192.0.2.2"))
        await app(request, other.receive, other.send)
        await task
        return other.status

    assert wait_for(send()) == 200


def test_a_request_is_active_until_its_response_was_sent():
    seen: list[Any] = []

    def respond(*given: Any) -> Any:
        seen.append(set(app.active))
        return echo(*given)

    echo, app = Echo(), Gateway(respond, 1)
    client = Client(body(b"abc"))
    request = {**scope(3), "client": ("127.0.0.9", "5000")}
    wait_for(app(request, client.receive, client.send))
    assert seen == [{("127.0.0.9", 5000)}]
    assert app.active == set()


def test_a_header_with_an_underscore_does_not_reach_the_application():
    echo = Echo()
    run(echo, scope(None, (b"x_forwarded_for", b"1.2.3.4")), Client([]))
    assert "HTTP_X_FORWARDED_FOR" not in echo.calls[0]


def test_a_file_and_a_long_stream_arrive_whole():
    long = b"x" * (2 * gateway.PIECE_BYTES + 5)
    closed: list[bool] = []

    class File(BytesIO):
        def close(self) -> None:
            closed.append(True)
            super().close()

    as_file = Echo(lambda environ: environ["wsgi.file_wrapper"](File(long)))
    assert run(as_file, scope(), Client([])).data == long
    assert closed
    stream = Echo(lambda _: (long[at : at + 1000] for at in range(0, len(long), 1000)))
    assert run(stream, scope(), Client([])).data == long
