"""PgBouncer with transaction pooling in front of a PostgreSQL cluster of the tests.

A connection to the server is used for one transaction and then closed. So what a session keeps
after a transaction, such as a cursor WITH HOLD, is lost at once and not only under load.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

from zcc.runtime import processes

PORT = 6432
CONFIGURATION = """\
[databases]
* = host={folder} port=5432
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/pgbouncer.users
pool_mode = transaction
server_lifetime = 0
default_pool_size = 20
"""


def start(folder: Path, owner: pwd.struct_passwd | None) -> None:
    """Start PgBouncer for the cluster whose socket is in a folder. It ends with this process."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "pgbouncer is not installed; scripts/test-tools says how to get it"
    files = {
        "pgbouncer.ini": CONFIGURATION.format(folder=folder, port=PORT),
        "pgbouncer.users": '"zcc" ""\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text)
        # PgBouncer runs as another user, and a test can have made new files private.
        (folder / name).chmod(0o644)
    user: dict[str, Any] = {}
    if owner is not None:
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    with (folder / "pgbouncer.log").open("ab") as output:
        server = subprocess.Popen(
            [program, str(folder / "pgbouncer.ini")],
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - one thread yet
            **user,
        )
    atexit.register(_stop, server, os.getpid())
    end = time.monotonic() + 30
    while not (folder / f".s.PGSQL.{PORT}").exists():
        assert server.poll() is None, (folder / "pgbouncer.log").read_text()
        assert time.monotonic() < end, "PgBouncer did not come up"
        time.sleep(0.1)


def _stop(server: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:  # not a forked child of the session
        server.terminate()
        server.wait(20)
