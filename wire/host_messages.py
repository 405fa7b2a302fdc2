"""What an agent did on its host after a change of trust: part of each refresh.

See: D-269
"""

from __future__ import annotations

from typing import List, Optional

from wire.records import Record

# Events of hooks.
TRUST_CHANGED, ACTIVATED, RETIRED = "trust-changed", "activated", "retired"
# Results of hooks.
SUCCEEDED, FAILED, TIMED_OUT = "succeeded", "failed", "timed-out"
NOT_RUN, INTERRUPTED = "not-run", "interrupted"
HOOK_STATES = (SUCCEEDED, FAILED, TIMED_OUT, NOT_RUN, INTERRUPTED)


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


class HostReport(Record):
    """What an agent did on its host. A field is None if the agent did nothing of its kind."""

    hooks: Optional[HookReport] = None
