"""Roots of the zone in the trust store of the system: only if zone and device want it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.zone import Zone, read_lines
from tests.zac.system_trust.conftest import FakeStore
from wire.messages import Trust
from wire.records import replace
from zac.cli import commands
from zac.host import files
from zac.host.host import Host
from zac.system_trust import stores, synchronization
from zac.updates import refresh


@pytest.fixture
def switch(zone: Zone, device: Host) -> Callable[[bool], None]:
    """Return a function that sets the setting of the zone, and refreshes the device."""

    def to(wanted: bool) -> None:
        zone.listed = {"system_trust": wanted}
        refresh.refresh(device)
        synchronization.synchronize(device)

    return to


def allow(device: Host) -> None:
    files.write(device.home.path_to(synchronization.OPT_IN), b"")


def get_state(device: Host) -> str:
    report = synchronization.load(device.home)
    return report.state if report else ""


def name(device: Host, root: Root) -> str:
    return stores.get_file_name(device.device.zone, root.sha256)


def test_nothing_is_installed_unless_the_zone_wants_it(
    device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(False)
    assert fake_store.list_names() == []
    assert (get_state(device), fake_store.count_runs()) == ("", 0)


def test_nothing_is_installed_unless_the_device_allows_it(
    zone: Zone, device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    switch(True)
    assert fake_store.list_names() == []
    assert (get_state(device), fake_store.count_runs()) == ("not-allowed", 0)
    refresh.refresh(device)
    reported = zone.refreshes[-1].host_report
    assert reported is not None
    assert reported.system_trust is not None
    assert reported.system_trust.state == "not-allowed"


def test_roots_follow_the_trust_list(
    zone: Zone, device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(True)
    assert fake_store.list_names() == [name(device, zone.root)]
    assert (fake_store.folder / name(device, zone.root)).read_text() == zone.root.pem
    future = Root("Zone CA 2")
    zone.trust = Trust(zone.root.pem, pending=[future.pem])
    switch(True)
    assert fake_store.list_names() == sorted([name(device, zone.root), name(device, future)])
    zone.trust = Trust(future.pem)
    switch(True)
    refresh.refresh(device)
    synchronization.synchronize(device)
    assert fake_store.list_names() == [name(device, future)]
    assert get_state(device) == "installed"


def test_the_command_runs_only_if_something_has_changed(
    device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(True)
    switch(True)
    assert fake_store.count_runs() == 1


def test_roots_are_removed_when_the_setting_is_turned_off(
    zone: Zone, device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(True)
    switch(False)
    assert fake_store.list_names() == []
    assert (get_state(device), fake_store.count_runs()) == ("removed", 2)


def test_roots_are_removed_when_the_device_no_longer_allows_it(
    device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(True)
    Path(device.home.path_to(synchronization.OPT_IN)).unlink()
    synchronization.synchronize(device)
    assert fake_store.list_names() == []
    assert get_state(device) == "not-allowed"


def test_a_root_that_no_trust_list_contains_is_not_installed(
    zone: Zone, device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    """The roots of a console of the previous version come from responses that are not signed."""
    allow(device)
    switch(True)
    generation = device.trust_store.current()
    trust = replace(generation.trust, pending=[Root("Foreign CA").pem])
    device.trust_store.activate(replace(generation, trust=trust))
    synchronization.synchronize(device)
    assert fake_store.list_names() == [name(device, zone.root)]


def test_an_unsigned_setting_has_no_effect(zone: Zone, device: Host, fake_store: FakeStore) -> None:
    allow(device)
    zone.signs_trust_lists = False
    zone.listed = {"system_trust": True}
    refresh.refresh(device)
    synchronization.synchronize(device)
    assert fake_store.list_names() == []


def test_a_failure_is_reported_and_tried_again(
    device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    fake_store.set_exit_code(1)
    switch(True)
    report = synchronization.load(device.home)
    assert report is not None
    assert report.state == "failed"
    assert "disk full" in report.detail
    fake_store.set_exit_code(0)
    synchronization.synchronize(device)
    assert get_state(device) == "installed"
    events = [one["state"] for one in read_lines(Path(device.home.path_to("journal.jsonl")))
              if one["event"].startswith("system-trust")]  # fmt: skip
    assert events == ["failed", "installed"]


def test_an_agent_that_was_killed_before_the_command_runs_it_again(
    device: Host,
    fake_store: FakeStore,
    switch: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def kill(_store: object) -> None:
        raise Killed

    allow(device)
    with monkeypatch.context() as patch:
        patch.setattr(stores.SystemStore, "run_command", kill)
        with pytest.raises(Killed):
            switch(True)
    assert fake_store.count_runs() == 0
    synchronization.synchronize(device)
    assert (get_state(device), fake_store.count_runs()) == ("installed", 1)


def test_a_removal_that_failed_is_tried_again(
    device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(True)
    fake_store.set_exit_code(1)
    switch(False)
    assert get_state(device) == "failed"
    fake_store.set_exit_code(0)
    synchronization.synchronize(device)
    assert (get_state(device), fake_store.count_runs()) == ("removed", 3)


def test_a_host_without_a_known_store_says_so(
    device: Host, switch: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "STORES", ())
    allow(device)
    switch(True)
    assert get_state(device) == "no-store"


def test_a_device_that_leaves_its_zone_removes_the_roots(
    device: Host, fake_store: FakeStore, switch: Callable[[bool], None]
) -> None:
    allow(device)
    switch(True)
    other = fake_store.folder / "zcc-87654321-0123456789abcdef.crt"
    other.write_text("root of another zone")
    assert commands.main(["--home", device.home.path, "unregister"]) == 0
    assert fake_store.list_names() == [other.name]


def test_the_command_allows_it_and_removes_all_roots(
    device: Host,
    fake_store: FakeStore,
    switch: Callable[[bool], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = ["--home", device.home.path, "system-trust"]
    assert commands.main([*home, "allow"]) == 0
    switch(True)
    capsys.readouterr()
    assert commands.main(home) == 0
    shown = capsys.readouterr().out
    assert "allowed by this device  yes" in shown
    assert "installed" in shown
    assert commands.main([*home, "remove"]) == 0
    assert fake_store.list_names() == []
    assert not synchronization.is_allowed(device.home)
