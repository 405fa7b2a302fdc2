"""Exit codes, so that a script knows what an administrator has to do (5: run the remint tool)."""

from __future__ import annotations

import sys
from typing import Callable

from faults import Fault, Kind
from wire.envelope import NotSigned
from wire.json_codec import Malformed
from wire.metadata import BadManifest
from zac.content.content import ContentMissing
from zac.host.home import NotRegistered
from zac.host.locks import Locked
from zac.network.calls import Busy, NoneVerifies, NoServer
from zac.network.contact import NotProven
from zac.network.tls import BadAddress, Refused, Unreachable
from zac.trust.recovery import NoWayBack
from zac.updates.steps import OldUpdate

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
    ((NoServer, Unreachable, Busy), UNREACHABLE),
    ((NoneVerifies, Refused, NoWayBack), NOT_VERIFIED),
    ((NotSigned, NotProven, BadManifest, Malformed, ContentMissing, OldUpdate), BAD_CONTENT),
    (Locked, LOCKED),
)


def told(act: Callable[[], int]) -> int:
    """Do something and return its exit code, or that of its fault, which is told."""
    try:
        return act()
    except Fault as fault:
        print("zac: %s" % fault.explanation, file=sys.stderr)
        if fault.action:
            print("     %s" % fault.action, file=sys.stderr)
        return code_of(fault)


def code_of(fault: Fault) -> int:
    """Return the exit code that a fault ends the program with."""
    for kinds, code in CODES:
        if isinstance(fault, kinds):
            return code
    return USAGE if fault.kind is Kind.INVALID else ERROR
