"""Reports to the console: kept until they have arrived, sent in their order."""

from __future__ import annotations

import functools

from wire.values import replace
from zac.host.host import Host
from zac.host.state import Report, State
from zac.network import calls


def flush(host: Host) -> None:
    """Send every report that is waiting; raises a fault if no server takes them now."""
    for report in host.state.load().reports:
        try:
            calls.tell(host, "/zac/v1/updates/%s/status" % report.update, report.status)
        except calls.Rejected as fault:
            # The console no longer knows the update or the device has no part in it.
            host.note("report-rejected", update=report.update, reason=fault.explanation)
        host.state.change(functools.partial(_without, sent=report))


def _without(state: State, sent: Report) -> State:
    return replace(state, reports=[one for one in state.reports if one != sent])
