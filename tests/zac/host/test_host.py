"""The environment of an agent: servers that do not respond are contacted last."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.zac.support.zone import ADDRESS, Zone
from wire.messages import PRIMARY, ServerAddress
from wire.records import replace
from zac.content import content
from zac.host.host import Host
from zac.network import calls
from zac.network.tls import Transport
from zac.updates import refresh


@pytest.fixture
def stopped() -> Iterator[int]:
    """The port of a process that is stopped: connections are accepted, and nothing is read."""
    with socket.create_server((ADDRESS, 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def agent(zone: Zone, device: Host) -> Host:
    """A device that waits for two seconds at most for each response."""
    refresh.refresh(device)
    device.transport = Transport(device.clock, timeout=2.0)
    return device


def test_a_server_that_does_not_respond_delays_one_call_in_a_minute(
    zone: Zone, agent: Host, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://{ADDRESS}:{stopped}"
    zone.others = [ServerAddress("ps-0", "ps-0", "", PRIMARY, url=url)]
    agent.home.save_device(replace(agent.home.device(), url=url))
    refresh.refresh(agent)
    assert agent.is_unreachable(url)
    assert calls.primaries(agent)[-1].url == url
    monkeypatch.setattr("zac.host.host.UNREACHABLE_SECONDS", -1.0)
    agent.record_unreachable(url)
    assert calls.primaries(agent)[0].url == url


def test_content_comes_from_a_server_that_responds(
    zone: Zone, agent: Host, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A content satellite does not wait for its parent again for each file."""
    parent = f"http://{ADDRESS}:{stopped}/content/"
    opened: list[str] = []
    unverified = agent.transport.unverified

    def record(url: str) -> object:
        opened.append(url)
        return unverified(url)

    monkeypatch.setattr(agent.transport, "unverified", record)
    for data in (b"one", b"two", b"three"):
        digest = zone.store("file", data).sha256
        assert content.fetch(agent, digest, len(data), [parent + digest]) == data
    assert len([url for url in opened if url.startswith(parent)]) == 1
