"""What an agent did on its host after a change of trust: part of each refresh.

See: D-269, D-272
"""

from __future__ import annotations

from typing import List, Optional

from wire.records import Record, replace

# Events of hooks.
TRUST_CHANGED, ACTIVATED, RETIRED = "trust-changed", "activated", "retired"
# Results of hooks.
SUCCEEDED, FAILED, TIMED_OUT = "succeeded", "failed", "timed-out"
NOT_RUN, INTERRUPTED = "not-run", "interrupted"
HOOK_STATES = (SUCCEEDED, FAILED, TIMED_OUT, NOT_RUN, INTERRUPTED)
# Results for the trust store of the operating system.
STORE_INSTALLED, STORE_REMOVED, STORE_FAILED = "installed", "removed", "failed"
STORE_NOT_ALLOWED, STORE_MISSING = "not-allowed", "no-store"
STORE_STATES = (
    *(STORE_INSTALLED, STORE_REMOVED, STORE_FAILED),
    *(STORE_NOT_ALLOWED, STORE_MISSING),
)


class HookResult(Record):
    """Result of one hook for one event.

    `state` is one of HOOK_STATES, `exit_code` that of the program, negative for a signal. `detail`
    is its last line of output, or why it was not run.
    """

    name: str
    event: str
    state: str
    exit_code: int = 0
    seconds: float = 0.0
    detail: str = ""


class HookReport(Record):
    """The results of the hooks after the last change, and when they ran, in zone time."""

    at: float
    results: List[HookResult]


class StoreReport(Record):
    """What an agent last did with the trust store of the operating system.

    `state` is one of STORE_STATES, `store` the name of the store, `roots` the number of roots of
    the zone in it, and `detail` the reason of a failure. `at` is in zone time.
    """

    state: str
    store: str = ""
    roots: int = 0
    detail: str = ""
    at: float = 0.0

    def is_same(self, other: StoreReport) -> bool:
        """Return True if the results differ in their time only."""
        return replace(self, at=0.0) == replace(other, at=0.0)


class HostReport(Record):
    """What an agent did on its host. A field is None if the agent did nothing of its kind."""

    hooks: Optional[HookReport] = None
    system_trust: Optional[StoreReport] = None
