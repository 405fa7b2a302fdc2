"""The console from its Debian package, by the commands of docs/deployment.md on a bare Debian."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import engine
from tests.harness.engine import Engine, Host
from tests.harness.zone import until
from tests.support import code_blocks
from zcc.installation import package
from zcc.runtime.components import BASE_DIR

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
PAGE = BASE_DIR / "docs" / "deployment.md"
ADDRESS = "10.88.0.5"
SERVICES = ("zcc-web", "zcc-worker", "zcc-beat", "zcc-agent")
CHECKS = ("verify_audit", "check_certs", "check_rows")
# The administrator of the test: sets the address, which the package cannot find out here.
EDITOR = f"""cat >/usr/bin/editor <<'END'
#!/bin/sh
sed -i s/^ZCC_SERVER_ADDRESSES=.*/ZCC_SERVER_ADDRESSES={ADDRESS}/ "$1"
END
chmod +x /usr/bin/editor
"""
BROKERS = {"bookworm": "redis-server", "trixie": "valkey-server"}
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine.install_programs()
    return Engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def folder(podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with the package."""
    place = tmp_path_factory.mktemp("package")
    package.build_package(place, pythons=tuple(PYTHONS.values()))
    place.chmod(0o755)
    return place


@pytest.fixture(params=sorted(BROKERS, reverse=True))
def bare(
    request: pytest.FixtureRequest, podman: Engine, folder: Path
) -> Iterator[tuple[Host, str]]:
    """Start a bare Debian; yield it, and the name of its broker."""
    broker = BROKERS[request.param]
    # What apt would download. Debian itself has no valkey-server before version 13.
    image = podman.build_image(request.param, ("python3-venv", "postgresql", broker))
    with podman.host(image, "ps-01", ADDRESS, folder) as host:
        until(lambda: "running" in host.run("systemctl is-system-running").stdout, "Debian is up")
        yield host, broker


def test_a_bare_debian_becomes_a_primary_server(bare: tuple[Host, str]) -> None:
    host, broker = bare
    host.succeeds(EDITOR)
    block = code_blocks.get(PAGE, "Install the Debian package").commands
    block = block.replace("apt-get install", "apt-get install -y -qq")
    said = host.succeeds(block.replace("valkey-server", broker))
    assert "Setting up zcc-console" in said
    until(lambda: "setup token" in host.run("journalctl -u zcc-web").stdout, "the token is shown")

    link = host.succeeds(code_blocks.get(PAGE, "Install with systemd", 2).commands)
    assert "Created zone ACME" in link
    assert "The audit log is intact" in link
    health = f"curl -sk https://{ADDRESS}:8443/healthz"
    until(lambda: _is_healthy(host.run(health).stdout), "all components are healthy", 120)
    for service in SERVICES:
        assert host.succeeds(f"systemctl is-active {service}").strip() == "active"
    for check in CHECKS:
        host.succeeds(f"systemctl start zcc-check@{check}")
    assert host.succeeds("systemctl list-timers --no-legend 'zcc-check@*'").count("zcc-check@") == 6
    assert host.succeeds("systemctl --failed --no-legend").strip() == ""

    # Secrets are in no log, and readable for no other user.
    logs = host.succeeds("journalctl --no-pager")
    for name in ("secret_key", "database_password", "broker_url"):
        assert host.succeeds(f"cat /etc/zcc/secrets/{name}").split()[-1] not in logs
    other = "setpriv --reuid nobody --regid nogroup --clear-groups"
    assert host.run(f"{other} cat /etc/zcc/secrets/secret_key").returncode != 0
    assert host.run(f"{other} zcc-manage check").returncode != 0

    # Only the worker can open the CA vault.
    for service in SERVICES:
        pid = host.succeeds(f"systemctl show -P MainPID {service}").strip()
        vault = f"nsenter -t {pid} -m setpriv --reuid zcc --regid zcc --clear-groups"
        done = host.run(f"{vault} ls /var/lib/zcc-ca/ca-vault.key")
        assert (done.returncode == 0) == (service == "zcc-worker"), service

    # Installing it again is an upgrade. Services continue with the same zone.
    host.succeeds("apt-get install -y -qq --reinstall ./zcc-console_*.deb")
    until(lambda: _is_healthy(host.run(health).stdout), "healthy after the upgrade", 120)
    assert host.succeeds("systemctl --failed --no-legend").strip() == ""

    host.succeeds("apt-get purge -y -qq zcc-console")
    left = host.succeeds("ls -d /var/lib/zcc /var/lib/zcc-ca").split()
    assert left == ["/var/lib/zcc", "/var/lib/zcc-ca"]
    assert host.run("ls -d /etc/zcc /opt/zcc").stdout == ""


def _is_healthy(text: str) -> bool:
    return bool(text.startswith("{") and json.loads(text)["status"] == "ok")
