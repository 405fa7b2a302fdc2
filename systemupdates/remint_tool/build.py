"""Build, publish, and remove the Certificate Remint Tool of an update.

The file is a shell stub followed by a zip application with the sources of the agent, the signed
manifest, and the files of the update. It is identical on every Primary Server.

See: manual 1.2.4; D-40
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from devices.identity import zone_keys
from devices.models import Zone
from devices.registration.states import DeviceState
from systemupdates.content import store
from systemupdates.downloads import publication
from systemupdates.downloads.archive import build_archive, read_sources
from systemupdates.downloads.publication import PublishedFile, get_folder
from systemupdates.models import Replica, SystemUpdate, TrustNotice
from systemupdates.updates.states import ReplicaState, UpdateState
from wire import json_codec, messages, metadata
from wire.metadata import sha256

STEM = "ZENworks_Certificate_Update_Linux"
NAME = f"{STEM}.bin"
PACKAGES = ("faults", "wire", "zac")

# The check reads the archive as data: Python must not import code from a damaged file. With -I, it
# imports nothing from the current directory either.
STUB = b"""#!/bin/sh
# Certificate Remint Tool: needs Python 3.8 or newer with ssl, nothing else.
check='import hashlib, sys
data = open(sys.argv[1], "rb").read()[int("%(offset)06d"):]
sys.exit((len(data), hashlib.sha256(data).hexdigest()) != (int("%(size)010d"), "%(sha256)s"))'
for py in "$ZAC_PYTHON" /opt/zac/bin/python3 python3 /usr/libexec/platform-python; do
  [ -n "$py" ] || continue
  command -v "$py" >/dev/null 2>&1 || continue
  "$py" -I -c 'import sys, ssl; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 || continue
  "$py" -I -c "$check" "$0" || {
    echo "This file is damaged or incomplete. Nothing was changed. Download it again, and" >&2
    echo "compare its SHA-256 digest with the digest in the console." >&2
    exit 6
  }
  exec "$py" -I "$0" "$@"
