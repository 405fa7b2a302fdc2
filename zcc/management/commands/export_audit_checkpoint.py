"""The command export_audit_checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from faults import Fault
from zcc.runtime import audit_checkpoints


class Command(BaseCommand):
    """Save a checkpoint that verify_audit can compare the audit log with."""

    help = (
        "Save a checkpoint of the audit log (number and digest of the last "
        "entry, signed with the zone key) to a file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            type=Path,
            help=("checkpoint file (default: audit-head.json in the data directory)"),
        )

    def handle(self, *_: Any, **options: Any) -> None:
        target = options["to"] or audit_checkpoints.get_path()
        try:
            checkpoint = audit_checkpoints.save_checkpoint(target, now=timezone.now())
        except (Fault, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Saved a checkpoint at entry {checkpoint.seq} to {target}.")
