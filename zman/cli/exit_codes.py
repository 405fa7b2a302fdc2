"""Exit codes, so that a script knows what to do; those of the agent where they mean the same."""

from __future__ import annotations

from faults import Fault, Kind

OK = 0
REFUSED = 1
NOT_ALLOWED = 3
UNREACHABLE = 4
NOT_VERIFIED = 5
NOT_FOUND = 6
FAILED = 10
USAGE = 64
BUG = 70
INTERRUPTED = 130

CODES = {
    Kind.INVALID: USAGE,
    Kind.TOO_LARGE: USAGE,
    Kind.UNAUTHENTICATED: NOT_ALLOWED,
    Kind.FORBIDDEN: NOT_ALLOWED,
    Kind.NOT_FOUND: NOT_FOUND,
    Kind.UNAVAILABLE: UNREACHABLE,
}
HELP = """\
exit codes: 0 done, 1 refused as things stand, 3 not allowed, 4 the console does not answer,
5 its certificate is not trusted, 6 not found, 10 the operation did not reach its end,
64 wrong usage or input, 70 a bug in the console, 130 interrupted"""


class NotVerified(Fault):
    """The certificate that the console showed is not trusted."""

    kind = Kind.UNAVAILABLE


class Failed(Fault):
    """What was waited for did not come to its good end."""


class Bug(Fault):
    """The console had an error that nobody foresaw."""

    kind = Kind.UNAVAILABLE


def code_of(fault: Fault) -> int:
    """Return the exit code that a fault ends the program with."""
    for kind, code in ((NotVerified, NOT_VERIFIED), (Failed, FAILED), (Bug, BUG)):
        if isinstance(fault, kind):
            return code
    return CODES.get(fault.kind, REFUSED)
