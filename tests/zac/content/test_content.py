"""Content in parts: resumed by Range, from the next server, checked by digest, at a pace (D-34)."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.zac.conftest import registered
from tests.zac.support.zone import ADDRESS, Zone
from wire import records
from wire.messages import CONTENT_SATELLITE
from wire.metadata import sha256
from wire.update_messages import ReplicationRequest
from zac.content import content, replication
from zac.content.listener import Listener
from zac.host import files
from zac.host.home import Home
from zac.host.host import Host
from zac.updates import refresh

DATA = bytes(range(256)) * 400
DIGEST = sha256(DATA)


class Source:
    """A content server that breaks off, lies, or keeps count of what it is asked for."""

    def __init__(self, data: bytes, *, breaks_at: int = 0, ranges: bool = True) -> None:
        self.asked: list[str] = []
        source = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                source.asked.append(wanted)
                begin = int(wanted[6:-1]) if wanted and ranges else 0
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(data) - begin))
                if begin:
                    told = f"bytes {begin}-{len(data) - 1}/{len(data)}"
                    self.send_header("Content-Range", told)
                self.end_headers()
                self.wfile.write(data[begin : breaks_at or None])

            def log_message(self, *_words: object) -> None:
                pass

        self.server = HTTPServer((ADDRESS, 0), Pages)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://{ADDRESS}:{self.server.server_port}/content/{DIGEST}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def source() -> Iterator[Callable[..., Source]]:
    made: list[Source] = []

    def make(data: bytes = DATA, **how: object) -> Source:
        made.append(Source(data, **how))  # type: ignore[arg-type]  # as the test says
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def host(zone: Zone, device: Host) -> Host:
    zone.content.clear()
    return device


def fetch(host: Host, *sources: Source, **more: object) -> bytes:
    return content.fetch(host, DIGEST, len(DATA), [one.url for one in sources], **more)  # type: ignore[arg-type]  # as above


def test_a_broken_download_goes_on_at_the_next_server_behind_what_has_come(
    host: Host, source: Callable[..., Source]
) -> None:
    first, second = source(breaks_at=50_000), source()
    assert fetch(host, first, second) == DATA
    assert first.asked == [""]
    assert second.asked == ["bytes=50000-"]
    assert files.list_names(host.home.path_to("parts")) == []


def test_it_goes_on_in_the_next_pass_too(host: Host, source: Callable[..., Source]) -> None:
    first = source(breaks_at=60_000)
    with pytest.raises(content.ContentMissing):
        fetch(host, first)
    assert content.received_bytes(host, DIGEST) == 60_000
    whole = source()
    assert fetch(Host(host.home), whole) == DATA
    assert whole.asked == ["bytes=60000-"]


def test_a_part_that_proves_wrong_is_fetched_anew(
    host: Host, source: Callable[..., Source]
) -> None:
    liar, honest = source(b"x" * len(DATA), breaks_at=50_000), source()
    assert fetch(host, liar, honest) == DATA
    assert honest.asked == ["bytes=50000-", ""]


def test_what_has_another_digest_is_never_used(host: Host, source: Callable[..., Source]) -> None:
    liar, honest = source(b"y" * len(DATA)), source()
    assert fetch(host, liar, honest) == DATA
    with pytest.raises(content.ContentMissing):
        fetch(host, liar)
    assert content.received_bytes(host, DIGEST) == 0, "nothing of it is kept"


def test_a_server_that_sends_too_much_content_is_not_used(
    host: Host, source: Callable[..., Source]
) -> None:
    assert fetch(host, source(DATA + b"more"), source()) == DATA


def test_a_server_without_ranges_is_fine(host: Host, source: Callable[..., Source]) -> None:
    assert fetch(host, source(breaks_at=50_000), source(ranges=False)) == DATA


def test_the_depot_itself_answers_with_the_rest(host: Host, tmp_path: Path) -> None:
    there = Home(str(tmp_path / "server"))
    files.make_folder(there.path_to("content"))
    files.write(there.path_to("content", DIGEST), DATA)
    listener = Listener((ADDRESS, 0), there)
    listener.start()
    files.make_folder(host.home.path_to("parts"))
    files.write(host.home.path_to("parts", DIGEST), DATA[:70_000])
    url = f"http://{ADDRESS}:{listener.server_port}/content/{DIGEST}"
    try:
        assert content.fetch(host, DIGEST, len(DATA), [url]) == DATA
        connection = http.client.HTTPConnection(ADDRESS, listener.server_port, timeout=5)
        connection.request("GET", f"/content/{DIGEST}", headers={"Range": "bytes=70000-"})
        assert connection.getresponse().headers["Content-Range"] == "bytes 70000-102399/102400"
        connection.close()
    finally:
        listener.stop()


class Clock:
    """Time that passes by resting alone."""

    def __init__(self) -> None:
        self.now, self.rests = 0.0, 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rests += 1


def test_the_bandwidth_limit_is_kept(host: Host, source: Callable[..., Source]) -> None:
    clock = Clock()
    limit = content.RateLimit(10_240, clock=clock, sleep=clock.sleep)
    assert fetch(host, source(), limit=limit) == DATA
    assert clock.now == pytest.approx(len(DATA) / 10_240)
    assert clock.rests > 3, "spread over the download, not at its end"


def test_a_slow_download_pauses_and_goes_on_later(
    host: Host, source: Callable[..., Source]
) -> None:
    clock = Clock()
    limit = content.RateLimit(10_240, 5, clock=clock, sleep=clock.sleep)
    with pytest.raises(content.DownloadPaused):
        fetch(host, source(), limit=limit)
    assert 0 < content.received_bytes(host, DIGEST) < len(DATA)
    assert fetch(host, source()) == DATA


def test_a_content_server_reports_how_far_it_is_and_what_is_wrong(
    zone: Zone, new_host: Callable[..., Host], source: Callable[..., Source]
) -> None:
    host = registered(zone, new_host("c1"), name="c1", role=CONTENT_SATELLITE, content_port=1)
    zone.content.clear()
    order = ReplicationRequest("update-1", DIGEST, len(DATA), [source(breaks_at=40_000).url])
    zone.offer = records.replace(zone.offer, replicate=[order])
    refresh.refresh(host)
    (copy,) = zone.refreshes[-1].replicas
    assert (copy.sha256, copy.received) == (DIGEST, 40_000)
    assert "is not available on any content server" in copy.error
    whole = records.replace(order, sources=[source().url])
    zone.offer = records.replace(zone.offer, replicate=[whole])
    refresh.refresh(host)
    assert zone.refreshes[-1].stored_content == [DIGEST]
    assert zone.refreshes[-1].replicas == []


def test_parts_that_nobody_wants_any_more_are_dropped(
    zone: Zone, new_host: Callable[..., Host], source: Callable[..., Source]
) -> None:
    host = registered(zone, new_host("c1"), name="c1", role=CONTENT_SATELLITE, content_port=1)
    order = ReplicationRequest("update-1", DIGEST, len(DATA), [source(breaks_at=40_000).url])
    replication.replicate(host, [order], [])
    assert content.received_bytes(host, DIGEST) == 40_000
    replication.replicate(host, [], [])
    assert content.received_bytes(host, DIGEST) == 0
