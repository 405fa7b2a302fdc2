"""Verify the audit chain: exit code 1 and the first bad line where it is not whole (S-41)."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.chain import verification
from devices.models import Zone
from faults import Fault
from zcc.runtime import audit_checkpoints


class Command(BaseCommand):
    """Read every line of the ledger again and compare its end with the kept heads."""

    help = "Find changed, removed, inserted and moved lines of the ledger, and a cut-off end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head", type=Path, help="a head kept by export_audit_head (default: the one at home)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        kept = self._kept(options["head"])
        found = verification.verify(kept.seq, kept.digest) if kept else verification.verify()
        if found.finding is not None:
            self.stdout.write(f"Line {found.finding.seq} {found.finding.what}.")
            self.stdout.write(f"The {found.entries} lines before it are as they were written.")
            sys.exit(1)
        compared = f", compared with the head kept at line {kept.seq}" if kept else ""
        self.stdout.write(f"The ledger is whole: {found.entries} lines{compared}.")

    def _kept(self, given: Path | None) -> audit_checkpoints.KeptHead | None:
        source = given or audit_checkpoints.path()
        if given is None and not source.exists():
            return None
        try:
            return audit_checkpoints.read(source, Zone.objects.the())
        except Fault as fault:
            raise CommandError(str(fault), returncode=1) from fault
