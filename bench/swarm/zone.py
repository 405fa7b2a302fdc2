"""The zone of a run: consoles, workers, and broker as `make run` starts them, without devices."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from bench.processes import Family
from bench.refresh import postgresql_cpu
from bench.swarm.plan import Plan
from pki.certificates import details
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone, scenario_zone
from tests.support import postgres
from wire.messages import MANAGED, PRIMARY
from zcc.runtime.layout import save_layout

DATABASE_PART = "database"
SERVER_AGENT_PART = "server-agent"
# Below the number from which on the web server closes idle connections of one address.
FIRST_CONNECTIONS, MORE_CONNECTIONS = 20, 200
MB = 2.0**20

MIGRATE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
DATABASE_BYTES = """
from django.db import connection
with connection.cursor() as cursor:
    if connection.vendor == "postgresql":
        cursor.execute("SELECT pg_database_size(current_database())")
        print(cursor.fetchone()[0])
    else:
        sizes = []
        for name in ("page_count", "page_size"):
            cursor.execute(f"PRAGMA {name}")
            sizes.append(cursor.fetchone()[0])
        print(sizes[0] * sizes[1])
"""
ACTIVATED = """
from certificates.models import Operation
from wire.messages import MANAGED
update = Operation.objects.first().update
print(update.assignments.filter(device__role=MANAGED, state="activated").count())
"""


class SwarmZone:
    """A running zone, and what a run measures of it."""

    def __init__(self, zone: RunningZone, get_database_cpu: Callable[[], float]) -> None:
        self._zone = zone
        self._get_database_cpu = get_database_cpu
        root = zone.program().root()
        self.ca_expires_at = details.get_details(root).not_after.timestamp()

    @property
    def urls(self) -> list[str]:
        """The addresses of the consoles."""
        return [host.url for host in self._zone.hosts(PRIMARY)]

    @property
    def registration_key(self) -> str:
        """The registration key of managed devices."""
        keys = json.loads((self._zone.home / "registration-keys.json").read_text())
        return str(keys[MANAGED])

    def remint_ca(self, seconds: float) -> float:
        """Start a Remint CA that is activated after some seconds; return the time in zone time."""
        api = self._zone.program()
        administrator.remint_ca(api, seconds)
        activates_at = datetime.fromisoformat(api.operation()["activates_at"])
        # The signed update has the time in whole seconds.
        return float(int(activates_at.timestamp()))

    def spent(self) -> dict[str, float]:
        """Return the CPU seconds of each part so far."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for name, pid in self._zone.pids().items():
            seconds[get_part(name)] += Family(pid).spent()
        seconds[DATABASE_PART] = self._get_database_cpu()
        return dict(seconds)

    def memory(self) -> dict[str, float]:
        """Return the memory (PSS) of each part in MB."""
        found: defaultdict[str, float] = defaultdict(float)
        for name, used in self._zone.memory().items():
            found[get_part(name)] += used
        found[DATABASE_PART] = _get_postgresql_memory()
        return dict(found)

    def measure_connection(self) -> float:
        """Return the memory of an open TLS connection in a web process, in KB."""
        address, port = self._zone.hosts(PRIMARY)[0].address, self._zone.plan.port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def connect(count: int) -> float:
            for _ in range(count):
                plain = stack.enter_context(socket.create_connection((address, port), 20))
                stack.enter_context(context.wrap_socket(plain))
            time.sleep(0.5)
            return self.memory()["web"]

        with ExitStack() as stack:
            before = connect(FIRST_CONNECTIONS)
            return (connect(MORE_CONNECTIONS) - before) * 1024 / MORE_CONNECTIONS

    def measure_database(self) -> int:
        """Return the size of the database in bytes."""
        return int(self._zone.run(DATABASE_BYTES).split()[-1])

    def count_activated(self) -> int:
        """Return how many managed devices have activated the new CA according to the console."""
        return int(self._zone.run(ACTIVATED).split()[-1])


def get_part(name: str) -> str:
    """Return the part of a process of the launcher: ps-01.web is a web process."""
    part = name.rpartition(".")[2]
    return SERVER_AGENT_PART if part == "agent" else part


def _get_postgresql_memory() -> float:
    """Return the memory (PSS) of PostgreSQL in MB, 0.0 if the run uses SQLite."""
    folder = os.environ.get(postgres.RUNNING)
    if folder is None:
        return 0.0
    pid = int((Path(folder) / "data" / "postmaster.pid").read_text().split()[0])
    main = psutil.Process(pid)
    found = (main, *main.children(recursive=True))
    return float(sum(process.memory_full_info().pss for process in found)) / MB


def create_database(name: str) -> str:
    """Create an empty database and return its URL, "" for the SQLite file of a demo zone."""
    if not postgres.wanted():
        return ""
    server = postgres.database()
    login = {"host": server["HOST"], "user": server["USER"]}
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    # In the host part of a URL, a path would lose its upper case.
    return f"postgresql://{login['user']}@/{name}?host={quote(login['host'])}"


@contextmanager
def running(folder: Path, plan: Plan, database_url: str) -> Iterator[SwarmZone]:
    """Run a zone whose first CA expires as planned."""
    environment = {"ZCC_DATABASE_URL": database_url} if database_url else {}

    def create(zone: RunningZone) -> None:
        zone.home.mkdir(parents=True)
        # Only a demo zone has a database without a setting.
        save_layout(zone.home, zone.plan)
        began = time.monotonic()
        zone.run(MIGRATE)
        life = plan.get_ca_seconds(time.monotonic() - began)
        administrator.create_zone(zone, life=life, refresh=plan.refresh_seconds)

    with scenario_zone(
        folder,
        devices=0,
        satellites=0,
        primaries=plan.consoles,
        before=create,
        environment=environment,
    ) as zone:
        yield SwarmZone(zone, postgresql_cpu())
