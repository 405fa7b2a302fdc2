"""Keep the head of the audit chain in a signed file, to be copied to another machine (S-41)."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from faults import Fault
from zcc.runtime import audit_checkpoints


class Command(BaseCommand):
    """Write audit-head.json; verify_audit compares the ledger with it."""

    help = "Sign number and digest of the ledger's last line with the zone key, into a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", type=Path, help="the file (default: audit-head.json at home)")

    def handle(self, *_: Any, **options: Any) -> None:
        target = options["to"] or audit_checkpoints.path()
        try:
            kept = audit_checkpoints.keep(target, now=timezone.now())
        except (Fault, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Line {kept.seq} is kept in {target}.")
