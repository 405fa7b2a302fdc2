"""Create a backup: the database, the data directory and the CA vault of this server, its settings.

See: D-196
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from certificates.backup import archive, configuration, databases, status
from certificates.backup.archive import Manifest
from certificates.backup.configuration import Configuration
from certificates.models import Authority
from certificates.operations.states import AuthorityState
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Fault, Unavailable
from wire import server_files

SERVER_FOLDER, CA_VAULT_FOLDER, SETTINGS_FILE = "server", "ca-vault", "settings.json"
# What a server downloads or creates again, and what is stored in CA_VAULT_FOLDER.
_EXCLUDED = ("content", "setup", "ca-vault")
# Settings whose value can be in a file. A backup contains the value.
_SECRETS = (
    *("ZCC_SECRET_KEY", "ZCC_DATABASE_URL", "ZCC_BROKER_URL", "ZCC_SMTP_URL"),
    "ZCC_OIDC_CLIENT_SECRET",
)
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Backup:
    """The file of a backup, and when it was created according to its name."""

    path: Path
    created_at: datetime


def back_up(*, now: datetime) -> Path:
    """Create a backup of the zone and this server, delete old ones, and return its path.

    The result is recorded. Raises NotConfigured, Conflict if one is in progress, or the fault.
    """
    configuration.check_configured()
    server = zone_keys.get_keyring().get_server()
    with configuration.open_work_folder() as folder:
        try:
            config = configuration.get_configuration()
            manifest, path = _create(config, server, folder, now)
        except (Fault, OSError) as error:
            fault = _to_fault(error)
            status.record_backup_fault(server, fault, now=now)
            raise fault from error
        status.record_backup(server, manifest, path, now=now)
        _delete_old(config, server)
    return path


def _to_fault(error: Fault | OSError) -> Fault:
    if isinstance(error, Fault):
        return error
    return Unavailable(
        _("The backup cannot be written: %(reason)s (%(path)s). No backup was created.")
        % {"reason": error.strerror, "path": error.filename or "-"},
        action=_("Check the free space and the owner of the directory in ZCC_BACKUP_DIRECTORY."),
    )


def find_backups(directory: Path, server: Device) -> list[Backup]:
    """Return the backups of a server in a directory, starting with the newest."""
    pattern = re.compile(rf"zcc-.*-{re.escape(_to_file_name(server.name))}-(\d{{8}}T\d{{6}}Z)\.age")
    found = [(path, pattern.fullmatch(path.name)) for path in directory.glob("zcc-*.age")]
    backups = [
        Backup(path, datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC))
        for path, match in found
        if match is not None
    ]
    return sorted(backups, key=lambda backup: backup.created_at, reverse=True)


def _create(
    config: Configuration, server: Device, folder: Path, now: datetime
) -> tuple[Manifest, Path]:
    zone, stage = Zone.objects.get_zone(), folder / "stage"
    stage.mkdir()
    databases.dump(stage / databases.FILE_NAMES[databases.get_kind()])
    links = _copy_server(stage)
    (stage / SETTINGS_FILE).write_text(json.dumps(_collect_settings(), indent=1, sort_keys=True))
    authority = Authority.objects.filter(state=AuthorityState.CURRENT).first()
    manifest = Manifest(
        version=archive.VERSION,
        zone=str(zone.guid),
        zone_name=zone.name,
        zone_pub=zone.public_key,
        server=str(server.pk),
        server_name=server.name,
        release=settings.VERSION,
        created=int(now.timestamp()),
        database=databases.get_kind(),
        ca_sha256=authority.sha256 if authority is not None else "",
        recipients=[config.recipient, configuration.load_or_create_drill_recipient()],
        files={name: archive.get_digest(stage / name) for name in _list_files(stage)},
        links=links,
    )
    config.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = f"{_to_file_name(zone.name)}-{_to_file_name(server.name)}"
    target = config.directory / f"zcc-{names}-{now.astimezone(UTC):{_STAMP}}.age"
    archive.write(stage, manifest, target)
    return manifest, target


def _copy_server(stage: Path) -> dict[str, str]:
    """Copy data directory and CA vault of this server, and return the symbolic links."""
    links = {}
    for path, name in _list_server_files():
        if not archive.NAME.fullmatch(name):
            continue
        if path.is_symlink():
            links[name] = str(path.readlink())
            continue
        (stage / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The agent replaces and deletes files at any time.
        if path.exists():
            shutil.copyfile(path, stage / name)
    return links


def _list_server_files() -> Iterator[tuple[Path, str]]:
    """Return the files of this server, and their names in a backup."""
    home = Path(settings.SERVER_HOME)
    for parent, folders, names in os.walk(home):
        if Path(parent) == home:
            folders[:] = [name for name in folders if name not in _EXCLUDED]
        for path in [Path(parent) / name for name in (*folders, *names)]:
            if path.is_symlink() or path.is_file():
                yield path, f"{SERVER_FOLDER}/{path.relative_to(home)}"
    vault = server_files.ca_vault_key_path(home).parent
    for path in vault.glob("*.key*"):
        if path.name != configuration.DRILL_KEY:
            yield path, f"{CA_VAULT_FOLDER}/{path.name}"


def _list_files(stage: Path) -> list[str]:
    paths = (path for path in stage.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(stage)) for path in paths)


def _collect_settings() -> dict[str, str]:
    """Return the settings of this server. The PIN of a PKCS #11 token is not one of them."""
    found = {name: value for name, value in os.environ.items() if name.startswith("ZCC_")}
    for name in _SECRETS:
        if path := found.get(f"{name}_FILE"):
            found[name] = Path(path).read_text().strip()
    return {**found, "ZCC_SECRET_KEY": settings.SECRET_KEY}


def _delete_old(config: Configuration, server: Device) -> None:
    for backup in find_backups(config.directory, server)[config.keep :]:
        backup.path.unlink(missing_ok=True)


def _to_file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text)
