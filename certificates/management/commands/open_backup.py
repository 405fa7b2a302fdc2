"""The command open_backup."""

from __future__ import annotations

import base64
import hashlib
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from certificates.backup import archive
from faults import Fault
from pki.protection import sealing


class Command(BaseCommand):
    """Decrypt a backup to a folder, for a restore."""

    help = (
        "Decrypt and verify a backup, and write its files to a new folder. Needs no database and "
        "no zone. See Backup in docs/deployment.md for what to do with the files."
    )
    requires_system_checks: Any = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the backup")
        parser.add_argument(
            "--identity", type=Path, required=True, metavar="FILE", help="file with the private key"
        )
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new folder")

    def handle(self, *_: Any, **options: Any) -> None:
        folder: Path = options["to"].absolute()
        if folder.exists():
            raise CommandError(f"{folder} already exists. Nothing was changed.")
        try:
            identity = sealing.read_private_file(options["identity"])
            manifest = archive.read(options["file"], identity, folder)
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        except OSError as error:
            raise CommandError(f"The backup cannot be opened: {error}.") from error
        fingerprint = hashlib.sha256(base64.b64decode(manifest.zone_pub)).hexdigest()
        created = datetime.fromtimestamp(manifest.created, UTC)
        self.stdout.write(
            f"Backup of {manifest.server_name} in the zone {manifest.zone_name}, created "
            f"{created:%d %b %Y, %H:%M} UTC by ZCC {manifest.release}, is in {folder}."
        )
        self.stdout.write(f"Fingerprint of the zone key that signed it: {fingerprint}")
