"""The agent as a service: its loop, its activation thread, its patience (B-10; F-23)."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.zone import ADDRESS, Zone
from wire import metadata, records
from wire.messages import Problem, Trust
from wire.metadata import ActivationNotice
from zac import pauses, wakeup
from zac.host import files
from zac.host.host import Host
from zac.host.logs import LogLine
from zac.service import ActivationThread, Service
from zac.trust import pem
from zac.trust.store import with_trust
from zac.updates import activation, refresh


@pytest.fixture
def running(device: Host) -> Iterator[Service]:
    """Return a service that has not begun its loop, so that a test can make its passes."""
    made = Service(device)
    yield made
    made.close()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def step(host: Host) -> str:
    return host.state.load().updates["update-1"].step


def test_the_activation_does_not_wait_for_the_network(zone: Zone, device: Host) -> None:
    """Measured before: inside the network loop, a console that hangs delays the activation."""
    refresh.refresh(device)
    poked = threading.Event()
    activator = ActivationThread(device, poked.set)
    device.activator = activator.notify
    zone.update(Root("Zone CA 2"), activate_at=int(zone.now()) + 1)
    refresh.refresh(device)
    assert step(device) == "armed"
    for server in zone.servers:
        server.close()
    zone.servers = []
    activator.start()
    wait_until(lambda: step(device) == "activated")
    assert device.clock.now() < zone.now() + 5
    assert poked.wait(20)


def test_a_generation_is_not_tidied_away_while_it_is_built(
    zone: Zone, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario found it: the network loop removed the folder that the activation was filling."""
    device.activator = lambda: None
    future = Root("Zone CA 2")
    zone.update(future, activate_at=int(zone.now()) - 1)
    refresh.refresh(device)
    tidying = threading.Thread(target=activation.delete_unused, args=(device,))
    write = files.write

    def written(path: str, *rest: Any, **options: Any) -> None:
        write(path, *rest, **options)
        if "/security/gen-" in path and not tidying.ident:
            tidying.start()
            tidying.join(0.5)

    monkeypatch.setattr(files, "write", written)
    ActivationThread(device, lambda: None).check()
    assert tidying.ident
    tidying.join(10)
    assert step(device) == "activated"
    assert pem.fingerprint(device.trust_store.current().trust.current) == future.sha256


