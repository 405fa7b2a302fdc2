"""What a device does for its other programs during a Remint CA: hooks, and the TLS libraries.

The agent is killed while a hook runs after the activation. The hook runs again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from wire.messages import MANAGED

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long

HOOK = """#!/bin/sh
echo "$ZAC_EVENT $(grep -c BEGIN "$ZAC_ROOTS")" >> "$ZAC_HOME/ran.txt"
[ "$ZAC_EVENT" = activated ] && [ -e "$ZAC_HOME/wait" ] || exit 0
rm "$ZAC_HOME/wait"
exec sleep 50
"""


def write_hook(home: Path, name: str, script: str) -> None:
    folder = home / "hooks.d"
    folder.mkdir(mode=0o755, exist_ok=True)
    hook = folder / name
    hook.with_suffix(".new").write_text(script)
    hook.with_suffix(".new").chmod(0o755)
    hook.with_suffix(".new").rename(hook)


def test_hooks_run_and_tls_libraries_are_checked_during_a_remint_ca(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=2, primaries=1, environment={"ZAC_TLS_STACKS": "openssl,gnutls,curl"})
    api = zone.program()
    first, second = zone.hosts(MANAGED)
    ran = first.home / "ran.txt"
    write_hook(first.home, "10-record", HOOK)
    write_hook(second.home, "10-fails", "#!/bin/sh\necho web server not found\nexit 3\n")
    administrator.remint_ca(api, 75)
    until(lambda: ran.exists() and "trust-changed 2" in ran.read_text(), "the new root is known")

    (first.home / "wait").touch()
    until(lambda: not (first.home / "wait").exists(), "a hook runs after the activation", 180)
    zone.kill("device-01.agent")
    until(lambda: ran.read_text().splitlines().count("activated 2") == 2, "it runs again")
    done = zone.completes()
    assert zone.zac(first, "hooks").stdout.count("10-record (activated): succeeded") == 1

    visitor = zone.visitor()
    ids = {one["name"]: one["id"] for one in api.get("/devices")["items"]}

    def page(name: str) -> str:
        return str(visitor.get(f"/devices/{ids[name]}/").text)

    until(lambda: "web server not found" in page(second.name), "the failure is shown")
    for text in ("10-fails", "Certificates activated", "A hook failed on"):
        assert text in page(second.name)
    until(lambda: "10-record" in page(first.name), "the results are shown")
    for stack in ("OpenSSL", "GnuTLS", "curl"):
        assert stack in page(first.name)
    assert "new certificate accepted." in page(first.name)
    assert done["state"] == "completed"
