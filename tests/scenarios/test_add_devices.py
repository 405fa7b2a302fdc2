"""A device that has only what the page Add Devices shows joins the zone, and passes a Remint CA."""

from __future__ import annotations

import html
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone, remint
from zcc.runtime import processes

pytestmark = pytest.mark.long

StartZone = Callable[..., RunningZone]
PAGE, POLL = "/devices/add/", "/devices/added/"
NAME = "pc-archive"


def commands(page: str) -> list[str]:
    """Return the blocks of commands on the page."""
    found = re.findall(r'<pre class="commands"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    return [html.unescape(block) for block in found]


class BareHost:
    """A directory outside the checkout, without its packages and without root."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.program = folder / "bin" / "zac"
        self.program.parent.mkdir(parents=True)

    def adapt(self, block: str) -> str:
        """Return commands that change nothing outside the directory."""
        return block.replace("sudo ", "").replace("/usr/local/bin/zac", str(self.program))

    def run(self, block: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", self.adapt(block)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def succeeds(self, block: str) -> str:
        done = self.run(block)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "ZAC_HOME": str(self.home)}

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run what the unit runs, as systemd does it."""
        unit = self.succeeds(f"{self.program} unit")
        command = next(
            line.partition("=")[2] for line in unit.splitlines() if line.startswith("ExecStart=")
        )
        process = subprocess.Popen(
            command.split(),
            cwd="/",
            env=self.environment(),
            preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
        )
        try:
            yield process
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_a_bare_host_joins_with_what_the_page_shows(start_zone: StartZone, tmp_path: Path) -> None:
    zone = start_zone(devices=1, primaries=1, satellites=0)
    visitor = zone.visitor()
    until(lambda: "zac.pyz" in visitor.get(PAGE).text, "the agent is offered")
    form = {"label": "bare host", "role": "managed", "uses": "1", "days": "1"}
    page = visitor.post(PAGE, form)
    assert page.status == 201, page.text
    download, install, register, start = commands(page.text)
    assert "systemctl enable --now zac" in start

    host = BareHost(tmp_path / "bare", zone.home / "devices" / NAME)
    changed = host.run(re.sub("[0-9a-f]{64}  zac.pyz", f"{'0' * 64}  zac.pyz", download))
    assert changed.returncode != 0, "a file with another digest stops the commands"
    host.succeeds(download)
    host.succeeds(install)
    host.succeeds(f"{register} --name {NAME}")
    shown = visitor.get(POLL)
    assert NAME in shown.text
    assert "Not yet" in shown.text

    content = f"http://{zone.hosts('primary')[0].address}:{zone.plan.content_port}"
    for name in ("zac.pyz", "./zac.pyz"):
        source = f"{content}/zenworks-setup/zac.pyz" if name == "zac.pyz" else name
        if name != "zac.pyz":
            for signature in ("sig", "sig2"):
                host.succeeds(f"curl -fsS -O {content}/zenworks-setup/zac.pyz.{signature}")
        assert "signed with the key" in host.succeeds(f"{host.program} verify-tool {source}")

    with host.service():
        until(lambda: _is_in_contact(visitor.get(POLL).text), "the device is in contact")
        version = host.succeeds(f"{host.program} --version").split()[1]
        assert f'data-label="Version">{version}</td>' in visitor.get("/devices/").text
        remint(zone)
        seen = zone.completes()
        assert seen["assigned"][NAME] == "activated"


def _is_in_contact(page: str) -> bool:
    row = next(row for row in page.split("<tr>") if NAME in row)
    return "In contact" in row
