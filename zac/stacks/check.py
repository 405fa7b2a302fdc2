"""Check a server with each TLS stack of this host, as part of its preflight check.

The agent itself uses the OpenSSL of its Python. Other programs of the host use other stacks, which
can reject the same certificate, for example because of an algorithm or a missing extension. The
results are for administrators. They block nothing, because not every program on a host connects to
servers of the zone.

See: D-271
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Iterator, List, Tuple
from urllib.parse import urlsplit

from faults import Fault
from wire.messages import ServerAddress
from wire.update_messages import StackResult
from zac.host import files, processes
from zac.host.host import Host
from zac.stacks import connecting, offline, programs
from zac.stacks.programs import Stack, Target

FOLDER = "tls-check"
# Environment variable with the names of the stacks to check, separated by commas. Without it, all.
SELECTED = "ZAC_TLS_STACKS"
# All stacks together have this time, so that they cannot delay the next refresh for long.
TOTAL_SECONDS = 30.0
HTTPS_PORT = 443


def check_server(host: Host, server: ServerAddress, root: str) -> List[StackResult]:
    """Return the result of each stack for the preflight port of a server, with the new root only.

    Call it only if the server has passed the preflight check of the agent. Without space for its
    files, there are no results.
    """
    installed = _list_installed()
    results: List[StackResult] = []
    until = time.monotonic() + TOTAL_SECONDS
    try:
        with _prepared_target(host, server, root) as target:
            for program, stack in installed:
                outcome = stack.check(program, target) if time.monotonic() < until else None
                if outcome is not None:
                    version = programs.read_version(program, stack.version)
                    code, detail = outcome
                    results.append(StackResult(server.id, stack.name, code, version, detail))
    except (Fault, OSError) as error:
        # This check is only a warning, so it must not stop an update.
        host.log_warning("TLS libraries were not checked: %s" % error)
    return results


def _list_installed() -> List[Tuple[str, Stack]]:
    """Return the selected stacks whose program is installed, with its path."""
    selected = os.environ.get(SELECTED)
    names = None if selected is None else selected.split(",")
    found = [
        (processes.find_program(stack.program), stack)
        for stack in (*connecting.STACKS, *offline.STACKS)
        if names is None or stack.name in names
    ]
    return [(program, stack) for program, stack in found if program]


@contextlib.contextmanager
def _prepared_target(host: Host, server: ServerAddress, root: str) -> Iterator[Target]:
    folder = host.home.path_to(FOLDER)
    files.remove_tree(folder)
    files.make_folder(os.path.join(folder, "empty"))
    path = os.path.join(folder, "root.pem")
    files.write(path, root.encode())
    parts = urlsplit(server.preflight_url)
    target = Target(
        host=parts.hostname or "",
        port=parts.port or HTTPS_PORT,
        root=path,
        empty=os.path.join(folder, "empty"),
        folder=folder,
    )
    try:
        yield target
    finally:
        files.remove_tree(folder)
