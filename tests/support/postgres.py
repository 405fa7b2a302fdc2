"""A PostgreSQL cluster for the test session: ZCC_TEST_DATABASE=postgresql pytest ...

With ZCC_TEST_DATABASE=pgbouncer, tests reach it through PgBouncer with transaction pooling.

It lives in a temporary folder, is reached by a Unix socket in there, does not flush to the disk,
and goes with the session, even when that is killed. The session's workers share it.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import dj_database_url

from tests.support import pgbouncer
from zcc.runtime import processes

WANTED = "ZCC_TEST_DATABASE"
RUNNING = "ZCC_TEST_POSTGRESQL_FOLDER"
POOLED = "pgbouncer"
QUICK = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "jit=off"]
LOCAL = ["listen_addresses=", "max_connections=60", "log_min_messages=warning"]


def wanted() -> bool:
    """Return True if the tests run on PostgreSQL."""
    return os.environ.get(WANTED, "").startswith(("postgres", POOLED))


def database() -> Any:
    """Return the Django database settings; the first process of a session starts the cluster."""
    url = os.environ[WANTED]
    if "://" in url:
        return dj_database_url.parse(url)
    folder = os.environ.get(RUNNING)
    if folder is None:
        folder = start()
        if url == POOLED:
            pgbouncer.start(Path(folder), account())
    found = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "zcc",
        "USER": "zcc",
        "HOST": folder,
    }
    # As ZCC_DATABASE_POOLED does.
    pooled = {"PORT": pgbouncer.PORT, "DISABLE_SERVER_SIDE_CURSORS": True}
    return {**found, **pooled} if url == POOLED else found


def start() -> str:
    """Start a cluster; returns the folder of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="zcc-postgresql-"))
    owner = account()
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    # The server refuses to run as root, so root lends it another account.
    user: dict[str, Any] = {}
    if owner is not None:
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    made = subprocess.run(
        [_program("initdb"), "-D", data, "-U", "zcc", "-A", "trust", "-E", "UTF8", "--no-sync"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **user,
    )
    assert made.returncode == 0, made.stderr
    options = [word for option in (*QUICK, *LOCAL) for word in ("-c", option)]
    with log.open("ab") as output:
        server = subprocess.Popen(
            [_program("postgres"), "-D", data, "-k", folder, *options],
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - one thread yet
            **user,
        )
    atexit.register(_stop, server, folder, os.getpid())
    _await(server, folder)
    os.environ[RUNNING] = str(folder)
    return str(folder)


def _await(server: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 60
    ready = [_program("pg_isready"), "-h", str(folder), "-U", "zcc", "-q"]
    while subprocess.run(ready, check=False).returncode != 0:
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < end, "PostgreSQL did not come up"
        time.sleep(0.1)
    created = [_program("psql"), "-h", str(folder), "-U", "zcc", "-q", "-c", "CREATE DATABASE zcc"]
    subprocess.run([*created, "postgres"], check=True)


def _stop(server: subprocess.Popen[bytes], folder: Path, owner: int) -> None:
    if os.getpid() != owner:  # a forked child of the session
        return
    server.send_signal(signal.SIGINT)  # its fast shutdown
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
    shutil.rmtree(folder, ignore_errors=True)


def account() -> pwd.struct_passwd | None:
    """Return the account that a server runs with if the tests run as root, else None."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) if not installed else str(installed[0])
    assert found, f"{name} of PostgreSQL is not installed; scripts/test-tools says how to get it"
    return found
