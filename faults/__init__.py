"""Errors shared by console and agent. Each says what is wrong and what to do.

See: manual, Appendix A
"""

from __future__ import annotations

import enum
from typing import Any

from faults.texts import gettext


class Kind(str, enum.Enum):
    """Category of a fault. Views map it to an HTTP status, commands to an exit code."""

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
    """An expected failure, rendered by views and commands only.

    `explanation` says what is wrong and what was not changed, `action` what to do. `field` is the
    name of the invalid input, if any.
    """

    kind: Kind = Kind.REFUSED
    # The default of a class can be a lazy translation. It is translated when the fault is raised.
    action: Any = ""

    def __init__(self, explanation: str, *, action: str = "", field: str = "") -> None:
        super().__init__(explanation)
        self.explanation = explanation
        self.action = str(action) or gettext(str(type(self).action))
        self.field = field

    def __str__(self) -> str:
        return " ".join(part for part in (self.explanation, self.action) if part)


class Invalid(Fault):
    """The input is not valid."""

    kind = Kind.INVALID


class Refused(Fault):
    """The request is valid but not allowed in the current state."""


class Conflict(Fault):
    """The object was changed by another user or process."""

    kind = Kind.CONFLICT


class NotFound(Fault):
    """The object does not exist, or the user does not have permission to view it."""

    kind = Kind.NOT_FOUND


class Forbidden(Fault):
    """The user does not have the required right."""

    kind = Kind.FORBIDDEN


class Unauthenticated(Fault):
    """The user or device is not authenticated."""

    kind = Kind.UNAUTHENTICATED


class TooMany(Fault):
    """Too many requests were made. They are accepted again after `retry_after` seconds."""

    kind = Kind.TOO_MANY

    def __init__(self, explanation: str, *, action: str = "", retry_after: int = 60) -> None:
        super().__init__(explanation, action=action)
        self.retry_after = retry_after


class Unavailable(Fault):
    """A required component is not available at the moment."""

    kind = Kind.UNAVAILABLE
