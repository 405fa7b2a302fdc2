"""What this agent did on its host, for its next refresh."""

from __future__ import annotations

from typing import Optional

from wire.host_messages import HostReport
from zac.hooks import runner
from zac.host.home import Home
from zac.system_trust import synchronization


def build(home: Home) -> Optional[HostReport]:
    """Return the results of hooks and of the system's trust store, None if there are none."""
    hooks, system_trust = runner.build_report(home), synchronization.load(home)
    return HostReport(hooks, system_trust) if hooks or system_trust else None
