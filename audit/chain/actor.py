"""The current actor, set for each request, task, or agent call and stored in each audit entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """The user, device, or process that performs an action, and its address.

    `session` is a digest, never the session key. For an API token it is the number and name.
    `subject` is the user as a subject of audit entries, so that their entries name the user, too.
    """

    name: str
    address: str = ""
    session: str = ""
    subject: str = ""


SYSTEM = Actor("system")
_current: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def current() -> Actor:
    """Return the current actor; SYSTEM by default."""
    return _current.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Record all audit entries in this context under the given actor."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
