"""A process that dies at one of the calls by which it changes the file system."""

from __future__ import annotations

import contextlib
import os as real_os
from collections.abc import Callable
from typing import Any

import pytest

from zac.host import files

CHANGING = ("open", "write", "fsync", "replace", "symlink", "mkdir", "unlink", "close", "rmdir")
MOMENTS = ("before", "after", "torn")


class Died(BaseException):
    """The process was killed."""


class DyingOs:
    """The os module of a process that dies at one call."""

    def __init__(self, at: int, moment: str) -> None:
        self.left, self.moment = at, moment
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(real_os, name)
        return self._counted(name, found) if name in CHANGING else found

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                # Nothing runs in a dead process, not even a finally; but handles are closed.
                if name == "close" and args[0] is not None:
                    return call(*args)
                raise Died
            self.left -= 1
            if self.left != 0:
                return call(*args, **kwargs)
            self.dead = True
            if self.moment == "after":
                with contextlib.suppress(FileNotFoundError):
                    call(*args, **kwargs)
            elif self.moment == "torn" and name == "write":
                call(args[0], bytes(args[1])[: len(args[1]) // 2])
            if self.moment != "after" and name == "close":
                call(*args, **kwargs)
            raise Died

        return counted


def calls_of(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    counting = DyingOs(-1, "")
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", counting)
        act()
    return -1 - counting.left
