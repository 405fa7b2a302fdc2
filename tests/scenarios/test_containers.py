"""docker-compose.yml with real engines: a zone, a Remint CA, and an upgrade during another one.

Steps and commands are those of docs/deployment.md, with Docker and with podman-compose. Agents run
outside of the containers.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pki.certificates import details
from tests.harness import evidence
from tests.harness.agents import Agent
from tests.harness.containers import engine, images
from tests.harness.containers.docker import Docker
from tests.harness.containers.engine import Engine
from tests.harness.containers.network import own_network
from tests.harness.containers.project import SERVICES, Project
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.running_zone import LOOK, REMINT
from tests.scenarios.test_production import PASSWORD, QUICK
from tests.support import code_blocks
from tests.support.public_ca import PublicCA, written
from wire.messages import AUTHENTICATION_SATELLITE
from zcc.runtime.components import BASE_DIR

PAGE = BASE_DIR / "docs" / "deployment.md"
SERVED = "/var/lib/zcc/server/security/current/server.pem"
# The addresses of the server in .env.example, and of the agents.
SERVER, SATELLITE, DEVICE = "192.0.2.11", "192.0.2.31", "192.0.2.51"
NETWORK = "192.0.2.0/24"
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.allow_hosts([SERVER]),
]
GIB = 2**30
MEMORY = {
    **dict.fromkeys(("web", "beat", "zac", "migrate"), GIB),
    "worker": 2 * GIB,
    "database": 2 * GIB,
    "broker": GIB // 2,
}
PROCESSES = {"database": 512, "broker": 64}
OUR_SECRETS = {"secret_key", "database_url", "broker_url"}
SECRETS = {"database": {"database_password"}, "broker": {"valkey_conf"}}
# The next release: the same program with one more migration, which takes a while.
NEXT = "localhost/zcc:next"
NEXT_IMAGE = """\
FROM localhost/zcc
COPY 9999_slow.py /opt/zcc/devices/migrations/
"""
SLOW_MIGRATION = """\
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("devices", "{last}")]
    operations = [migrations.RunSQL("SELECT pg_sleep(20)", migrations.RunSQL.noop)]
