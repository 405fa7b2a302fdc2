"""The folder of hooks: programs that an administrator wants to run after a change.

The names are those of run-parts(8): letters, digits, "_" and "-", so README.txt and hook.dpkg-old
are ignored. They run in the order of their names. A hook that others could change is not run,
because it would give them the rights of the agent.

See: D-269
"""

from __future__ import annotations

import os
import re
import stat
from typing import List

from wire.records import Record
from zac.host import files
from zac.host.home import Home

FOLDER = "hooks.d"
MAX_HOOKS = 20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_WRITABLE_BY_OTHERS = 0o022


class Hook(Record):
    """A program in the folder of hooks. `problem` says why it must not be run, "" if it can."""

    name: str
    path: str
    problem: str = ""


def get_path(home: Home) -> str:
    """Return the path of the folder of hooks."""
    return home.path_to(FOLDER)


def list_hooks(home: Home) -> List[Hook]:
    """Return the hooks in the order in which they run. Files without execute permission are none.

    At most MAX_HOOKS are run. The others have a problem.
    """
    folder = get_path(home)
    names = [name for name in files.list_names(folder) if _NAME.match(name)]
    problem = _find_problem(folder) if names else ""
    found: List[Hook] = []
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path) or not os.access(path, os.X_OK):
            continue
        is_above = len(found) >= MAX_HOOKS
        limit = "the limit of %d hooks is exceeded" % MAX_HOOKS if is_above else ""
        found.append(Hook(name, path, problem or _find_problem(path) or limit))
    return found


def _find_problem(path: str) -> str:
    """Return why a file or folder is not safe, "" if it is. A link could lead anywhere."""
    try:
        status = os.lstat(path)
    except OSError as error:
        return "%s cannot be read: %s" % (path, error.strerror)
    if stat.S_ISLNK(status.st_mode):
        return "%s is a symbolic link" % path
    if status.st_uid not in (0, os.geteuid()):
        return "%s belongs to another user than root and the user of the agent" % path
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return "other users can write to %s" % path
    return ""
