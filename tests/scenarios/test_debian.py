"""From a bare Debian to a reminted zone, with the commands of docs/deployment.md and Add Devices.

The hosts are containers with systemd, so that units and their restrictions are the real ones. They
have no network except the one between them: packages of Debian and of Python are downloaded before.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates.operations.states import JobState
from pki.certificates import details
from tests.harness import evidence
from tests.harness.containers import engine
from tests.harness.containers.engine import Engine
from tests.harness.debian import images
from tests.harness.debian.hosts import NETWORKS, private_network
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.bare_zone import (
    BROKERS,
    CERTIFICATES,
    CONSOLE,
    DEVICE,
    SATELLITE,
    SERVICES,
    BareZone,
)
from tests.scenarios.test_production import PASSWORD
from tests.support import code_blocks
from wire.messages import AUTHENTICATION_SATELLITE, MANAGED
from zcc.installation import package
from zcc.runtime.components import BASE_DIR

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.allow_hosts([NETWORKS]),
]
PAGE = BASE_DIR / "docs" / "deployment.md"
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
# Debian 12 has an older cryptography than the package of the agent requires.
SATELLITE_SYSTEMS = {"bookworm": "linux", "trixie": "debian"}
# What apt-get downloads for the commands of the pages.
DOWNLOADED = ("postgresql", "python3-venv", "git", "nginx", "python3-cryptography")
CHECKS = ("verify_audit", "check_certs", "check_rows")
OLD_VERSION = "1.0.0~a1-1"
LEFT_BEHIND = "opt/zcc/zcc/removed_in_this_version.py"
STATE = "from certificates.models import VaultJob; print(VaultJob.objects.get(pk='{job}').state)"
# A Python package index inside a company.
INDEX = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/dl/wheels",
    "UV_OFFLINE": "1",
    "UV_CACHE_DIR": "/var/cache/uv",
}


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    obstacle = engine.find_obstacle()
    if obstacle:
        pytest.skip(f"NOT TESTED: Debian systems cannot run on this machine: {obstacle}")
    return Engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory that the hosts see as /dl."""
    place = tmp_path_factory.mktemp("dl")
    place.chmod(0o755)
    return place


@pytest.fixture(scope="module")
def newest(folder: Path) -> Path:
    """Build the package of the console; return its path."""
    return package.build_package(folder, pythons=tuple(PYTHONS.values()))


@pytest.fixture(scope="module")
def index(folder: Path, newest: Path) -> Path:
    """Put what a Python package index offers into /dl: wheels, and the cache of uv."""
    extract = ["tar", "--extract", "--directory", str(folder), "--strip-components", "3"]
    unpack = ["dpkg-deb", "--fsys-tarfile", str(newest)]
    with subprocess.Popen(unpack, stdout=subprocess.PIPE) as archive:
        subprocess.run([*extract, "./opt/zcc/wheels"], stdin=archive.stdout, check=True)
    assert archive.returncode == 0
    return folder / "wheels"


