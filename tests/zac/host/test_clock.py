"""Zone time: what the servers say, whatever the local clock does (S-68, F-28)."""

from __future__ import annotations

from pathlib import Path

import pytest

from zac.host.clock import Clock


class Machine:
    """A machine whose clock can be set, and which may sleep."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "clock.json")
        self.wall, self.up = 1000.0, 50.0

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds

    def clock(self) -> Clock:
        return Clock(self.path, local=lambda: self.wall, running=lambda: self.up)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_before_anything_is_known_the_local_clock_counts(machine: Machine) -> None:
    assert machine.clock().now() == 1000


def test_what_a_server_said_is_carried_on(machine: Machine) -> None:
    clock = machine.clock()
    assert clock.learn(8200) == 7200
    machine.pass_time(60)
    assert clock.now() == 8260


def test_a_jump_of_the_local_clock_moves_nothing(machine: Machine) -> None:
    clock = machine.clock()
    clock.learn(1000)
    machine.wall -= 3600
    assert clock.now() == 1000
    assert clock.is_unusable


def test_the_offset_survives_a_restart(machine: Machine) -> None:
    machine.clock().learn(8200)
    machine.pass_time(100)
    again = machine.clock()
    assert again.now() == 8300
    assert again.offset == 7200


def test_a_small_correction_is_not_written(machine: Machine) -> None:
    clock = machine.clock()
    clock.learn(1000.1)
    assert not Path(machine.path).exists()
    assert clock.now() == pytest.approx(1000.1)


@pytest.mark.parametrize(("zone", "absurd"), [(1200, False), (1400, True), (600, True)])
def test_minutes_off_are_too_much_to_judge_certificates(
    machine: Machine, zone: float, *, absurd: bool
) -> None:
    clock = machine.clock()
    clock.learn(zone)
    assert clock.is_unusable is absurd


@pytest.mark.parametrize("content", ["", "x", "[]", '{"offset": "x"}', '{"offset": null}'])
def test_a_damaged_file_is_no_obstacle(machine: Machine, content: str) -> None:
    Path(machine.path).write_text(content)
    assert machine.clock().now() == 1000


def test_the_skew_of_a_rehearsal_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZAC_CLOCK_SKEW", "7200")
    skewed = Clock(str(tmp_path / "c")).now()
    monkeypatch.delenv("ZAC_CLOCK_SKEW")
    assert skewed - Clock(str(tmp_path / "c")).now() == pytest.approx(7200, abs=60)
