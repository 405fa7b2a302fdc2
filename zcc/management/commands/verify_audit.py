"""The command verify_audit."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.chain import verification
from devices.models import Zone
from faults import Fault
from zcc.runtime import audit_checkpoints


class Command(BaseCommand):
    """Verify the audit log and its last checkpoint. Exits with 1 if an entry is not valid."""

    help = (
        "Verify the audit log. Detects changed, removed, inserted, and "
        "reordered entries, and truncation."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            type=Path,
            help=(
                "checkpoint saved by export_audit_checkpoint "
                "(default: the checkpoint in the data "
                "directory)"
            ),
        )
        parser.add_argument(  # the name of the previous release
            "--head", dest="checkpoint", type=Path, default=SUPPRESS, help=SUPPRESS
        )

    def handle(self, *_: Any, **options: Any) -> None:
        checkpoint = self._get_checkpoint(options["checkpoint"])
        found = (
            verification.verify_chain(checkpoint.seq, checkpoint.digest)
            if checkpoint
            else verification.verify_chain()
        )
        if found.finding is not None:
            self.stdout.write(f"Entry {found.finding.seq} {found.finding.problem}.")
            self.stdout.write(f"The {found.entries} entries before it are intact.")
            sys.exit(1)
        compared = (
            f", verified against the checkpoint at entry {checkpoint.seq}" if checkpoint else ""
        )
        self.stdout.write(f"The audit log is intact: {found.entries} entries{compared}.")

    def _get_checkpoint(self, path: Path | None) -> audit_checkpoints.SignedCheckpoint | None:
        source = path or audit_checkpoints.get_path()
        if path is None and not source.exists():
            return None
        try:
            return audit_checkpoints.read_checkpoint(source, Zone.objects.get_zone())
        except Fault as fault:
            raise CommandError(str(fault), returncode=1) from fault
