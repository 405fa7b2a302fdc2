"""A server with a stolen certificate responds to a device in place of the console."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone
from tests.zac.support.certificates import Root
from zcc.runtime.components import BASE_DIR

EVIL = Root("Evil CA")
NOTES = """
from audit.models import Entry
print(list(Entry.objects.values_list("note", flat=True)))
"""


def get_response(path: str, root: str) -> tuple[int, dict[str, Any]]:
    """Respond to every call of a device as a console does, with a foreign root as current one."""
    if path == "/zac/v1/refresh":
        trust = {"current": EVIL.pem, "in_grace": [root], "pending": []}
        return 200, {"time": 0.0, "approved": True, "refresh_s": 99_999.0, "trust": trust}
    return 200, {}


@contextmanager
def stolen_server(
    host: Path, address: str, respond: Callable[[str], tuple[int, dict[str, Any]]]
) -> Iterator[str]:
    """Listen with the key and certificate of a satellite; yields the URL.

    `respond` returns status and message for a path.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, message = respond(self.path)
            data = json.dumps(message).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST  # noqa: N815 - the name in http.server

        def log_message(self, *_words: object) -> None:
            pass

    listener = http.server.ThreadingHTTPServer((address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(host / "security" / "current" / "server.pem")
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield f"https://{address}:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()


def redirect(device: Path, url: str) -> None:
    """Make every call of a device reach the stolen server, as a network attacker can."""
    identity = json.loads((device / "device.json").read_text())
    (device / "device.json").write_text(json.dumps({**identity, "url": url}))
    cache = json.loads((device / "servers.json").read_text())
    (device / "servers.json").write_text(json.dumps({**cache, "servers": []}))


def zac(device: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zac", "--home", str(device), *arguments]
    return subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=False)


def get_roots(device: Path) -> list[str]:
    status = json.loads(zac(device, "status", "--json").stdout)
    return list(status["trusted_sha256"])


@pytest.mark.long
def test_a_server_that_responds_for_the_console_feeds_no_root_to_a_device(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=1, satellites=1, primaries=1)
    satellite = zone.hosts("authentication-satellite")[0]
    device = zone.hosts("managed")[0]
    until((satellite.home / "security/current/server.pem").exists, "it is certified")
    until(lambda: "trust_list" in (device.home / "servers.json").read_text(), "it has the list")
    zone.take_down(f"{device.name}.agent")
    [root] = get_roots(device.home)
    pem = (device.home / "security" / "current" / "ca.pem").read_text()
    identity = (device.home / "device.json").read_text()
    respond = partial(get_response, root=pem)
    with stolen_server(satellite.home, satellite.address, respond) as url:
        redirect(device.home, url)
        refreshed = zac(device.home, "refresh")
        assert refreshed.returncode == 0, refreshed.stderr
        assert get_roots(device.home) == [root]
        cache = json.loads((device.home / "servers.json").read_text())
        assert cache["refresh_s"] < 99_999
    # The device reports the attempt at its next refresh with the console.
    (device.home / "device.json").write_text(identity)
    zone.bring_back(f"{device.name}.agent")
    until(lambda: "valid MAC" in zone.run(NOTES), "the audit log contains the attempt")
    assert get_roots(device.home) == [root]