"""
SOON = """
from datetime import timedelta
from django.utils import timezone
from certificates.models import Operation
from certificates.operations import intervention
now = timezone.now()
soon = now + timedelta(seconds=75)
intervention.change_activation_time(Operation.objects.first(), soon, now=now)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return the sources in a folder, with podman, which has the base images."""
    obstacle = engine.find_obstacle()
    if obstacle:
        pytest.skip(f"NOT TESTED: containers cannot run on this machine: {obstacle}")
    podman = Engine(tmp_path)
    with engine.only_user():
        source = images.provide(podman)
        obstacle = podman.find_obstacle(images.list_names()["python"])
        if obstacle:
            pytest.skip(f"NOT TESTED: podman cannot run containers on this machine: {obstacle}")
        sys.stdout.write(f"The base images are from {source}.\n")
        yield Project(tmp_path, podman)


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_a_zone_in_containers_is_reminted_and_upgraded(
    project: Project, tmp_path: Path, kind: str
) -> None:
    install = code_blocks.get(PAGE, "Install with Docker Compose").commands.splitlines()
    create = code_blocks.get(PAGE, "Install with Docker Compose", 2).commands
    external = code_blocks.get(PAGE, "Install with Docker Compose", 3).commands
    start = install.index("docker compose up -d")
    project.follow(*install[:start])
    if kind == "docker":
        project.engine = Docker(project.engine)
    # Building needs the network of this machine, running does not.
    with own_network(SERVER, SATELLITE, DEVICE), ExitStack() as stack:
        stack.enter_context(project.engine.running())
        # A run that was killed leaves its containers.
        project.compose("down", "--volumes")
        stack.callback(project.compose, "down", "--volumes")
        start_without_zone(project, install[start])
        create_zone_with_external_ca(project, external)
        project.compose("down", "--volumes")
        start_without_zone(project, install[start])
        assert "setup token" in project.follow(*install[start + 1 :])

        visitor = create_zone(project, create, tmp_path / "ca.pem")
        project.shell(QUICK)
        for name in (*SERVICES, "migrate"):
            check_restrictions(project, name)

        agents = [
            Agent(tmp_path, "as-01", SATELLITE, role=AUTHENTICATION_SATELLITE),
            Agent(tmp_path, "pc-01", DEVICE),
        ]
        for agent in agents:
            agent.join(project, stack, network=NETWORK)
        remint(project, "ACME 2", seconds=120)
        completes(project, "ACME 2")

        remint(project, "ACME 3", seconds=7200)
        until(lambda: is_applied(project), "the update is applied by all hosts", 300)
        operation = look(project)["id"]
        upgrade(project, tmp_path)
        assert is_applied(project)
        assert look(project)["id"] == operation
        assert visitor.get("/configuration/certificates/").status == 200, "the session is kept"
        project.shell(SOON)
        completes(project, "ACME 3")

        now = time.time()
        for agent in agents:
            until(partial(agent.is_in_contact, now), f"{agent.name} is in contact", 60)
        assert [one for one in evidence.contacts(tmp_path) if one.refused] == []
        said = project.execute("web", "python", "manage.py", "verify_audit")
        assert "The audit log is intact" in said
        check_secrets(project)


def start_without_zone(project: Project, command: str) -> None:
    """Start all services by the command of the page, with empty volumes."""
    project.follow(command)
    until(lambda: project.ill() == [], "all services are healthy without a zone", 300)
    until(lambda: migration(project) == ("exited", 0), "the migrations are applied", 60)


def create_zone_with_external_ca(project: Project, commands: str) -> None:
    """Create a CSR by the first command of the page, sign it, and create the zone by the second."""
    first, _, second = commands.partition("\n")
    ca, folder = PublicCA("Acme"), project.folder / "ca"
    folder.mkdir()
    (folder / "chain.p7b").write_bytes(written([*ca.chain, ca.root.pem], "p7b"))
    said = project.follow(first)
    csr = re.search(r"The CSR for this server is in (\S+\.csr)\.", said)
    assert csr is not None, said
    request = project.execute("web", "cat", csr[1])
    (folder / "ps-01.p7b").write_bytes(ca.answer(request, "p7b", addresses=[SERVER]))
    assert "Created zone ACME" in project.follow(second)
    until(lambda: project.ill() == [], "all services are healthy with an external CA", 300)
    assert ca.issuer.pem in project.execute("web", "cat", SERVED)
    until(
        lambda: details.get_details(served()).issuer_common_name == "Acme Issuing 1",
        "the certificate of the external CA is served",
        120,
    )


def create_zone(project: Project, command: str, ca_file: Path) -> Visitor:
    """Create the zone by the command of the page, follow the setup link, and log in."""
    said = project.follow(command)
    link = re.search(r"Set the password for anna at (https://[^/\s]+)(/\S+)#(\S+)\s", said)
    assert link is not None, said
    assert link[1] == project.url
    until(lambda: project.ill() == [], "all services are healthy with a zone", 300)
    path = "/var/lib/zcc/server/security/current/ca.pem"
    until(lambda: project.succeeds("web", "test", "-f", path), "the server has its certificate")
    ca_file.write_text(project.execute("web", "cat", path))
    until(
        lambda: details.get_details(served()).issuer_common_name == "ACME",
        "the zone's certificate is served",
        120,
    )
    visitor = Visitor(project.url, ca_file)
    visitor.get(link[2])
    page = visitor.post(link[2], {"code": link[3], "new_password": PASSWORD, "again": PASSWORD})
    assert page.status == 200, page.text[:2000]
    until(lambda: set(visitor.get("/healthz").json["parts"].values()) == {"ok"}, "/healthz is ok")
    return visitor


def upgrade(project: Project, folder: Path) -> None:
    """Replace the image of all components, as the page says. They wait for the migration."""
    volumes = mounts(project, "worker")
    last = max(path.stem for path in (BASE_DIR / "devices" / "migrations").glob("0*.py"))
    context = folder / "next"
    context.mkdir()
    (context / "Containerfile").write_text(NEXT_IMAGE)
    (context / "9999_slow.py").write_text(SLOW_MIGRATION.format(last=last))
    file = ("--file", str(context / "Containerfile"))
    project.engine.run("build", "--quiet", "--tag", NEXT, *file, str(context), seconds=600)
    images_before = {name: project.inspect(name)["Image"] for name in (*SERVICES, "migrate")}

    project.set("ZCC_IMAGE", NEXT)
    project.compose("up", "-d")
    until(lambda: project.is_healthy("web"), "the new web server responds", 300)
    assert migration(project) == ("exited", 0), "the web server has waited for the migration"
    until(lambda: project.ill() == [], "all services are healthy after the upgrade", 300)
    for name, image in images_before.items():
        is_replaced = project.inspect(name)["Image"] != image
        assert is_replaced == (name not in ("database", "broker")), name
    assert "pg_sleep" in project.execute("web", "cat", "/opt/zcc/devices/migrations/9999_slow.py")
    assert mounts(project, "worker") == volumes


def check_restrictions(project: Project, service: str) -> None:
    """Compare what the engine has set for a container with what production requires."""
    found = project.inspect(service)
    host = found["HostConfig"]
    assert host["Memory"] == MEMORY[service], service
    assert host["PidsLimit"] == PROCESSES.get(service, 256), service
    assert host["NanoCpus"] == (1 if service == "broker" else 2) * 10**9, service
    assert host["RestartPolicy"]["Name"] in ("unless-stopped", "on-failure"), service
    files = {one["Destination"]: one for one in found["Mounts"]}
    secrets = {Path(path).name for path in files if path.startswith("/run/secrets/")}
    assert secrets == SECRETS.get(service, OUR_SECRETS), service
    assert not any(files[f"/run/secrets/{name}"]["RW"] for name in secrets), service
    assert any(one.startswith("no-new-privileges") for one in host["SecurityOpt"]), service
    if service == "database":
        return  # Its entrypoint changes to the user postgres.
    assert host["ReadonlyRootfs"] is True, service
    assert has_no_capabilities(found), service
    if service == "broker":
        assert found["Config"]["User"] == "999:999"
        return
    assert found["Config"]["User"] == "10001:10001", service
    (limit,) = (one for one in host["Ulimits"] if one["Name"] in ("core", "RLIMIT_CORE"))
    assert limit["Soft"] == limit["Hard"] == 0, service
    assert ("/var/lib/zcc-ca" in files) == (service == "worker"), service
    if service != "migrate":
        status = project.execute(service, "cat", "/proc/1/status")
        assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE), service
        assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE), service
        assert not project.succeeds(service, "touch", "/opt/zcc/x"), f"{service} can write there"


def has_no_capabilities(found: dict[str, Any]) -> bool:
    """Return True if the engine gives a container no capabilities. Only podman lists them."""
    if "EffectiveCaps" in found:
        return found["EffectiveCaps"] in (None, [])
    return bool(found["HostConfig"]["CapDrop"] == ["ALL"] and not found["HostConfig"]["CapAdd"])


def check_secrets(project: Project) -> None:
    """No secret is in a log, in a variable, or elsewhere in the settings of a container."""
    logs = project.logs()
    assert "Traceback" not in logs
    settings = json.dumps([project.inspect(name) for name in (*SERVICES, "migrate")])
    for secret in project.secrets.iterdir():
        text = secret.read_text().split()[-1]
        assert text not in logs, secret.name
        assert text not in settings, secret.name
    assert PASSWORD not in logs
    assert "PRIVATE KEY" not in logs


def remint(project: Project, name: str, *, seconds: int) -> None:
    project.shell(REMINT.replace("DEMO-ZONE", name).format(seconds=seconds, extra={}))


def look(project: Project) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(project.shell(LOOK).splitlines()[-1])
    return seen


def is_applied(project: Project) -> bool:
    seen = look(project)
    return seen["state"] == "assigned" and set(seen["assigned"].values()) == {"applied"}


def completes(project: Project, name: str) -> None:
    """Wait for the end of the operation: every host is activated, and the server shows the CA."""
    until(lambda: look(project)["state"] == "completed", f"{name} is completed", 600)
    assigned = look(project)["assigned"]
    assert assigned.keys() == {"ps-01", "as-01", "pc-01"}
    assert set(assigned.values()) == {"activated"}
    assert details.get_details(served()).issuer_common_name == name
    until(lambda: project.ill() == [], "all services are healthy", 120)


def served() -> str:
    return evidence.served_certificate(SERVER, 8443)


def migration(project: Project) -> tuple[str, int]:
    """Return the state and the exit code of the container that applies the migrations."""
    state = project.inspect("migrate")["State"]
    return state["Status"], state["ExitCode"]


def mounts(project: Project, service: str) -> set[tuple[str, str]]:
    """Return the volumes of a container: name and path."""
    found = project.inspect(service)["Mounts"]
    return {(one["Name"], one["Destination"]) for one in found if one["Type"] == "volume"}
