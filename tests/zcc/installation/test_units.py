"""The systemd units: what they run, as which user, and how much they are restricted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import compose
from zcc import start
from zcc.installation import manage, settings_file
from zcc.management import commands
from zcc.runtime import environment
from zcc.runtime.components import BASE_DIR

UNITS = BASE_DIR / "deploy" / "systemd"
COMMON = UNITS / "zcc-.service.d" / "common.conf"
CHECKS = ("verify_audit", "check_certs", "check_rows")
SERVICES = [*(f"zcc-{name}" for name in sorted(start.COMPONENTS)), "zcc-check@"]
# Of 10. systemd calls up to 2.5 "OK".
MAX_EXPOSURE = 25


def read(path: Path) -> list[tuple[str, str]]:
    """Return the options of a unit, which can be repeated."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"\w+=", line)]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def options(service: str) -> list[tuple[str, str]]:
    """Return the options of a service in the order in which systemd reads them."""
    return read(UNITS / f"{service}.service") + read(COMMON)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that has the units where systemd looks for them."""
    folder = tmp_path_factory.mktemp("root")
    shutil.copytree(UNITS, folder / "etc/systemd/system")
    return folder


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_restricted(root: Path, name: str) -> None:
    unit = f"{name}check_rows.service" if name.endswith("@") else f"{name}.service"
    command = ["systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager"]
    done = subprocess.run(
        [*command, f"--threshold={MAX_EXPOSURE}", unit], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_overrides_the_restrictions(name: str) -> None:
    own = dict(read(UNITS / f"{name}.service"))
    shared = dict(read(COMMON))
    assert set(own) & set(shared) <= {"StateDirectory"}
    assert shared["User"] == "zcc"
    assert shared["LimitCORE"] == "0"


@pytest.mark.parametrize("part", sorted(start.COMPONENTS))
def test_each_component_has_a_service_that_the_target_starts(part: str) -> None:
    unit = dict(read(UNITS / f"zcc-{part}.service"))
    assert unit["ExecStart"] == f"/opt/zcc/.venv/bin/python -m zcc.start {part}"
    wanted = " ".join(value for name, value in read(UNITS / "zcc.target") if name == "Wants")
    assert f"zcc-{part}.service" in wanted.split()


@pytest.mark.parametrize("part", sorted(set(start.COMPONENTS) - {"migrate"}))
def test_a_component_that_cannot_start_is_not_restarted_without_end(part: str) -> None:
    unit = dict(read(UNITS / f"zcc-{part}.service"))
    assert unit["Restart"] == "always"
    seconds = int(unit["RestartSec"]) * int(unit["StartLimitBurst"])
    assert 0 < seconds < int(unit["StartLimitIntervalSec"])
    assert unit["MemoryMax"]


@pytest.mark.parametrize("part", start.USE_DATABASE)
def test_migrations_come_before_the_components_that_use_the_database(part: str) -> None:
    unit = dict(read(UNITS / f"zcc-{part}.service"))
    assert "zcc-migrate.service" in unit["After"].split()
    assert "zcc-migrate.service" in unit["Wants"].split()


def test_migrations_are_repeated_until_the_database_responds() -> None:
    unit = dict(read(UNITS / "zcc-migrate.service"))
    assert unit["Type"] == "oneshot"
    assert unit["Restart"] == "on-failure"
    assert unit["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize("name", SERVICES)
def test_only_the_worker_can_open_the_ca_vault(name: str) -> None:
    folder = settings_file.read(manage.PATHS_FILE)["ZCC_CA_VAULT"]
    closed = [value for option, value in options(name) if option == "InaccessiblePaths"]
    assert closed == ([] if name == "zcc-worker" else [f"-{folder}"])
    state = [value for option, value in options(name) if option == "StateDirectory"]
    assert state == (["zcc-ca", "zcc"] if name == "zcc-worker" else ["zcc"])


def test_services_and_commands_read_the_same_files() -> None:
    files = [value for name, value in read(COMMON) if name == "EnvironmentFile"]
    assert files == [f"/opt/zcc/{manage.PATHS_FILE.relative_to(BASE_DIR)}", "/etc/zcc/zcc.env"]
    assert str(manage.SETTINGS_FILE) == files[1]
    for name in SERVICES:
        assert not {"Environment", "EnvironmentFile"} & set(dict(read(UNITS / f"{name}.service")))


def test_systemd_and_containers_have_the_same_settings() -> None:
    given = {"ZCC_SERVER_NAME": "x", "ZCC_SERVER_FQDN": "x", "ZCC_SERVER_ADDRESSES": "192.0.2.1"}
    container = compose.load(given)["services"]["web"]["environment"]
    paths = settings_file.read(manage.PATHS_FILE)
    named = {**paths, **settings_file.read(UNITS / "zcc.env.example")}
    optional = {"ZCC_LISTEN_ADDRESS", "ZCC_BEHIND_PROXY", "ZCC_WORKER_CONCURRENCY"}
    optional |= {name for name in container if "PKCS11" in name}
    optional |= set(environment.OLD_NAMES.values())
    assert set(container) - optional <= set(named)
    for name in ("ZCC_HOME", "ZCC_SERVER_HOME", "ZCC_CA_VAULT", "ZCC_STATIC_ROOT"):
        assert paths[name] == container[name]


def test_the_checks_run_every_day() -> None:
    wanted = " ".join(value for name, value in read(UNITS / "zcc.target") if name == "Wants")
    timers = {name for name in wanted.split() if name.endswith(".timer")}
    assert {f"zcc-check@{check}.timer" for check in CHECKS} <= timers
    timer = dict(read(UNITS / "zcc-check@.timer"))
    assert timer["OnCalendar"] == "daily"
    service = dict(read(UNITS / "zcc-check@.service"))
    assert service["ExecStart"] == "/opt/zcc/.venv/bin/python manage.py %i"
    folder = Path(commands.__path__[0])
    assert all((folder / f"{check}.py").exists() for check in CHECKS)
