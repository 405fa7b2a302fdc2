"""The one error type: what happened, what was not changed, and what to do (manual, Appendix A)."""

from __future__ import annotations

import enum
from typing import Any


class Kind(str, enum.Enum):
    """What sort of failure it is; only an edge turns it into a status or an exit code."""

    INVALID = "invalid"
    REFUSED = "refused"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not-found"
    TOO_MANY = "too-many"
    TOO_LARGE = "too-large"
    UNAVAILABLE = "unavailable"


class Fault(Exception):
    """A foreseen failure. Raise it where it arises, render it only at the edge.

    `explanation` says what happened and what was not changed, `action` what to do now.
    `field` names the input that is wrong, where there is one.
    """

    kind: Kind = Kind.REFUSED
    # A text; that of a class may be a lazy one, which is translated when the fault is raised.
    action: Any = ""

    def __init__(self, explanation: str, *, action: str = "", field: str = "") -> None:
        super().__init__(explanation)
        self.explanation = explanation
        self.action = str(action or type(self).action)
        self.field = field

    def __str__(self) -> str:
        return " ".join(part for part in (self.explanation, self.action) if part)


class Invalid(Fault):
    """What was handed in is not well formed."""

    kind = Kind.INVALID


class Refused(Fault):
    """It is well formed, and not allowed as things stand."""


class Conflict(Fault):
    """Somebody else got there first, or the thing has moved on."""

    kind = Kind.CONFLICT


class NotFound(Fault):
    """There is no such thing, or it is not yours to see; the two are not told apart."""

    kind = Kind.NOT_FOUND


class Forbidden(Fault):
    """The one who asks lacks the right."""

    kind = Kind.FORBIDDEN


class Unauthenticated(Fault):
    """The one who asks did not prove who they are."""

    kind = Kind.UNAUTHENTICATED


class TooMany(Fault):
    """It was asked too often; after a while it may be asked again."""

    kind = Kind.TOO_MANY


class Unavailable(Fault):
    """A part that is needed does not answer now."""

    kind = Kind.UNAVAILABLE
