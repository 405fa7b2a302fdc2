"""The agent dies at any file-system call of an update: it is never mixed, and goes on (F-20, F-21).

Every call is counted; the process dies before it, after it, or in the middle of a write. A new
process then finds a whole generation and a readable state, and brings the update to its end.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.zac.conftest import registered
from tests.zac.support.certificates import Root
from tests.zac.support.crash import MOMENTS, Died, DyingOs, calls_of
from tests.zac.support.zone import Zone
from wire import records
from wire.messages import CONTENT_SATELLITE
from wire.metadata import sha256
from wire.update_messages import ReplicationRequest
from zac.cli import commands
from zac.content import content
from zac.host import files
from zac.host.home import Home
from zac.host.host import Host
from zac.trust import pem, store
from zac.updates import refresh, state_machine

CONTENT = b"what devices fetch " * 300


def deaths(
    begun: Path, folder: Path, points: int, every: int = 1
) -> Iterator[tuple[Host, DyingOs]]:
    """Yield for each place to die at a fresh copy of a home and the os of a dying process."""
    for number, at in enumerate(range(1, points + 1, every)):
        # Dense runs try all three moments at each call, sparse ones take them in turn.
        for moment in MOMENTS if every == 1 else MOMENTS[number % 3 : number % 3 + 1]:
            there = folder / f"{at}-{moment}"
            shutil.copytree(begun, there, symlinks=True)
            yield Host(Home(str(there))), DyingOs(at, moment)
            shutil.rmtree(there)


def dies(act: Callable[[], object], dying: DyingOs, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", dying)
        with pytest.raises(Died):
            act()


def test_killed_anywhere_in_the_activation_the_old_or_the_new_root_is_in_force(
    zone: Zone, device: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future).id
    refresh.refresh(device)
    begun = Path(device.home.path)
    zone.shift = 7200
    device.clock.learn(zone.now())

    def swap(host: Host) -> None:
        state_machine.advance(host, update, offline=True)

    counted = tmp_path / "counted"
    shutil.copytree(begun, counted, symlinks=True)
    points = calls_of(lambda: swap(Host(Home(str(counted)))), monkeypatch)
    assert points > 60
    seen = set()
    for host, dying in deaths(begun, tmp_path / "died", points):
        dies(lambda host=host: swap(host), dying, monkeypatch)  # type: ignore[misc]
        after = Host(Home(host.home.path))
        current = pem.fingerprint(after.trust_store.current().trust.current)
        assert current in (zone.root.sha256, future.sha256)
        seen.add(current)
        assert set(store.digests(after.trust_store.current().trust)) == {
            zone.root.sha256,
            future.sha256,
        }, "both roots stay trusted, whichever is the current one"
        swap(after)
        assert pem.fingerprint(after.trust_store.current().trust.current) == future.sha256
        assert after.state.load().updates[update].step == "activated"
    assert len(seen) == 2


def test_killed_anywhere_from_the_offer_on_the_update_is_applied_in_the_end(
    zone: Zone, device: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 60).id
    begun = Path(device.home.path)
    counted = tmp_path / "counted"
    shutil.copytree(begun, counted, symlinks=True)
    secret = device.device.secret
    counters = {member: known.counter for member, known in zone.members.items()}

    def again(host: Host) -> None:
        # Each copy of the home begins where the first one began.
        for member, counter in counters.items():
            zone.members[member].counter = counter
        refresh.refresh(host)

    points = calls_of(lambda: again(Host(Home(str(counted)))), monkeypatch)
    assert points > 300
    for host, dying in deaths(begun, tmp_path / "died", points, every=9):
        dies(lambda host=host: again(host), dying, monkeypatch)  # type: ignore[misc]
        after = Host(Home(host.home.path))
        after.trust_store.current()
        assert after.device.secret == secret
        refresh.refresh(after)
        state_machine.retry(after, update)
        refresh.refresh(after)
        assert pem.fingerprint(after.trust_store.current().trust.current) == future.sha256
        assert after.state.load().updates[update].step == "confirmed"
        assert after.state.load().reports == []


def test_killed_anywhere_in_a_registration_a_device_is_registered_whole_or_not_at_all(
    zone: Zone, new_host: Callable[..., Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Path(new_host("begun").home.path)
    counted = tmp_path / "counted"
    shutil.copytree(begun, counted)
    points = calls_of(lambda: registered(zone, Host(Home(str(counted)))), monkeypatch)
    assert points > 40
    for host, dying in deaths(begun, tmp_path / "died", points, every=2):
        dies(lambda host=host: registered(zone, host), dying, monkeypatch)  # type: ignore[misc]
        after = Host(Home(host.home.path))
        if after.home.device_or_none() is None:
            registered(zone, after)
        refresh.refresh(after)
        assert store.digests(after.trust_store.current().trust) == [zone.root.sha256]


def test_killed_anywhere_a_depot_holds_content_whole_or_not_at_all(
    zone: Zone, new_host: Callable[..., Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = registered(zone, new_host("c1"), name="c1", role=CONTENT_SATELLITE, content_port=1)
    file = zone.store("x", CONTENT)
    order = ReplicationRequest("update-1", file.sha256, file.size, [])
    zone.offer = records.replace(zone.offer, replicate=[order])
    begun = Path(host.home.path)

    def copy(one: Host) -> None:
        answer = records.replace(zone.offer, servers=zone.addresses())
        refresh.replicate_content(one, answer)

    counted = tmp_path / "counted"
    shutil.copytree(begun, counted, symlinks=True)
    points = calls_of(lambda: copy(Host(Home(str(counted)))), monkeypatch)
    assert points > 8
    for one, dying in deaths(begun, tmp_path / "died", points):
        dies(lambda one=one: copy(one), dying, monkeypatch)  # type: ignore[misc]
        after = Host(Home(one.home.path))
        for digest in content.list_stored(after):
            assert sha256(Path(after.home.path_to("content", digest)).read_bytes()) == digest
        copy(after)
        assert content.list_stored(after) == [file.sha256]


def test_a_command_after_any_death_says_how_the_device_stands(
    zone: Zone, device: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.update(Root("Zone CA 2"))
    begun = Path(device.home.path)
    counted = tmp_path / "counted"
    shutil.copytree(begun, counted, symlinks=True)
    counters = {member: known.counter for member, known in zone.members.items()}
    points = calls_of(lambda: refresh.refresh(Host(Home(str(counted)))), monkeypatch)
    for host, dying in deaths(begun, tmp_path / "died", points, every=29):
        for member, counter in counters.items():
            zone.members[member].counter = counter
        dies(lambda host=host: refresh.refresh(host), dying, monkeypatch)  # type: ignore[misc]
        assert commands.main(["--home", host.home.path, "status", "--json"]) == 0
        assert commands.main(["--home", host.home.path, "refresh"]) == 0