done
echo "This tool needs Python 3.8 or newer with the ssl module. Install python3, or name one" >&2
echo "in ZAC_PYTHON, and run it again. Nothing was changed." >&2
exit 69
"""
ENTRY = b"import sys\nfrom zac.remint_tool import main\n\nsys.exit(main(archive=sys.argv[0]))\n"


def build_tool(update: SystemUpdate) -> bytes:
    """Return the bytes of the tool. Raise LookupError if its content is not on this server."""
    members = {"__main__.py": ENTRY, **read_sources(*PACKAGES)}
    members["update/manifest.json"] = json_codec.dump(update.get_envelope())
    members["update/notices.json"] = json_codec.dump(_notices(update))
    for digest in update.digests():
        found = store.find_file(digest)
        if found is None:
            raise LookupError(digest)
        members[f"update/files/{digest}"] = found.read_bytes()
    return add_stub(build_archive(members))


def add_stub(archive: bytes) -> bytes:
    """Return the archive with the stub in front, which contains its offset, size, and digest."""
    values = {b"size": len(archive), b"sha256": sha256(archive).encode()}
    offset = len(STUB % {**values, b"offset": 0})
    return STUB % {**values, b"offset": offset} + archive


def _notices(update: SystemUpdate) -> metadata.RecoveryNotices:
    rows = TrustNotice.objects.filter(update=update, kind=TrustNotice.Kind.ACTIVATED).order_by("pk")
    zone = metadata.verify_document(
        metadata.Manifest,
        metadata.MANIFEST,
        update.get_envelope(),
        zone_keys.get_public_keys(Zone.objects.get_zone()),
    ).zone
    return metadata.RecoveryNotices(zone=zone, notices=[row.get_envelope() for row in rows])


def publish_tools(server_id: UUID) -> list[str]:
    """Publish the tools of current updates on this server, and remove all other tools.

    Each tool has its SHA-256 and its zone key signature in files next to it. Returns the names of
    the files that were published or removed.
    """
    changed = []
    published = {str(replica.update_id): replica for replica in _get_published_replicas(server_id)}
    for replica in published.values():
        if not replica.tool_sha256 or not (get_folder() / get_name(replica.update)).is_file():
            changed += _publish_tool(replica)
    for path in _list_published():
        if path.name.split(".")[0].removeprefix(f"{STEM}-") not in published:
            path.unlink()
            changed.append(path.name)
    _link_newest(list(published.values()))
    withdrawn = Replica.objects.filter(_is_withdrawn(), server_id=server_id)
    withdrawn.exclude(tool_sha256="").update(tool_sha256="")
    return changed


def _get_published_replicas(server_id: UUID) -> list[Replica]:
    """Return the replicas whose tool this server offers.

    The initiating server offers it as soon as the update exists, other servers once it is assigned.
    """
    excluded = (UpdateState.CANCELED, UpdateState.CREATED)
    not_assigned = Q(update__state__in=(UpdateState.REPLICATING, UpdateState.REPLICATED))
    rows = Replica.objects.filter(server_id=server_id, state=ReplicaState.AVAILABLE)
    rows = rows.filter(update__deleted_at=None).exclude(update__state__in=excluded)
    rows = rows.filter(~not_assigned | Q(update__initiating_server_id=server_id))
    return list(rows.select_related("update").order_by("update__created_at"))


def get_servers_to_publish() -> list[UUID]:
    """Return the Primary Servers that must publish or withdraw tools."""
    return list(list_replicas_to_publish().values_list("server_id", flat=True).distinct())


def list_replicas_to_publish() -> QuerySet[Replica]:
    """Return the replicas whose server must publish or withdraw a tool.

    It has the content of an assigned update but not its tool, or the tool of an update that was
    deleted or canceled.
    """
    rows = Replica.objects.filter(
        server__role=messages.PRIMARY, server__state=DeviceState.REGISTERED
    )
    assigned = (
        *(UpdateState.ASSIGNED, UpdateState.IN_PROGRESS),
        *(UpdateState.COMPLETED, UpdateState.BASELINED),
    )
    missing = Q(state=ReplicaState.AVAILABLE, tool_sha256="", update__state__in=assigned)
    missing &= Q(update__deleted_at=None)
    withdrawn = _is_withdrawn() & ~Q(tool_sha256="")
    return rows.filter(missing | withdrawn)


def _is_withdrawn() -> Q:
    """Return the condition for replicas whose tool must not be offered."""
    return ~Q(update__deleted_at=None) | Q(update__state=UpdateState.CANCELED)


def invalidate_tool(update: SystemUpdate) -> None:
    """Rebuild the tool of an update on every server after its manifest or notices have changed."""
    Replica.objects.filter(update=update).update(tool_sha256="")


def get_name(update: SystemUpdate) -> str:
    """Return the file name of the tool of an update."""
    return f"{STEM}-{update.pk}.bin"


def _list_published() -> list[Path]:
    return sorted(get_folder().glob(f"{STEM}-*")) if get_folder().is_dir() else []


def _publish_tool(replica: Replica) -> list[str]:
    try:
        data = build_tool(replica.update)
    except LookupError:
        return []
    name = get_name(replica.update)
    publication.publish_file(name, data, metadata.REMINT_TOOL, mode=0o755)
    Replica.objects.filter(pk=replica.pk).update(tool_sha256=sha256(data))
    return [name]


def _link_newest(published: list[Replica]) -> None:
    """Link the newest tool to the file name of the manual.

    If the newest update is deleted, the link is removed, so that no older CA takes its place.
    """
    newest = published[-1].update if published and not _is_newer_deleted(published[-1]) else None
    target = get_name(newest) if newest else ""
    for suffix in ("", ".sig", ".sig2"):
        link = get_folder() / f"{NAME}{suffix}"
        if link.is_symlink() and (not target or str(link.readlink()) != f"{target}{suffix}"):
            link.unlink()
        if target and not link.is_symlink() and (get_folder() / f"{target}{suffix}").exists():
            link.symlink_to(f"{target}{suffix}")
    _write_checksum_of_link(target)


def _is_newer_deleted(replica: Replica) -> bool:
    """Return True if an update that this server offered after this one was deleted."""
    newer = SystemUpdate.objects.filter(
        created_at__gt=replica.update.created_at, replicas__server=replica.server_id
    )
    return newer.exclude(deleted_at=None).exclude(state=UpdateState.CANCELED).exists()


def _write_checksum_of_link(target: str) -> None:
    """Write the checksum file of the linked tool: sha256sum -c needs the name of the download."""
    path = get_folder() / f"{NAME}.sha256"
    source = get_folder() / f"{target}.sha256"
    if not target or not source.is_file():
        path.unlink(missing_ok=True)
        return
    digest = source.read_text().split(" ")[0]
    text = f"{digest}  {NAME}\n"
    if path.is_symlink() or not path.is_file() or path.read_text() != text:
        publication.write_atomically(path.name, text.encode())


class Tool(NamedTuple):
    """A tool to download, and its update. The newest one has the file name of the manual."""

    file: PublishedFile
    update: SystemUpdate | None
    is_newest: bool


def list_tools() -> list[Tool]:
    """Return the tools that this server offers, each once. The newest one comes first."""
    names = [name for name in list_file_names() if name.endswith(".bin")]
    files = {name: publication.read_file(name) for name in sorted(names, key=len)}
    updates = {
        get_name(update): update
        for update in SystemUpdate.objects.visible().defer("envelope", "files")
    }
    newest = files.get(NAME)
    tools = []
    for name, file in files.items():
        if name == NAME or newest is None or file.sha256 != newest.sha256:
            target = name if name != NAME else _get_target(files, file.sha256)
            tools.append(Tool(file, updates.get(target), name == NAME))
    return tools


def _get_target(files: dict[str, PublishedFile], digest: str) -> str:
    """Return the name with the ID of the update of the newest tool."""
    names = (name for name, file in files.items() if name != NAME and file.sha256 == digest)
    return next(names, "")


def list_file_names() -> list[str]:
    """Return the names of the files that can be downloaded."""
    return publication.list_names([f"{STEM}*"])
