"""Older agents are upgraded by the console in stages, and a broken version returns by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone, remint
from tests.support.agent_programs import OLD, build_version
from zac.upgrades import installation
from zcc.runtime import processes

pytestmark = pytest.mark.long

StartZone = Callable[..., RunningZone]
NAMES = ("pc-old-1", "pc-old-2", "pc-old-3", "pc-old-4")
BROKEN = "9.9.9"
KEY = """
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import key_limits, keys
public_key = zone_keys.get_public_key(Zone.objects.get_zone())
print(keys.create_registration_key(public_key, label="old", role="managed", uses=9, approves=True,
      expires_at=None, limits=key_limits.NO_LIMITS))
"""
# A broken version that the zone has signed: what a faulty release would be.
OFFER_BROKEN = """
from pathlib import Path
from django.utils import timezone
from certificates.models import AgentUpgrade
from devices.identity import zone_keys
from devices.models import Device
from systemupdates.content import store
from wire.metadata import AGENT
data = Path({path!r}).read_bytes()
signed = zone_keys.get_keyring().sign_without_entry(AGENT, data)
file = store.store_file("zac.pyz", data)
now = timezone.now()
upgrade = AgentUpgrade.objects.create(
    state="scheduled", version="{version}+0123456789ab", sha256=file.sha256, size=file.size,
    signature=signed.signature, second_signature=signed.second_signature,
    created_at=now, starts_at=now)
upgrade.targets.create(
    device=Device.objects.get(name={name!r}), state="pending", changed_at=now, is_pilot=False)
print(upgrade.pk)
"""


class OldHost:
    """A managed device with an agent of an older release as a zip application."""

    def __init__(self, zone: RunningZone, folder: Path, name: str) -> None:
        self.name, self.home = name, zone.home / "devices" / name
        self.program = folder / name
        self.program.write_bytes(build_version(OLD))
        self.process: subprocess.Popen[bytes] | None = None
        self._zone = zone

    def join(self) -> None:
        """Register in the zone, and allow upgrades."""
        url, key = self._zone.hosts("primary")[0].url, self._zone.run(KEY).strip()
        self._run("register", url, "--key", key, "--name", self.name)
        (self.home / installation.OPT_IN).touch()

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-I", str(self.program), "--home", str(self.home), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
        return done.stdout

    def start(self) -> None:
        """Start the service in a process group of its own."""
        command = [sys.executable, "-I", str(self.program), "--home", str(self.home), "run"]
        self.process = subprocess.Popen(
            command,
            cwd="/",
            start_new_session=True,
            preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
        )

    def kill(self) -> None:
        """End all its processes without a warning."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def record(self) -> dict[str, Any]:
        """Return the record of its versions."""
        path = self.home / "agent" / "upgrade.json"
        loaded: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return loaded

    def version(self) -> str:
        """Return the version that its commands run."""
        return str(json.loads(self._run("status", "--json"))["agent"])


@contextmanager
def old_hosts(zone: RunningZone, folder: Path) -> Iterator[dict[str, OldHost]]:
    hosts = {name: OldHost(zone, folder, name) for name in NAMES}
    with ExitStack() as stack:
        for host in hosts.values():
            host.join()
            host.start()
            stack.callback(host.kill)
        yield hosts


def test_agents_are_upgraded_in_stages_and_a_broken_one_returns(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone = start_zone(devices=1, primaries=1, satellites=1)
    folder = tmp_path / "programs"
    folder.mkdir()
    api = zone.program()

    def older() -> dict[str, str]:
        return {row["name"]: row["upgraded_with"] for row in api.get("/older-agents")}

    def states(upgrade: str) -> dict[str, str]:
        rows = api.get(f"/agent-upgrades/{upgrade}/devices")["items"]
        return {row["name"]: row["state"] for row in rows}

    with old_hosts(zone, folder) as hosts:
        until(lambda: older() == dict.fromkeys(NAMES, "console"), "older agents are in contact")
        pages: list[Any] = []

        def starts() -> bool:
            pages.append(api.call("POST", "/agent-upgrades", {"pilot": 1}))
            return bool(pages[-1].status < 300)

        until(starts, "the worker has published the agent", 60)
        started = pages[-1].json["id"]
        pilot = next(
            row["name"]
            for row in api.get(f"/agent-upgrades/{started}/devices")["items"]
            if row["is_pilot"]
        )
        others = [host for name, host in hosts.items() if name != pilot]
        until(lambda: states(started)[pilot] == "upgraded", "the pilot has the new version", 120)
        # The next host is killed in the middle of its switch, and started again.
        until(lambda: others[0].record().get("tries") == 1, "it tries the new version", 120)
        others[0].kill()
        others[0].start()
        until(
            lambda: api.get(f"/agent-upgrades/{started}")["state"] == "completed",
            "all agents are upgraded",
            180,
        )
        assert set(states(started).values()) == {"upgraded"}
        assert older() == {}
        version = api.get(f"/agent-upgrades/{started}")["version"]
        assert {host.version() for host in hosts.values()} == {version}
        assert all(host.program.read_bytes() == build_version(OLD) for host in others)

        broken = folder / "broken"
        broken.write_bytes(build_version(BROKEN, **{"zac/service.py": "raise SystemExit(3)\n"}))
        code = OFFER_BROKEN.format(path=str(broken), version=BROKEN, name=NAMES[0])
        failed = zone.run(code).strip().splitlines()[-1]
        until(lambda: states(failed) == {NAMES[0]: "failed"}, "the failure is reported", 120)
        reason = api.get(f"/agent-upgrades/{failed}/devices")["items"][0]["reason"]
        assert "exit code 3" in reason
        assert hosts[NAMES[0]].version() == version, "it has returned to the version before"

        remint(zone)
        seen = zone.completes()
        assert {seen["assigned"][name] for name in NAMES} == {"activated"}