def test_who_reads_the_trust_store_while_it_moves_on_reads_the_new_one(
    device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = device.trust_store.current()
    new = with_trust(old, records.replace(old.trust, pending=[Root("Zone CA 2").pem]))
    read = files.read

    def late(path: str) -> Any:
        monkeypatch.setattr(files, "read", read)
        assert device.trust_store.activate(new)
        device.trust_store.delete_except([])
        return read(path)

    monkeypatch.setattr(files, "read", late)
    assert device.trust_store.current() == new


def test_a_full_disk_does_not_end_the_agent(
    running: Service, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_host: Host, **_: bool) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(refresh, "refresh", full)
    lines: list[LogLine] = []
    device.write_log = lines.append
    running.refresh()
    text = "HostUnavailable: [Errno 28] No space left on device"
    assert lines == [LogLine("WARNING", text)]


@pytest.mark.manual("R041")
def test_it_does_not_activate_before_its_time(zone: Zone, device: Host) -> None:
    device.activator = lambda: None
    zone.update(Root("Zone CA 2"), activate_at=int(zone.now()) + 3600)
    refresh.refresh(device)
    activator = ActivationThread(device, lambda: None)
    activator.check()
    assert step(device) == "armed"
    record = device.state.load().updates["update-1"]
    early = records.replace(record.manifest(), activate_at=0)
    zone.offer = records.replace(
        zone.offer,
        updates=[zone.sign(metadata.MANIFEST, records.replace(early, revision=2))],
    )
    refresh.refresh(device)
    activator.check()
    assert step(device) == "activated"


def test_after_two_passes_without_a_server_that_verifies_it_recovers(
    zone: Zone, device: Host, running: Service
) -> None:
    future = Root("Zone CA 2")
    made = zone.update(future, activate_at=int(zone.now()) - 60)
    notice = ActivationNotice(made.id, zone.id, 1, future.sha256, zone.offer.updates[0])
    zone.recovery = [zone.sign(metadata.ACTIVATION_NOTICE, notice)]
    zone.trust = Trust(future.pem)
    zone.servers[0].show(future.server(ADDRESS))
    running.refresh()
    assert pem.fingerprint(device.trust_store.current().trust.current) == zone.root.sha256
    running.refresh()
    assert pem.fingerprint(device.trust_store.current().trust.current) == future.sha256
    assert zone.words()[-1] == "activated"


def test_an_unreachable_zone_is_no_reason_to_recover(
    zone: Zone, device: Host, running: Service
) -> None:
    for server in zone.servers:
        server.close()
    zone.servers = []
    heard = len(zone.heard)
    for _ in range(3):
        running.refresh()
    assert len(zone.heard) == heard


@pytest.mark.parametrize(
    ("interval", "failures", "most"),
    [(2.0, 1, 2.0), (2.0, 4, 16.0), (10.0, 9, 30.0), (43200.0, 1, 60.0), (43200.0, 9, 480.0)],
)
def test_it_tries_again_sooner_than_it_would_refresh(
    interval: float, failures: int, most: float
) -> None:
    assert pauses.retry_pause(interval, failures) == most


def test_the_next_refresh_is_not_before_the_time_that_a_busy_server_names(
    zone: Zone, running: Service
) -> None:
    zone.refresh_s = 1.0
    running.refresh()
    assert running._pause() < 7
    zone.lies["/zac/v1/refresh"] = 429, Problem("Too many requests", 429)
    running.refresh()
    assert running._pause() >= 7
    zone.lies.clear()
    running.refresh()
    assert running._pause() < 7


def test_a_message_wakes_it(running: Service, device: Host) -> None:
    assert wakeup.wake(device.home.path)
    assert running.wakeup.wait(5) == wakeup.REFRESH
    wakeup.wake(device.home.path, wakeup.CHECK)
    assert running.wakeup.wait(5) == wakeup.CHECK
    wakeup.wake(device.home.path, wakeup.CHECK)
    wakeup.wake(device.home.path, b"anything")
    assert running.wakeup.wait(5) == wakeup.REFRESH
    assert running.wakeup.wait(0) is None


def test_nobody_is_woken_where_nobody_runs(device: Host) -> None:
    assert not wakeup.wake(device.home.path)
    assert not wakeup.wake(device.home.path_to("nothing"))


def test_a_server_waiting_for_the_go_asks_more_often_near_the_time(
    zone: Zone, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.update(Root("Zone CA 2"), activate_at=int(zone.now()) + 600)
    refresh.refresh(device)
    monkeypatch.setattr(activation, "activation_due_at", lambda _host, _record: None)
    assert pauses.poll_interval(device) == pytest.approx(60, abs=1)
    zone.shift = 590
    device.clock.learn(zone.now())
    assert pauses.poll_interval(device) == pytest.approx(1, abs=0.1)
    zone.shift = 3600
    device.clock.learn(zone.now())
    assert pauses.poll_interval(device) == pytest.approx(60, abs=1)


def test_a_deep_home_can_be_woken_too(tmp_path: Path) -> None:
    """A socket's path holds 108 bytes at most."""
    home = tmp_path / ("deep" * 30)
    home.mkdir()
    door = wakeup.WakeupSocket(str(home))
    try:
        assert wakeup.wake(str(home))
        assert door.wait(5) == wakeup.REFRESH
        short = (home / "wake.path").read_text()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.sendto(b"refresh", short)
        assert door.wait(5) == wakeup.REFRESH
    finally:
        door.close()
    assert list(home.iterdir()) == []


def test_the_agent_keeps_no_module_in_memory_that_it_can_do_without() -> None:
    """Each of these is 0.4 to 1.7 MB, of the 10 that an agent may take."""
    heavy = {"argparse", "dataclasses", "datetime", "email", "http.client", "inspect", "pki"}
    asked = "import sys, zac.service; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert "zac.service" in done.stdout.split()
    assert not heavy & set(done.stdout.split())
