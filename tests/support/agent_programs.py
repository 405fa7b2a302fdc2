"""Agents as zip applications of other releases, built from the sources of this one."""

from __future__ import annotations

from systemupdates.downloads import agent
from zac import RELEASE

OLD, NEW, BUILD = "0.9.0", "1.2.0", "0123456789ab"


def build_version(release: str, **replaced: str) -> bytes:
    """Return an agent with a release, in which the text of some modules is replaced."""
    members = dict(agent.read_members())
    stamp = members["zac/__init__.py"].replace(
        f'RELEASE = "{RELEASE}"'.encode(), f'RELEASE = "{release}"'.encode()
    )
    members["zac/__init__.py"] = stamp
    members.update({name: text.encode() for name, text in replaced.items()})
    return agent.build_program(members, BUILD)
