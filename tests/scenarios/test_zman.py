"""A zone is reminted, backed up and moved from the command line alone, over TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.evidence import leaked_secrets
from tests.scenarios.running_zone import RunningZone
from zcc.runtime.components import BASE_DIR

PHRASE = "seven quiet lakes"
StartZone = Callable[..., RunningZone]


def zman(
    zone: RunningZone, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one command as a program does, with the zone's own access file."""
    return subprocess.run(
        [sys.executable, "-m", "zman", *arguments, "--access", str(zone.home / "access.json")],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def told(zone: RunningZone, *arguments: str, **environment: str) -> Any:
    """Return what a command that succeeds prints for programs."""
    done = zman(zone, *arguments, "-o", "json", "--yes", **environment)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


@pytest.mark.long
def test_the_command_line_alone_remints_the_zone(start_zone: StartZone, tmp_path: Path) -> None:
    zone = start_zone(devices=1, satellites=0)
    before = told(zone, "show", "ca")
    backup = tmp_path / "before.zip"
    told(zone, "backup", str(backup), ZMAN_PASSPHRASE=PHRASE)
    assert zman(zone, "remint", "ca").returncode == 64, "nobody is here to confirm it"

    done = zman(zone, "remint", "ca", "--at", "+75s", "--watch", "--yes")
    assert done.returncode == 0, done
    assert "completed" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout

    after = told(zone, "show", "ca")
    assert after["sha256"] != before["sha256"]
    servers = told(zone, "list", "servers")
    assert {server["certificate"]["issuer"] for server in servers} == {after["common_name"]}
    new = tmp_path / "new.pem"
    assert zman(zone, "show", "ca", "--pem", "--file", str(new)).returncode == 0
    assert zman(zone, "show", "zone", "--ca-file", str(new)).returncode == 0
    assert zone.refused() == []

    old = zman(zone, "restore", str(backup), "--server", "ps-01", "--yes", ZMAN_PASSPHRASE=PHRASE)
    assert old.returncode == 1, "it is a backup of another CA now"
    told(zone, "move", "ps-02")
    assert told(zone, "show", "ca")["certificate_server_id"] == servers_id(servers, "ps-02")
    assert leaked_secrets(zone.home, (PHRASE,)) == []


def servers_id(servers: list[dict[str, Any]], name: str) -> str:
    return next(str(server["id"]) for server in servers if server["name"] == name)