@pytest.fixture
def zone(
    request: pytest.FixtureRequest, podman: Engine, folder: Path, tmp_path: Path
) -> Iterator[BareZone]:
    """Yield a zone that has one host, on which nothing is installed."""
    suite = request.param
    image = images.provide(podman, suite, (*DOWNLOADED, BROKERS[suite]))
    obstacle = podman.find_obstacle(image)
    if obstacle:
        pytest.skip(f"NOT TESTED: podman cannot run containers on this machine: {obstacle}")
    with private_network(podman, folder) as network:
        network.reserve(CONSOLE, SATELLITE, DEVICE)
        created = BareZone(network, image, suite, tmp_path)
        created.start_host(CONSOLE)
        yield created


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("zone", sorted(BROKERS, reverse=True), indirect=True)
def test_a_bare_debian_becomes_a_zone_that_is_reminted(zone: BareZone, newest: Path) -> None:
    older = build_older(newest, zone.folder)
    install = code_blocks.get(PAGE, "Install the Debian package")
    create = code_blocks.get(PAGE, "Install with systemd", 2)
    proxy = code_blocks.get(PAGE, "Reverse proxies")
    confirm = code_blocks.get(PAGE, "Confirm CA key jobs")

    zone.put_package(older)
    assert f"Setting up zcc-console ({OLD_VERSION})" in zone.install_console(install)
    visitor = zone.create_zone(create)
    zone.is_well()
    zone.add_device(visitor, DEVICE, MANAGED, "debian")
    zone.add_device(visitor, SATELLITE, AUTHENTICATION_SATELLITE, SATELLITE_SYSTEMS[zone.suite])
    before = read_secrets(zone)
    start_nginx(zone)

    # The package is upgraded while the operation is in progress.
    zone.start_remint(visitor, "ACME 2")
    zone.all_apply()
    zone.put_package(newest)
    zone.console.succeeds("apt-get install ./zcc-console_*.deb")
    zone.is_well()
    assert zone.console.run(f"ls /{LEFT_BEHIND}").returncode != 0
    assert read_secrets(zone) == before
    zone.hosts[DEVICE].succeeds(proxy.commands)
    seen = zone.completes()
    for name in (CONSOLE, SATELLITE):
        shown = evidence.served_certificate(zone.hosts[name].address, 8443)
        assert details.get_details(shown).issuer_common_name == "ACME 2"
    assert seen["new"] in zone.hosts[DEVICE].succeeds("cat /etc/nginx/zone-ca.pem")
    zone.is_well()

    visitor = zone.log_in(PASSWORD)
    back_up(zone, visitor, confirm)
    check_services(zone)
    purge(zone, install)


@pytest.mark.parametrize("zone", ["trixie"], indirect=True)
def test_the_sources_become_a_primary_server(zone: BareZone, index: Path) -> None:
    install = code_blocks.get(PAGE, "Install with systemd")
    create = code_blocks.get(PAGE, "Install with systemd", 2)
    repository = index.with_name("zcc.git")
    subprocess.run(["git", "clone", "--quiet", "--bare", BASE_DIR, repository], check=True)
    download_packages(index, PYTHONS[zone.suite])
    zone.console.succeeds("cp --recursive /dl/uv-cache /var/cache/uv")

    text = install.text.replace("<repository URL>", f"/dl/{repository.name}")
    zone.install_console(install._replace(text=text), INDEX)
    zone.create_zone(create)
    zone.is_well()
    check_services(zone)


def build_older(file: Path, folder: Path) -> Path:
    """Build a package of an older version, with other Python packages and a file more."""
    content = folder / "content"
    subprocess.run(["dpkg-deb", "--raw-extract", str(file), str(content)], check=True)
    (content / LEFT_BEHIND).write_text("")
    control = content / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    changed = [f"Version: {OLD_VERSION}" if row.startswith("Version:") else row for row in lines]
    control.write_text("\n".join(changed) + "\n")
    with (content / "opt/zcc/requirements.txt").open("a") as requirements:
        requirements.write("# Changed in the next version.\n")
    older = file.with_name(f"zcc-console_{OLD_VERSION}_amd64.deb")
    subprocess.run(["dpkg-deb", "--build", "-Znone", str(content), str(older)], check=True)
    shutil.rmtree(content)
    return older


