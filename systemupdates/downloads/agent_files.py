"""Offer the agent on this server: the zip application, and the packages of this release.

The zip application is built when the worker starts. The packages are the files that
`make packages` has written to dist/, if they contain this version of the agent.

See: D-180, D-181
"""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings

from systemupdates.content import store
from systemupdates.downloads import agent, publication
from systemupdates.downloads.publication import PublishedFile
from wire import metadata
from wire.metadata import sha256

PATTERNS = (agent.NAME, *agent.PACKAGE_PATTERNS)


def publish_agent_files() -> list[str]:
    """Publish the files of this version, and remove those of other versions.

    Returns the names of the files that were published or removed.
    """
    files = {agent.NAME: agent.build_agent(), **_read_packages()}
    changed = [name for name in _list_published() if name not in files]
    for name in changed:
        publication.withdraw_file(name)
    for name, data in files.items():
        if not _is_published(name, data):
            mode = 0o755 if name == agent.NAME else 0o644
            publication.publish_file(name, data, metadata.AGENT, mode=mode)
            changed.append(name)
    # Upgrades of agents distribute it as content.
    if store.find_file(sha256(files[agent.NAME])) is None:
        store.store_file(agent.NAME, files[agent.NAME])
    return changed


def list_agent_files() -> list[PublishedFile]:
    """Return the files of the agent that this server offers. The zip application comes first."""
    names = sorted(_list_published(), key=lambda name: (name != agent.NAME, name))
    return [publication.read_file(name) for name in names]


def list_file_names() -> list[str]:
    """Return the names of the files that can be downloaded, with their digests and signatures."""
    return publication.list_names(f"{pattern}*" for pattern in PATTERNS)


def _list_published() -> list[str]:
    return publication.list_names(PATTERNS)


def _is_published(name: str, data: bytes) -> bool:
    path = publication.get_folder() / name
    try:
        is_same = publication.read_file(name).sha256 == sha256(data) == sha256(path.read_bytes())
        return is_same and publication.has_second_signature(name)
    except OSError:
        return False


def _read_packages() -> dict[str, bytes]:
    """Return the packages in dist/ by name, none if they are of another version or damaged."""
    folder = Path(settings.BASE_DIR) / "dist"
    try:
        index = json.loads((folder / agent.INDEX).read_text())
        found = {name: (folder / name).read_bytes() for name in index["files"]}
    except (OSError, ValueError, KeyError):
        return {}
    is_intact = all(sha256(data) == index["files"][name] for name, data in found.items())
    return found if is_intact and index.get("agent") == agent.get_version() else {}
