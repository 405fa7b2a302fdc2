"""Build the Certificate Remint Tool of an update, publish it on this server, withdraw it (D-40).

The file is a shell stub in front of a zip application: the agent's own sources, the signed
manifest and its files. Same update, same bytes on every Primary Server.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from devices.identity import zone_keys
from devices.models import Zone
from systemupdates.content import store
from systemupdates.models import Notice, Replica, SystemUpdate
from systemupdates.updates.states import ReplicaState, UpdateState
from wire import json_codec, messages, metadata
from wire.metadata import sha256

STEM = "ZENworks_Certificate_Update_Linux"
NAME = f"{STEM}.bin"
TOOL_TYPE = "application/vnd.zcc.remint-tool"
PACKAGES = ("faults", "wire", "zac")
# The zip format's first day: a fixed date makes equal content equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)

STUB = b"""#!/bin/sh
# Certificate Remint Tool: needs Python 3.8 or newer with ssl, nothing else.
for py in "$ZAC_PYTHON" /opt/zac/bin/python3 python3 /usr/libexec/platform-python; do
  [ -n "$py" ] || continue
  command -v "$py" >/dev/null 2>&1 || continue
  "$py" -c 'import sys, ssl; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 || continue
  exec "$py" "$0" "$@"
done
echo "This tool needs Python 3.8 or newer with the ssl module. Install python3, or name one" >&2
echo "in ZAC_PYTHON, and run it again. Nothing was changed." >&2
exit 69
"""
ENTRY = b"import sys\nfrom zac.remint_tool import main\n\nsys.exit(main(archive=sys.argv[0]))\n"


def build(update: SystemUpdate) -> bytes:
    """Return the tool of an update; raises LookupError where its content is not on this server."""
    members = {"__main__.py": ENTRY}
    for package in PACKAGES:
        for path in sorted((Path(settings.BASE_DIR) / package).rglob("*.py")):
            members[str(path.relative_to(settings.BASE_DIR))] = path.read_bytes()
    members["update/manifest.json"] = json_codec.dump(update.signed())
    members["update/notices.json"] = json_codec.dump(_notices(update))
    for digest in update.digests():
        found = store.find(digest)
        if found is None:
            raise LookupError(digest)
        members[f"update/files/{digest}"] = found.read_bytes()
    return STUB + _zip(members)


def _notices(update: SystemUpdate) -> metadata.Recovery:
    rows = Notice.objects.filter(update=update, kind=Notice.Kind.ACTIVATED).order_by("pk")
    zone = metadata.open_as(
        metadata.Manifest, metadata.MANIFEST, update.signed(), Zone.objects.the().public_key
    ).zone
    return metadata.Recovery(zone=zone, notices=[row.signed() for row in rows])


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(members.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def folder() -> Path:
    """Return what this server's depot offers under /zenworks-setup/."""
    return Path(settings.SERVER_HOME) / "setup"


def publish(server_id: UUID) -> list[str]:
    """Make this server's offer what it should be: tools of live updates, nothing else (R212).

    Each tool lies with its SHA-256 and the zone key's signature beside it. Returns the names
    that were published or withdrawn.
    """
    changed = []
    wanted = {str(replica.update_id): replica for replica in _wanted(server_id)}
    for replica in wanted.values():
        if not replica.tool_sha256 or not (folder() / _name(replica.update)).is_file():
            changed += _place(replica)
    for path in _published():
        if path.name.split(".")[0].removeprefix(f"{STEM}-") not in wanted:
            path.unlink()
            changed.append(path.name)
    _offer_newest(list(wanted.values()))
    return changed


def _wanted(server_id: UUID) -> list[Replica]:
    """On the initiating server as soon as the update exists, elsewhere once it is assigned."""
    gone = (UpdateState.CANCELED, UpdateState.CREATED)
    early = Q(update__state__in=(UpdateState.REPLICATING, UpdateState.REPLICATED))
    rows = Replica.objects.filter(server_id=server_id, state=ReplicaState.AVAILABLE)
    rows = rows.filter(update__deleted_at=None).exclude(update__state__in=gone)
    rows = rows.filter(~early | Q(update__initiating_server_id=server_id))
    return list(rows.select_related("update").order_by("update__created_at"))


def servers_lacking() -> list[UUID]:
    """Return the Primary Servers that hold an assigned update's content but not yet its tool."""
    rows = Replica.objects.filter(state=ReplicaState.AVAILABLE, tool_sha256="")
    rows = rows.filter(server__role=messages.PRIMARY, server__state="registered")
    live = (
        *(UpdateState.ASSIGNED, UpdateState.IN_PROGRESS),
        *(UpdateState.COMPLETED, UpdateState.BASELINED),
    )
    rows = rows.filter(update__deleted_at=None)
    return list(rows.filter(update__state__in=live).values_list("server_id", flat=True).distinct())


def make_anew(update: SystemUpdate) -> None:
    """Let every server build the tool of an update again: its manifest or notices changed."""
    Replica.objects.filter(update=update).update(tool_sha256="")


def _name(update: SystemUpdate) -> str:
    return f"{STEM}-{update.pk}.bin"


def _published() -> list[Path]:
    return sorted(folder().glob(f"{STEM}-*")) if folder().is_dir() else []


def _place(replica: Replica) -> list[str]:
    try:
        data = build(replica.update)
    except LookupError:
        return []
    name = _name(replica.update)
    _write(name, data)
    Replica.objects.filter(pk=replica.pk).update(tool_sha256=sha256(data))
    return [name]


def _write(name: str, data: bytes) -> None:
    signature = zone_keys.here().sign_unrecorded(TOOL_TYPE, data)
    folder().mkdir(mode=0o755, parents=True, exist_ok=True)
    parts = {
        name: data,
        f"{name}.sha256": f"{sha256(data)}  {name}\n".encode(),
        f"{name}.sig": f"{signature.signature}\n".encode(),
    }
    for file, value in parts.items():
        partial = folder() / f".{file}.part"
        partial.write_bytes(value)
        partial.chmod(0o755 if file == name else 0o644)
        partial.replace(folder() / file)


def _offer_newest(wanted: list[Replica]) -> None:
    """Offer the newest tool under the manual's own name too (R223)."""
    for suffix in ("", ".sha256", ".sig"):
        link = folder() / f"{NAME}{suffix}"
        target = f"{_name(wanted[-1].update)}{suffix}" if wanted else ""
        if link.is_symlink() and (not target or str(link.readlink()) != target):
            link.unlink()
        if target and not link.is_symlink() and (folder() / target).exists():
            link.symlink_to(target)


@dataclass(frozen=True)
class Offer:
    """One tool on the download page."""

    name: str
    sha256: str
    signature: str
    size: int


def offered() -> list[Offer]:
    """Return the tools this server offers now, the newest under the manual's name first."""
    names = [name for name in offered_names() if name.endswith(".bin")]
    return [_offer(name) for name in sorted(names, key=len)]


def offered_names() -> list[str]:
    """Return every file that may be downloaded."""
    return sorted(path.name for path in folder().glob(f"{STEM}*") if path.is_file())


def _offer(name: str) -> Offer:
    path = folder() / name
    checksum = (folder() / f"{name}.sha256").read_text().split(" ")[0]
    signature = (folder() / f"{name}.sig").read_text().strip()
    return Offer(name, checksum, signature, path.stat().st_size)
