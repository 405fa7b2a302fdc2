"""CPU time of a process and all its descendants, including those that have ended."""

from __future__ import annotations

import psutil


class Family:
    """A process and its descendants, which can start and end while they are measured."""

    def __init__(self, pid: int) -> None:
        self._parent = psutil.Process(pid)

    def spent(self) -> float:
        """Return the user and system CPU seconds so far.

        The kernel adds the time of a child to its parent when the parent has noticed its end. If
        that happens during the measurement, the time would be missing, so it is repeated.
        """
        while True:
            ended = _of_ended_children(self._parent)
            living = sum(_of_living(child) for child in self._parent.children(recursive=True))
            if _of_ended_children(self._parent) == ended:
                return living + ended + _of_process(self._parent)


def _of_living(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, or 0.0 if it has ended in the meantime."""
    try:
        return _of_process(process) + _of_ended_children(process)
    except psutil.NoSuchProcess:
        return 0.0


def _of_process(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _of_ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.children_user + times.children_system)