def download_packages(wheels: Path, python: str) -> None:
    """Download uv, and the packages of uv.lock into a cache of uv."""
    requirements = wheels.with_name("requirements.txt")
    for_python = ["--python-version", python, "--only-binary", ":all:", "--no-deps", "--quiet"]
    export = ("export", "--frozen", "--no-dev", "--no-emit-project", "--output-file")
    install = ("pip", "install", *for_python, "--python-platform", "x86_64-manylinux_2_34")
    target = ("--require-hashes", "--target", str(wheels.with_name("unused")), "--requirement")
    commands = ("--quiet", *export), (*install, *target)
    for command in commands:
        subprocess.run(
            [BASE_DIR / "scripts" / "uv", *command, requirements],
            cwd=BASE_DIR,
            env={**os.environ, "UV_CACHE_DIR": str(wheels.with_name("uv-cache"))},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    download = [sys.executable, "-m", "pip", "download", *for_python, "--dest", wheels]
    platforms = ["--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_17_x86_64"]
    subprocess.run([*map(str, download), *platforms, "uv>=0.8"], check=True)


def read_secrets(zone: BareZone) -> str:
    """Return what an upgrade must keep: settings and keys of the installation."""
    files = "/etc/zcc/zcc.env /etc/zcc/secrets/* /var/lib/zcc-ca/*"
    return zone.console.succeeds(f"sha256sum {files}")


def start_nginx(zone: BareZone) -> None:
    """Install a proxy that trusts the current roots."""
    zone.hosts[DEVICE].succeeds("apt-get install nginx; cp zone-ca.pem /etc/nginx/")


def back_up(zone: BareZone, visitor: Visitor, confirm: code_blocks.Block) -> None:
    """Back up the CA in the console. The worker requires a confirmation on the server."""
    place = f"{CERTIFICATES}backup-ca/"
    secret = "passphrase-of-the-backup"
    form = {"passphrase": secret, "confirm": secret, "password": PASSWORD}
    page = visitor.submit(visitor.get(place), form, action=place)
    job = re.findall(r"/jobs/([0-9a-f-]{36})/", page.text)[0]
    state = STATE.format(job=job)
    until(lambda: zone.shell(state).strip() == JobState.CONFIRMING, "the worker has the job")
    shown = zone.console.succeeds(confirm.commands.replace(" ID ", f" {job} "), given="yes\n")
    assert shown.count(job) >= 2, "it is listed, and shown before it is confirmed"
    assert "Confirmed." in shown
    until(lambda: zone.shell(state).strip() == JobState.DONE, "the CA is backed up", 120)


def check_services(zone: BareZone) -> None:
    """Check timers, checks, secrets, and who can open the CA vault."""
    host = zone.console
    timers = host.succeeds("systemctl list-timers --no-legend 'zcc-check@*'")
    for check in CHECKS:
        assert f"zcc-check@{check}.timer" in timers
        host.succeeds(f"systemctl start zcc-check@{check}")
    logs = host.succeeds("journalctl --no-pager")
    for name in ("secret_key", "database_password", "broker_url"):
        assert host.succeeds(f"cat /etc/zcc/secrets/{name}") not in logs
    other = "setpriv --reuid nobody --regid nogroup --clear-groups"
    assert host.run(f"{other} cat /etc/zcc/secrets/secret_key").returncode != 0
    assert host.run(f"{other} zcc-manage check").returncode != 0
    for service in SERVICES:
        pid = host.succeeds(f"systemctl show --property MainPID --value {service}").strip()
        inside = f"nsenter --target {pid} --mount setpriv --reuid zcc --regid zcc --clear-groups"
        host.succeeds(f"{inside} test -e /opt/zcc")
        done = host.run(f"{inside} cat /var/lib/zcc-ca/ca-vault.key")
        assert (done.returncode == 0) == (service == "zcc-worker"), service


def purge(zone: BareZone, install: code_blocks.Block) -> None:
    """Purge the package, which keeps the zone. It continues when the package is installed again."""
    keys = "find /var/lib/zcc /var/lib/zcc-ca -name '*vault.key' | sort | xargs sha256sum"
    before = zone.console.succeeds(keys)
    assert before.count("/var/lib/") >= 2
    zone.console.succeeds("apt-get purge zcc-console")
    assert zone.console.run("ls -d /etc/zcc /opt/zcc/.venv /opt/zcc/zcc").stdout == ""
    assert zone.console.run("systemctl is-active zcc-web").returncode != 0
    assert zone.console.succeeds(keys) == before
    zone.install_console(install)
    zone.is_well()
    assert "The audit log is intact" in zone.console.succeeds("zcc-manage verify_audit")
