"""What a server's agent serves: content by digest, notices, the remint tool (R211, S-64)."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.zac.conftest import registered
from tests.zac.support.certificates import Root
from tests.zac.support.zone import ADDRESS, Zone
from wire import metadata, records
from wire.messages import CONTENT_SATELLITE
from wire.metadata import ActivationNotice, RecoveryNotices, sha256
from wire.update_messages import ReplicationRequest
from zac.content.listener import CONNECTIONS_PER_ADDRESS, Listener
from zac.host import files
from zac.host.home import Home
from zac.host.host import Host
from zac.updates import refresh

CONTENT = b"0123456789" * 100


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(str(tmp_path / "home"))
    files.make_folder(made.path_to("content"))
    files.make_folder(made.path_to("setup"))
    files.write(made.path_to("content", sha256(CONTENT)), CONTENT)
    files.write(made.path_to("setup", "tool.bin"), b"#!/bin/sh\n")
    files.write(made.path_to("device.json"), b"secret")
    return made


@pytest.fixture
def depot(home: Home) -> Iterator[Listener]:
    listener = Listener((ADDRESS, 0), home)
    listener.start()
    yield listener
    listener.stop()


def get(
    depot: Listener, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(ADDRESS, depot.server_port, timeout=5)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data, answer.headers


def test_content_is_found_by_its_digest(depot: Listener) -> None:
    status, data, _ = get(depot, "/content/" + sha256(CONTENT))
    assert (status, data) == (200, CONTENT)


def test_head_tells_the_size_only(depot: Listener) -> None:
    status, data, headers = get(depot, "/content/" + sha256(CONTENT), "HEAD")
    assert (status, data, headers["Content-Length"]) == (200, b"", "1000")


@pytest.mark.parametrize(
    ("span", "status", "wanted"),
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=990-", 206, CONTENT[990:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=995-2000", 206, CONTENT[995:]),
        ("bytes=1000-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=9-0", 416, b""),
    ],
)
def test_a_part_can_be_asked_for(depot: Listener, span: str, status: int, wanted: bytes) -> None:
    """RFC 9110, 14.1.2 and 15.5.17."""
    found, data, _ = get(depot, "/content/" + sha256(CONTENT), Range=span)
    assert (found, data) == (status, wanted)


@pytest.mark.parametrize(
    "path",
    [
        "/content/../device.json",
        "/content/..%2fdevice.json",
        "/content/" + "0" * 64,
        "/content/",
        "/device.json",
        "/zenworks-setup/../device.json",
        "/zenworks-setup/..%2fdevice.json",
        "/zenworks-setup/nothing",
        "/zac/v1/register",
        "//",
        "/%00",
    ],
)
def test_nothing_else_can_be_reached(depot: Listener, path: str) -> None:
    status, data, _ = get(depot, path)
    assert status == 404
    assert b"secret" not in data


@pytest.mark.manual("R211")
def test_the_remint_tool_is_listed_and_downloaded(depot: Listener) -> None:
    """R211."""
    status, data, _ = get(depot, "/zenworks-setup")
    assert status == 200
    assert b'href="/zenworks-setup/tool.bin"' in data
    assert get(depot, "/zenworks-setup/tool.bin")[1] == b"#!/bin/sh\n"


def test_the_page_of_downloads_shows_digests_and_where_to_compare_them(
    depot: Listener, home: Home
) -> None:
    digest = sha256(b"#!/bin/sh\n")
    files.write(home.path_to("setup", "tool.bin.sha256"), f"{digest}  tool.bin\n".encode())
    files.write(home.path_to("setup", "tool.bin.sig"), b"{}")
    files.write(home.path_to("setup", "a&b.pyz"), b"")
    files.write(home.path_to("setup", "a&b.pyz.sha256"), b"<script>")
    _, data, headers = get(depot, "/zenworks-setup")
    page = data.decode()
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in page
    assert f"<code>{digest}</code>" in page
    assert "HTTP does not protect this page." in page
    assert page.count("<h2>") == 2, "signatures and checksums are no downloads of their own"
    assert 'href="/zenworks-setup/tool.bin.sig"' in page
    assert "a&amp;b.pyz" in page
    assert "<script>" not in page
    assert "SHA-256: <em>not available</em>" in page


def test_a_file_with_two_names_is_listed_once(depot: Listener, home: Home) -> None:
    digest = sha256(b"#!/bin/sh\n")
    for name in ("tool.bin", "tool-1.bin"):
        files.write(home.path_to("setup", name), b"#!/bin/sh\n")
        files.write(home.path_to("setup", f"{name}.sha256"), f"{digest}  {name}\n".encode())
    files.write(home.path_to("setup", "tool-2.bin"), b"another")
    page = get(depot, "/zenworks-setup")[1].decode()
    assert page.count("<h2>") == 2
    assert 'href="/zenworks-setup/tool.bin"' in page
    assert 'href="/zenworks-setup/tool-2.bin"' in page
    assert "<code>sudo sh FILE</code>" in page


def test_a_server_without_files_says_so(depot: Listener, home: Home) -> None:
    Path(home.path_to("setup", "tool.bin")).unlink()
    assert b"This server has no files to download yet." in get(depot, "/zenworks-setup")[1]


def test_slow_connections_of_one_address_do_not_close_the_port(
    depot: Listener, monkeypatch
) -> None:
    monkeypatch.setattr("zac.content.listener.HEAD_SECONDS", 0.5)
    slow = [socket.create_connection((ADDRESS, depot.server_port)) for _ in range(70)]
    for line in slow[:40]:
        line.sendall(b"GET /recovery HTTP/1.1\r\n")
    source = (str(ipaddress.ip_address(ADDRESS) + 1), 0)
    other = socket.create_connection((ADDRESS, depot.server_port), 5, source_address=source)
    other.sendall(b"GET /contact HTTP/1.0\r\n\r\n")
    assert other.recv(12) == b"HTTP/1.0 200"
    other.close()
    # The first ones are closed at their deadline, however often they send a line.
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            slow[0].sendall(b"X: y\r\n")
        except OSError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("The connection was not closed at its deadline.")
    assert get(depot, "/contact")[0] == 200
    for line in slow:
        line.close()


@pytest.mark.parametrize(
    ("addresses", "accepted"),
    [
        ("2001:db8:1:2::%x", CONNECTIONS_PER_ADDRESS),
        ("fe80::%x%%eth0", CONNECTIONS_PER_ADDRESS),
        ("::ffff:192.0.2.%d", CONNECTIONS_PER_ADDRESS + 1),
        ("192.0.2.%d", CONNECTIONS_PER_ADDRESS + 1),
    ],
)
def test_all_addresses_of_an_ipv6_network_share_one_limit(
    depot: Listener, addresses: str, accepted: int
) -> None:
    clients = [(addresses % number, 1, 0, 0) for number in range(1, CONNECTIONS_PER_ADDRESS + 2)]
    assert [depot.verify_request(None, one) for one in clients].count(True) == accepted
    assert depot.verify_request(None, ("2001:db8:1:3::1", 1, 0, 0)), "another network"


def test_there_are_no_notices_before_an_activation(depot: Listener) -> None:
    assert get(depot, "/recovery")[1] == b'{"notices":[],"zone":""}'


def test_a_rehearsal_shows_nothing_but_the_trial(home: Home, tmp_path: Path) -> None:
    root = Root()
    path = tmp_path / "future.pem"
    path.write_text(root.server(ADDRESS))
    listener = Listener((ADDRESS, 0), home, lambda: str(path))
    listener.is_preflight = True
    listener.start()
    try:
        context = ssl.create_default_context(cadata=root.pem)
        answers = []
        for wanted in ("/trial", "/content/" + sha256(CONTENT)):
            connection = http.client.HTTPSConnection(
                ADDRESS, listener.server_port, timeout=5, context=context
            )
            connection.request("GET", wanted)
            answers.append(connection.getresponse().status)
            connection.close()
        assert answers == [200, 404]
    finally:
        listener.stop()


def test_a_content_server_copies_and_reports_what_it_holds(
    zone: Zone, new_host: Callable[..., Host]
) -> None:
    host = registered(zone, new_host("c1"), name="c1", role=CONTENT_SATELLITE, content_port=1)
    file = zone.store("x", CONTENT)
    order = ReplicationRequest("update-1", file.sha256, file.size, [])
    zone.offer = records.replace(zone.offer, replicate=[order])
    refresh.refresh(host)
    assert zone.refreshes[-1].stored_content == [file.sha256]
    assert len(zone.refreshes) == 2
    refresh.refresh(host)
    assert len(zone.refreshes) == 3
    zone.offer = records.replace(zone.offer, replicate=[], withdraw=[file.sha256])
    refresh.refresh(host)
    assert zone.refreshes[-1].stored_content == []


def test_a_copy_that_is_not_intact_is_not_kept(zone: Zone, new_host: Callable[..., Host]) -> None:
    host = registered(zone, new_host("c1"), name="c1", role=CONTENT_SATELLITE, content_port=1)
    file = zone.store("x", CONTENT)
    zone.content[file.sha256] = CONTENT[:-1]
    order = ReplicationRequest("update-1", file.sha256, file.size, [])
    zone.offer = records.replace(zone.offer, replicate=[order])
    refresh.refresh(host)
    assert zone.refreshes[-1].stored_content == []


def test_a_server_keeps_notices_for_those_who_are_lost(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    envelope = zone.offer.updates[0]
    zone.offer = records.replace(zone.offer, updates=[])
    notice = ActivationNotice(made.id, zone.id, 1, made.root_sha256, envelope)
    signed = zone.notify(notice)
    refresh.refresh(device)
    refresh.refresh(device)
    assert device.home.recovery_notices() == RecoveryNotices(zone.id, [signed])
    assert signed.payload_type == metadata.ACTIVATION_NOTICE
