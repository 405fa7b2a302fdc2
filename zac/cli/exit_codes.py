"""Exit codes, so that a script knows what an administrator has to do (5: run the remint tool)."""

from __future__ import annotations

import sys
from typing import Callable

from faults import Fault, Kind
from wire.envelope import NotSigned
from wire.json_codec import Malformed
from wire.metadata import InvalidManifest
from zac.content.content import ContentMissing
from zac.host.home import NotRegistered
from zac.host.locks import Locked
from zac.network.calls import NoServer, NoTrustedServer
from zac.network.contact import IdentityNotProven
from zac.network.errors import BadAddress, CertificateRejected, ServerBusy, Unreachable
from zac.trust.recovery import RecoveryFailed
from zac.updates.preparation import OutdatedUpdate

OK = 0
ERROR = 1
NOT_REGISTERED = 3
UNREACHABLE = 4
NOT_VERIFIED = 5
BAD_CONTENT = 6
PENDING = 7
FAILED = 10
USAGE = 64
LOCKED = 75

CODES = (
    (BadAddress, USAGE),
    (NotRegistered, NOT_REGISTERED),
    ((NoServer, Unreachable, ServerBusy), UNREACHABLE),
    ((NoTrustedServer, CertificateRejected, RecoveryFailed), NOT_VERIFIED),
    (
        (NotSigned, IdentityNotProven, InvalidManifest, Malformed, ContentMissing, OutdatedUpdate),
        BAD_CONTENT,
    ),
    (Locked, LOCKED),
)


def print_fault(fault: Fault) -> None:
    """Print a fault for the user of a command."""
    print("zac: %s" % fault.explanation, file=sys.stderr)
    if fault.action:
        print("     %s" % fault.action, file=sys.stderr)


def run(command: Callable[[], int], report: Callable[[Fault], None] = print_fault) -> int:
    """Run a command and return its exit code. Report a fault and return its exit code."""
    try:
        return command()
    except Fault as fault:
        report(fault)
        return exit_code_of(fault)


def exit_code_of(fault: Fault) -> int:
    """Return the exit code that a fault ends the program with."""
    for kinds, code in CODES:
        if isinstance(fault, kinds):
            return code
    return USAGE if fault.kind is Kind.INVALID else ERROR
