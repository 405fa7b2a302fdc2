"""Start the version of the agent that is in use instead of the installed program.

The installed program, for example /usr/local/bin/zac, is never changed: the service cannot write to
its directory. It starts the version in use from the data directory, for every command, unless it
is a later one itself. See zac.upgrades.programs.

See: D-220
"""

from __future__ import annotations

import os
import sys
from typing import List

from zac import VERSION, archive
from zac.host.home import DEFAULT, Home
from zac.upgrades import installation, programs, trial, versions
from zac.upgrades.programs import Program

OPTION = "--home"


def start_version_in_use(arguments: List[str]) -> None:
    """Replace this process with the version in use, unless that is this one.

    `arguments` are those of the process, with the name of the program first. A version on trial,
    and the program of a package, replace nothing.
    """
    if trial.is_trial() or installation.find_installation() != installation.ARCHIVE:
        return
    path = _find_version_in_use(Home(_find_home(arguments[1:])))
    if not path or os.path.realpath(archive.find_path()) == os.path.realpath(path):
        return
    command = [sys.executable, "-I", path, *arguments[1:]]
    os.execv(command[0], command)  # noqa: S606 - a verified version of this program


def _find_version_in_use(home: Home) -> str:
    """Return the path of the version to start, "" if this program is to run.

    Others than the owner of the data directory cannot read it, and run the installed program.
    """
    held = programs.load(home)
    for program in (held.current, held.previous):
        if program is not None and _is_usable(home, program):
            return programs.get_path(home, program)
    return ""


def _is_usable(home: Home, program: Program) -> bool:
    """Return True if a version is intact, and not earlier than this program."""
    try:
        is_later = versions.is_newer(program.version, VERSION)
        return (is_later or program.version == VERSION) and programs.is_intact(home, program)
    except (OSError, versions.InvalidAgent):
        return False


def _find_home(arguments: List[str]) -> str:
    """Return the data directory that the arguments name, before they are parsed."""
    if arguments[:1] == [archive.SERVICE]:
        return arguments[1]
    found = os.environ.get("ZAC_HOME", DEFAULT)
    for number, argument in enumerate(arguments):
        if argument == OPTION and number + 1 < len(arguments):
            found = arguments[number + 1]
        elif argument.startswith(OPTION + "="):
            found = argument[len(OPTION) + 1 :]
    return found
