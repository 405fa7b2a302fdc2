"""How this agent was installed, which decides who upgrades it.

A zip application can be upgraded by the console. The files of a package belong to the package
manager: the packages of the agent contain a file that names it.

See: D-221
"""

from __future__ import annotations

import os
from typing import List

from wire.messages import FEATURE_AGENT_UPGRADE, FEATURE_DEB, FEATURE_RPM
from zac import archive
from zac.host import files
from zac.host.home import Home

CHECKOUT, ARCHIVE, DEB, RPM = "", "archive", "deb", "rpm"
PACKAGED_PROGRAM = "/usr/bin/zac"
PACKAGE_FILE = "/usr/share/zcc-agent/package"
# An empty file in the data directory with which a host allows upgrades by the console.
OPT_IN = "allow-agent-upgrade"
FEATURES = {ARCHIVE: FEATURE_AGENT_UPGRADE, DEB: FEATURE_DEB, RPM: FEATURE_RPM}


def find_installation() -> str:
    """Return how this agent was installed: CHECKOUT, ARCHIVE, DEB, or RPM."""
    path = archive.find_path()
    if not path:
        return CHECKOUT
    if path != PACKAGED_PROGRAM:
        return ARCHIVE
    package = (files.read(PACKAGE_FILE) or b"").decode("ascii", "replace").strip()
    return package if package in (DEB, RPM) else ARCHIVE


def accepts_upgrades(home: Home) -> bool:
    """Return True if the administrator of this host allows upgrades by the console."""
    return os.path.exists(home.path_to(OPT_IN))


def list_features(home: Home) -> List[str]:
    """Return the feature that this agent reports because of its installation."""
    found = FEATURES.get(find_installation())
    if not found or (found == FEATURE_AGENT_UPGRADE and not accepts_upgrades(home)):
        return []
    return [found]
