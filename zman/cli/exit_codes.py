"""Exit codes for scripts. Codes that zac has too have the same meaning there."""

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
exit codes:
  0    success
  1    not possible in the current state
  3    permission denied
  4    console unreachable
  5    console certificate not trusted
  6    not found
  10   operation did not complete
  64   usage or input error
  70   internal error in the console
  130  interrupted"""


class NotVerified(Fault):
    """The certificate of the console is not trusted."""

    kind = Kind.UNAVAILABLE


class Failed(Fault):
    """The operation or job ended without success."""


class Bug(Fault):
    """The console reported an internal error."""

    kind = Kind.UNAVAILABLE


def code_of(fault: Fault) -> int:
    """Return the exit code for a fault."""
    for kind, code in ((NotVerified, NOT_VERIFIED), (Failed, FAILED), (Bug, BUG)):
        if isinstance(fault, kind):
            return code
    return CODES.get(fault.kind, REFUSED)
