"""A zone in production: the parts of docker-compose.yml as plain processes (docs/deployment.md).

Commands, variables, ports and health checks are those of the file; PostgreSQL and Valkey are
private ones, started by the file's commands too. Two Primary Servers, one database.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import ExitStack
from typing import Any

import pytest

from pki.certificates import details
from tests.harness import evidence
from tests.harness.installation import Data, Server
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.running_zone import LOOK, REMINT
from zcc.runtime.components import BASE_DIR

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
PASSWORD = "a-long-enough-pass-phrase"
ADMIN = "anna"

QUICK = """
from devices.models import Zone
Zone.objects.update(refresh_seconds=4, primary_replication_seconds=5,
    satellite_replication_seconds=5, lead_time_seconds=60, freeze_seconds=15)
"""
KEY = """
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import key_limits, keys
public_key = zone_keys.get_public_key(Zone.objects.get_zone())
limits = key_limits.KeyLimits(("acme.example",), ("127.0.0.0/8",))
print(keys.create_registration_key(
    public_key, label="second", role="primary", uses=1, approves=True, expires_at=None,
    limits=limits))
"""


def test_two_primary_servers_on_one_database_go_through_a_remint_ca(
    installation: tuple[ExitStack, Data, Server, Server],
) -> None:
    stack, data, first, second = installation
    before_it = untracked()
    first.run("python", "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    first.run(*(str(word) for word in first.services["migrate"]["command"]))
    first.start(stack)

    # Before there is a zone the console offers to make one, and no part counts as ill.
    until(lambda: "setup token" in first.log("web").read_text(), "the first run is offered")
    until(lambda: first.ill() == {}, "all parts are well before there is a zone", 60)
    before = evidence.served_certificate(first.address, int(first.ports["ZCC_PORT"]))

    (first.state / "password").write_text(PASSWORD)
    place = ["--admin", ADMIN, "--admin-password-file", str(first.state / "password")]
    said = first.run("python", "manage.py", "create_zone", "--name", "ACME", *place)
    assert first.url in said
    until(
        lambda: evidence.served_certificate(first.address, int(first.ports["ZCC_PORT"])) != before,
        "the zone's certificate is served",
    )
    until(lambda: first.ill() == {}, "all parts are well with a zone", 90)
    visitor = Visitor(first.url, first.home / "security" / "current" / "ca.pem")
    visitor.log_in(ADMIN, PASSWORD)
    assert visitor.get("/configuration/certificates/").status == 200
    until(lambda: set(visitor.get("/healthz").json["parts"].values()) == {"ok"}, "/healthz is ok")

    first.shell(QUICK)
    key = first.shell(KEY).strip()
    second.start(stack)
    second.run("python", "-m", "zcc.start", "join", first.url, text=f"{key}\n")
    until(lambda: second.ill() == {}, "the second server is well", 120)
    until((second.home / "security" / "current" / "server.pem").exists, "it has one", 60)
    other = Visitor(second.url, first.home / "security" / "current" / "ca.pem")
    other.log_in(ADMIN, PASSWORD)
    assert "ps-02" in other.get("/configuration/certificates/").text

    first.shell(REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=75, extra={}))
    seen: dict[str, Any] = {}

    def completed() -> bool:
        seen.update(json.loads(first.shell(LOOK).splitlines()[-1]))
        return bool(seen["state"] == "completed")

    until(completed, "the Remint CA is completed", 300)
    assert set(seen["assigned"].values()) == {"activated"}
    for server in (first, second):
        assert [path.name for path in server.ca_vault.iterdir()] == ["ca-vault.key"]
        shown = evidence.served_certificate(server.address, int(server.ports["ZCC_PORT"]))
        assert details.get_details(shown).issuer_common_name == "ACME 2"
        assert server.ill() == {}
    assert "The audit log is intact" in first.run("python", "manage.py", "verify_audit")

    # Everything ends in time, and nothing was written outside the mounted state.
    assert max(first.stop(), second.stop()) < 10
    assert untracked() - before_it == set()
    logs = "".join(path.read_text(errors="replace") for path in data.folder.glob("*.log"))
    for secret in data.secrets.iterdir():
        assert secret.read_text().split()[-1] not in logs, secret.name
    assert PASSWORD not in logs
    assert key not in logs
    assert "PRIVATE KEY" not in logs
    assert not re.search(r"Traceback", logs)


def untracked() -> set[str]:
    """Return what lies in the program's folder beside its own files: written by a part."""
    line = ["git", "ls-files", "--others", "--directory"]
    said = subprocess.run(line, cwd=BASE_DIR, capture_output=True, text=True, check=True).stdout
    caches = ("cache", "__pycache__", ".hypothesis")
    return {path for path in said.splitlines() if not any(name in path for name in caches)}
