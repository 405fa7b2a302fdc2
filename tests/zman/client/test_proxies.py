"""The proxy of the environment, and redirects."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from faults import Invalid, Unavailable
from tests.support.http_server import serving
from zman.cli.exit_codes import Bug
from zman.cli.profiles import Connection
from zman.client import proxies
from zman.client.client import Console

URL, TOKEN = "https://console.invalid:8443", "token-of-the-test"


class Recorder(BaseHTTPRequestHandler):
    """Records each request. It rejects tunnels, and redirects everything else to `location`."""

    location = ""
    seen: list[tuple[str, str, dict[str, str]]] = []  # noqa: RUF012 - cleared for each test

    def do_CONNECT(self) -> None:
        self.seen.append((self.command, self.path, dict(self.headers)))
        self.send_error(502)

    def do_GET(self) -> None:
        self.seen.append((self.command, self.path, dict(self.headers)))
        self.send_response(307)
        self.send_header("Location", self.location)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr("zman.client.client.PAUSE_SECONDS", 0.0)
    Recorder.seen.clear()


@pytest.fixture
def address() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Recorder)) as server:
        yield f"127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("variable", "scheme"),
    [("HTTPS_PROXY", "http://"), ("ALL_PROXY", "http://"), ("https_proxy", "")],
)
def test_the_proxy_of_the_environment_opens_a_tunnel(address, monkeypatch, variable, scheme):
    monkeypatch.setenv(variable, f"{scheme}user:p%40ss@{address}")
    with Console(Connection(URL, None, TOKEN)) as api, pytest.raises(Unavailable) as caught:
        api.post("zone")
    (method, target, headers), *others = Recorder.seen
    assert (method, target, others) == ("CONNECT", "console.invalid:8443", [])
    login = base64.b64encode(b"user:p@ss").decode()
    assert headers["proxy-authorization"] == f"Basic {login}"
    assert TOKEN not in str(headers)
    assert "p%40ss" not in str(caught.value)


def test_a_host_in_no_proxy_is_called_directly(address, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    api = Console(Connection("https://127.0.0.1:1", None, TOKEN))
    with api, pytest.raises(Unavailable, match="refused"):
        api.post("zone")
    assert Recorder.seen == []


def test_a_proxy_that_cannot_be_used_is_reported_without_its_password(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")
    with pytest.raises(Invalid, match="not an HTTP proxy") as caught:
        proxies.open_pool(URL, ssl.create_default_context())
    assert "secret" not in str(caught.value)


def test_a_redirect_is_not_followed(address):
    """Else the token would be sent to the address that the redirect names."""
    Recorder.location = f"http://{address}/elsewhere"
    # zman accepts https only; the rule does not depend on it.
    api = Console(Connection(f"http://{address}", None, TOKEN))
    with api, pytest.raises(Bug, match="returned status 307"):
        api.get("zone")
    assert [path for _method, path, _headers in Recorder.seen] == ["/api/v1/zone"]


def test_query_values_are_encoded(address):
    Recorder.location = "/"
    with Console(Connection(f"http://{address}", None, TOKEN)) as api, pytest.raises(Bug):
        api.get("devices", q="a&b=c d", ids=["1", "2"], state="", role=None)
    assert Recorder.seen[0][1] == "/api/v1/devices?q=a%26b%3Dc+d&ids=1&ids=2"
