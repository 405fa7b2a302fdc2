"""Who is acting: set once at the edge (request, task, agent call), read by every ledger entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """The one who acts, and where from.

    `session` is a digest, never the session key; for a token of the API its number and name.
    """

    name: str
    address: str = ""
    session: str = ""


SYSTEM = Actor("system")
_current: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def current() -> Actor:
    """Return who is acting now; the system itself where nobody else is."""
    return _current.get()


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Let everything inside be written to the ledger under this actor."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
