"""What this agent did on its host, for its next refresh."""

from __future__ import annotations

from typing import Optional

from wire.host_messages import HostReport
from zac.hooks import runner
from zac.host.home import Home


def build(home: Home) -> Optional[HostReport]:
    """Return the results of hooks, None if they have never run."""
    hooks = runner.build_report(home)
    return HostReport(hooks) if hooks is not None else None
