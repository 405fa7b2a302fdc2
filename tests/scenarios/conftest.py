"""Each scenario has a zone of its own, on a loopback network of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness.installation import Data, Server
from tests.harness.places import loopback_network
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios import rotation
from tests.scenarios.running_zone import RunningZone, scenario_zone
from tests.scenarios.test_production import ADMIN, KEY, PASSWORD, QUICK


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and the long one of today. They run first."""
    chosen = rotation.get_chosen()
    for item in items:
        if "/tests/scenarios/" in str(item.path):
            item.add_marker(pytest.mark.scenario)
            if f"{item.path.name}::{item.originalname}" == chosen:  # type: ignore[attr-defined]
                item.add_marker(pytest.mark.rotating)
    # Scenarios wait most of the time. At the end, no other test would use the processor meanwhile.
    items.sort(key=lambda item: "/tests/scenarios/" not in str(item.path))


@pytest.fixture
def start_zone(tmp_path: Path) -> Iterator[Callable[..., RunningZone]]:
    """Return a function that starts a zone, which ends with the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> RunningZone:
            return stack.enter_context(scenario_zone(tmp_path, **options))

        yield start


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[tuple[ExitStack, Data, Server, Server]]:
    with loopback_network() as base, ExitStack() as stack:
        data = Data(tmp_path, f"{base}.1")
        data.start(stack)
        yield stack, data, Server(data, "ps-01", f"{base}.11"), Server(data, "ps-02", f"{base}.12")


@pytest.fixture
def production(
    installation: tuple[ExitStack, Data, Server, Server],
) -> tuple[Data, Server, Visitor]:
    """One Primary Server on its PostgreSQL, with somebody who is logged in."""
    stack, data, first, _second = installation
    return data, first, _start_zone(stack, first)


def _start_zone(stack: ExitStack, first: Server) -> Visitor:
    first.run("python", "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    first.run(*(str(word) for word in first.services["migrate"]["command"]))
    first.start(stack)
    (first.state / "password").write_text(PASSWORD)
    place = ["--admin", ADMIN, "--admin-password-file", str(first.state / "password")]
    first.run("python", "manage.py", "create_zone", "--name", "ACME", *place)
    until(lambda: first.ill() == {}, "all parts are well with a zone", 90)
    first.shell(QUICK)
    visitor = Visitor(first.url, first.home / "security" / "current" / "ca.pem")
    visitor.log_in(ADMIN, PASSWORD)
    return visitor


@pytest.fixture
def pair(
    installation: tuple[ExitStack, Data, Server, Server],
) -> tuple[Data, Server, Server, Visitor]:
    """Two Primary Servers on one database, with somebody who is logged in at the first."""
    stack, data, first, second = installation
    visitor = _start_zone(stack, first)
    key = first.shell(KEY).strip()
    second.start(stack)
    second.run("python", "-m", "zcc.start", "join", first.url, text=f"{key}\n")
    until((second.home / "security" / "current" / "server.pem").exists, "it has a certificate", 60)
    until(lambda: second.ill() == {}, "the second server is well", 120)
    return data, first, second, visitor
