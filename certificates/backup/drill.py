"""The drill: restore the last backup in a closed process, and prove that devices would accept it.

The backup is decrypted with the drill key of this server, its signature and digests are verified,
its database is restored next to the live one, and the restored CA signs a probe certificate. The
code of the agent then makes the TLS handshake of a device with the probe. It trusts only the root
that the devices use now.

See: D-197
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.backup import archive, configuration, creation, databases, programs, status
from certificates.backup.archive import Manifest
from certificates.backup.configuration import Configuration
from certificates.models import Authority
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Fault, NotFound, Refused, Unavailable
from pki.chains import chains
from pki.errors import WrongKey
from zac.updates import preflight

DRILL_DATABASE = "zcc_drill_"
# What the closed process needs of the environment, apart from the restored files.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "ZCC_ALLOW_LOOPBACK", "LD_LIBRARY_PATH")
_NO_BROKER = "redis+socket:///nonexistent/drill.sock"


class NotRestorable(Unavailable):
    """The last backup would not bring the zone back."""

    action = gettext_lazy(
        "Create a new backup with manage.py backup, and run manage.py prove_backup."
    )


@dataclass(frozen=True)
class Proof:
    """A backup that was restored, and the seconds that this took.

    `signed` is False if the backup contains no CA key, because the CA is external, in a PKCS #11
    token, or on another server.
    """

    path: Path
    created_at: datetime
    seconds: float
    devices: int
    entries: int
    signed: bool


def prove(*, now: datetime, path: Path | None = None, identity: str = "") -> Proof:
    """Prove that a backup can be restored, by default the last one of this server.

    It is decrypted with the drill key, or with `identity`, for example the key of the company. The
    result is recorded. Raises NotConfigured, Conflict if a backup is in progress, or the fault.
    """
    configuration.check_configured()
    server = zone_keys.get_keyring().get_server()
    began = time.monotonic()
    with configuration.open_work_folder() as folder:
        try:
            config = configuration.get_configuration()
            found = path or _find_last(config, server)
            manifest, result = _restore(config, server, found, identity, folder)
            if path is None:
                _check_age(manifest, now)
        except (Fault, OSError) as error:
            fault = error if isinstance(error, Fault) else _to_fault(error)
            fault.action = fault.action or str(NotRestorable.action)
            status.record_drill_fault(server, fault, now=now)
            raise fault from error
    seconds = time.monotonic() - began
    status.record_proof(server, manifest, found, seconds, now=now)
    created_at = datetime.fromtimestamp(manifest.created, UTC)
    counts = (result["devices"], result["entries"])
    return Proof(found, created_at, seconds, *counts, result["signed"])


def _to_fault(error: OSError) -> Fault:
    return NotRestorable(
        _("The backup cannot be read or restored: %s.") % error.strerror,
        action=_("Check the free space of the CA vault, and the directory of the backups."),
    )


def _find_last(config: Configuration, server: Device) -> Path:
    """Return the last backup of this server, or raise NotFound."""
    backups = creation.find_backups(config.directory, server)
    if not backups:
        raise NotFound(
            _("%(directory)s contains no backup of %(server)s.")
            % {"directory": config.directory, "server": server.name},
            action=str(NotRestorable.action),
        )
    return backups[0].path


def _check_age(manifest: Manifest, now: datetime) -> None:
    """Raise NotRestorable if the last backup is old. Its file name is not signed."""
    age = now - datetime.fromtimestamp(manifest.created, UTC)
    if age > status.MAX_BACKUP_AGE:
        raise NotRestorable(
            _("The last backup of %(server)s is %(days)d days old.")
            % {"server": manifest.server_name, "days": age.days}
        )


def _restore(
    config: Configuration, server: Device, path: Path, identity: str, folder: Path
) -> tuple[Manifest, dict[str, Any]]:
    restored = folder / "restored"
    manifest = _open(path, identity or configuration.read_drill_identity(), restored)
    _check_manifest(config, server, manifest, path)
    name = f"{DRILL_DATABASE}{server.pk.hex[:12]}"
    dump = restored / databases.FILE_NAMES[manifest.database]
    with databases.restore(dump, manifest.database, name) as url:
        result = _run_closed_process(restored, url)
    _check_result(result, restored, manifest)
    return manifest, result


def _open(path: Path, identity: str, folder: Path) -> Manifest:
    try:
        return archive.read(path, identity, folder, zone_pub=Zone.objects.get_zone().public_key)
    except WrongKey as fault:
        raise NotRestorable(
            _("%s is not encrypted for this key. It cannot be decrypted.") % path.name,
            action=_(
                "If the CA vault was replaced, create a new backup. Backups that were created "
                "before can be decrypted with the key of ZCC_BACKUP_RECIPIENT only."
            ),
        ) from fault
    except Fault as fault:
        raise type(fault)(f"{path.name}: {fault.explanation}", action=fault.action) from fault


def _check_manifest(config: Configuration, server: Device, manifest: Manifest, path: Path) -> None:
    """Raise NotRestorable if the backup is of another server or for another recipient."""
    if manifest.server != str(server.pk):
        raise NotRestorable(
            _("%(file)s is a backup of %(server)s.")
            % {"file": path.name, "server": manifest.server_name}
        )
    if config.recipient not in manifest.recipients:
        raise NotRestorable(
            _("%s is not encrypted for the recipient in ZCC_BACKUP_RECIPIENT.") % path.name
        )


def _run_closed_process(restored: Path, url: str) -> dict[str, Any]:
    """Open the restored zone in a process that has nothing of the live one."""
    url_file = restored / "database-url"
    url_file.touch(0o600)
    url_file.write_text(url)
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {
        "DJANGO_SETTINGS_MODULE": "zcc.settings",
        "ZCC_HOME": str(restored),
        "ZCC_SERVER_HOME": str(restored / creation.SERVER_FOLDER),
        "ZCC_CA_VAULT": str(restored / creation.CA_VAULT_FOLDER),
        "ZCC_DATABASE_URL_FILE": str(url_file),
        "ZCC_BROKER_URL": _NO_BROKER,
        "ZCC_SECRET_KEY": "unused-" + "x" * 50,
        "ZCC_LOG_FORMAT": "text",
        "ZCC_LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "certificates.backup.proof", str(restored / "probe.pem")]
    try:
        output = programs.run(command, environment)
    except Unavailable as fault:
        reason = fault.explanation.partition(" failed: ")[2]
        raise NotRestorable(_("The restored zone cannot be opened: %s") % reason) from fault
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    if fault_text := result.get("fault"):
        raise NotRestorable(_("The restored zone cannot be used. %s") % fault_text)
    return result


def _check_result(result: dict[str, Any], restored: Path, manifest: Manifest) -> None:
    """Raise a fault unless devices accept what the restored zone serves."""
    current = Authority.objects.current()
    if result["ca_sha256"] != current.sha256 or manifest.ca_sha256 != current.sha256:
        raise NotRestorable(_("The backup does not contain the zone CA that is in use."))
    served = restored / creation.SERVER_FOLDER / "security" / "current" / "server.pem"
    chain = restored / "probe.pem" if result["signed"] else served
    fqdn = zone_keys.get_keyring().get_server().fqdn
    root = chains.split(current.root_pem)[-1]
    try:
        preflight.verify_certificate(str(chain), root, [fqdn])
    except preflight.UnusableCertificate as fault:
        raise Refused(
            _("Devices reject the certificate of the restored zone. %s") % fault.explanation,
            action=str(NotRestorable.action),
        ) from fault


def run_if_due(*, now: datetime) -> None:
    """Create a backup and run a drill if they are due. Raises the fault of the first that fails."""
    server = zone_keys.get_keyring().get_server()
    if not configuration.is_configured():
        status.remove_status(server)
        return
    if status.is_backup_due(status.get_status(server), now):
        creation.back_up(now=now)
    if status.is_drill_due(status.get_status(server), now):
        prove(now=now)
