"""The command prove_backup."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from certificates.backup import drill
from faults import Fault
from pki.protection import sealing


class Command(BaseCommand):
    """Prove that a backup can be restored."""

    help = (
        "Restore a backup in a closed process, sign a probe certificate with the restored CA, and "
        "verify it as devices do. Nothing in the zone is changed. Without FILE, the last backup of "
        "this Primary Server is used."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a backup")
        parser.add_argument(
            "--identity",
            type=Path,
            metavar="FILE",
            help="file with the private key, instead of the drill key of this server",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            identity = options["identity"]
            secret = sealing.read_private_file(identity) if identity else ""
            with acting_as(Actor(f"system user {getpass.getuser()}")):
                proof = drill.prove(now=timezone.now(), path=options["file"], identity=secret)
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(
            f"{proof.path.name} can be restored: {proof.devices:,} devices, "
            f"{proof.entries:,} audit entries. The restore took {proof.seconds:.1f} seconds."
        )
        self.stdout.write(
            "Devices accept a certificate of the restored CA."
            if proof.signed
            else "It contains no CA key. Devices accept the certificate of the restored server."
        )
