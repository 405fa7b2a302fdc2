"""A streaming replica of the database of an installation, which can take over its address."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.harness.installation import Data, keep
from tests.harness.places import free_port
from tests.harness.zone import until
from tests.support import postgres


class Replica:
    """A copy that follows the database asynchronously until it is stopped or promoted."""

    def __init__(self, data: Data, stack: ExitStack) -> None:
        self._data, self._stack = data, stack
        self._folder = data.place / "replica"
        password = (data.secrets / "database_password").read_text()
        self._environment = {**os.environ, "PGPASSWORD": password}
        source = ["-h", data.address, "-p", data.ports["ZCC_DATABASE_PORT"], "-U", "zcc"]
        copy = [postgres._program("pg_basebackup"), "-D", str(self._folder), *source]
        subprocess.run(
            [*copy, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
            check=True,
            cwd=data.place,
            env=self._environment,
            **data.user,
        )
        self._process = self._start(free_port(data.address))

    def follows(self) -> bool:
        """Return True if the database sends its changes to this replica."""
        return self._ask(self._data.ports["ZCC_DATABASE_PORT"], REPLICATION) == "1"

    def stop_when(self, statement: str, value: str) -> None:
        """Stop it as soon as the database returns a value, so that it falls behind from then on."""
        port = self._data.ports["ZCC_DATABASE_PORT"]
        until(lambda: self._ask(port, statement) == value, value, 120)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def take_over(self, statement: str) -> str:
        """Promote it at the address of the database, which has been lost.

        Returns the result of a statement from before it was promoted.
        """
        port = self._data.ports["ZCC_DATABASE_PORT"]
        self._process = self._start(int(port))
        until(lambda: self._ask(port, statement), "it accepts connections", 60)
        result = self._ask(port, statement)
        until(lambda: self._ask(port, "SELECT pg_promote()") == "t", "it is promoted", 60)
        self._data.is_ready()
        return result

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        program = [postgres._program("postgres"), "-D", str(self._folder)]
        address = ["-c", f"listen_addresses={self._data.address}", "-c", f"port={port}"]
        log = Path(self._data.folder) / "replica.log"
        line = [*program, "-k", str(self._data.place), *address]
        return keep(self._stack, line, log, cwd=self._data.place, **self._data.user)

    def _ask(self, port: str, statement: str) -> str:
        line = [postgres._program("psql"), "-h", self._data.address, "-p", port, "-U", "zcc"]
        done = subprocess.run(
            [*line, "-qtAc", statement, "zcc"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()


REPLICATION = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
