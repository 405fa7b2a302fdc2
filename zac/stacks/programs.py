"""Programs of TLS stacks, and the result of one of them."""

from __future__ import annotations

import re
from typing import Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from wire.update_messages import PASSED, REJECTED, UNREACHABLE
from zac.host import processes
from zac.host.processes import Finished

LIMIT_SECONDS = 5.0
MAX_DETAIL = 200
_VERSION = re.compile(r"\d+\.\d+[\w.]*")
# Java writes its messages in the language of the user.
_ENVIRONMENT = {"JAVA_TOOL_OPTIONS": "", "HOME": "/nonexistent"}


class Target(NamedTuple):
    """The server to check, and the file with the new root.

    `empty` is an empty folder, for programs that would use further roots otherwise, and `folder`
    one for files of the check.
    """

    host: str
    port: int
    root: str
    empty: str
    folder: str

    @property
    def is_address(self) -> bool:
        """Return True if the host is an IP address."""
        return ":" in self.host or self.host.replace(".", "").isdigit()

    @property
    def netloc(self) -> str:
        """Return host and port for a URL."""
        return "%s:%d" % ("[%s]" % self.host if ":" in self.host else self.host, self.port)


class Outcome(NamedTuple):
    """Result of one stack. `code` is PASSED, REJECTED, or UNREACHABLE."""

    code: str
    detail: str = ""


class Stack(NamedTuple):
    """A TLS stack: the program that must exist, and the function that checks a target.

    The function returns None if the program could not check it at all.
    """

    name: str
    program: str
    check: Callable[[str, Target], Optional[Outcome]]
    version: Sequence[str] = ()


def passed() -> Outcome:
    """Return the outcome of a stack that accepts the new certificate."""
    return Outcome(PASSED)


def rejected(detail: str) -> Outcome:
    """Return the outcome of a stack that rejects the new certificate."""
    text = "".join(char if char.isprintable() else " " for char in detail.strip())
    return Outcome(REJECTED, text[:MAX_DETAIL].rstrip("."))


def unreachable() -> Outcome:
    """Return the outcome if the server did not respond."""
    return Outcome(UNREACHABLE)


def run(*command: str) -> Finished:
    """Run a program within the time limit of a check."""
    return processes.run(command, limit=LIMIT_SECONDS, environment=_ENVIRONMENT)


_versions: Dict[Tuple[str, ...], str] = {}


def read_version(path: str, options: Sequence[str]) -> str:
    """Return the version that a program prints, "" if it has no option for it."""
    if not options:
        return ""
    command = (path, *options)
    if command not in _versions:
        found = _VERSION.search(run(*command).output)
        _versions[command] = found.group(0) if found else ""
    return _versions[command]
