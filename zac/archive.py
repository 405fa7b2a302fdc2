"""The zip application that this agent runs from, if it is not a checkout."""

from __future__ import annotations

import os
import sys
import zipfile
from typing import List, NoReturn

# The first argument with which the entry point of the zip application starts the service.
SERVICE = "--service"


def find_path() -> str:
    """Return the absolute path of the zip application, "" in a checkout."""
    path = os.path.abspath(sys.argv[0])
    is_archive = __file__.startswith(path + os.sep) and zipfile.is_zipfile(path)
    return path if is_archive else ""


def service_command(home: str) -> List[str]:
    """Return the command line of the agent as a service, with the same Python and the same code."""
    path = find_path()
    if not path:
        return [sys.executable, "-m", "zac.service", home]
    # Isolated, so that neither the environment nor the working directory adds code.
    return [sys.executable, "-I", path, SERVICE, home]


def start_service(home: str) -> NoReturn:
    """Replace this process with the agent as a service."""
    command = service_command(home)
    os.execv(command[0], command)  # noqa: S606 - our own program, and its arguments are a list
