"""The command verify_audit."""

from __future__ import annotations

import getpass
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.chain import verification
from audit.chain.actor import Actor, acting_as
from devices.models import Zone
from devices.witnesses import acceptance, mismatches
from faults import Fault, Unavailable
from zcc.rows import checks
from zcc.runtime import audit_checkpoints
from zcc.runtime.audit_checkpoints import SignedCheckpoint

ADVICE = (
    "If you have restored the database from a backup, this is expected: run manage.py verify_audit "
    '--accept "REASON". Otherwise, treat it as an attack: keep the checkpoint files and a copy of '
    "the database, and compare the log with a backup."
)


class Command(BaseCommand):
    """Verify the audit log and its checkpoints. Exits with 1 if an entry is not valid."""

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
        parser.add_argument(
            "--accept",
            metavar="REASON",
            help="accept that entries are missing, for example after a restore",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        checkpoint = self._get_checkpoint(options["checkpoint"])
        branch = acceptance.get_branch(Zone.objects.get_zone()) if Zone.objects.exists() else 0
        # A checkpoint that is older than an accepted loss is not compared.
        compared = checkpoint if checkpoint is not None and checkpoint.branch == branch else None
        found = verification.verify_chain()
        if found.finding is not None:
            self.stdout.write(f"Entry {found.finding.seq} {found.finding.problem}.")
            self.stdout.write(f"The {found.entries} entries before it are intact.")
            sys.exit(1)
        problems = list(_find_losses(checkpoint, branch))
        if options["accept"] is not None:
            self._accept(options["accept"], checkpoint, problems)
            return
        if problems:
            for problem in problems:
                self.stdout.write(problem)
            self.stdout.write(f"The last entry in the database is {found.seq}. {ADVICE}")
            sys.exit(1)
        self._report_altered_rows()
        text = f", verified against the checkpoint at entry {compared.seq}" if compared else ""
        self.stdout.write(f"The audit log is intact: {found.entries} entries{text}.")

    def _accept(
        self, reason: str, checkpoint: SignedCheckpoint | None, problems: list[str]
    ) -> None:
        if not problems:
            raise CommandError("No entries are missing. Nothing was accepted.")
        file_branch = checkpoint.branch if checkpoint is not None else 0
        try:
            with acting_as(Actor(f"system user {getpass.getuser()}")):
                row = acceptance.accept_loss(reason, file_branch=file_branch, missing=problems)
        except Fault as fault:
            raise CommandError(str(fault), returncode=1) from fault
        for problem in problems:
            self.stdout.write(problem)
        self.stdout.write(
            f"This loss has been accepted (number {row.branch}), and recorded in the audit log. "
            "Devices and servers keep new checkpoints from now on."
        )

    def _report_altered_rows(self) -> None:
        """Exit with 1 if rows outside the audit log were changed in the database (D-170)."""
        try:
            count = checks.check_rows()
        except Unavailable as fault:
            self.stdout.write(f"Rows outside the audit log could not be checked. {fault}")
            return
        if count:
            self.stdout.write(
                f"The audit log is intact, but {count} records of devices, CAs, or administrators "
                "were changed in the database. Run manage.py check_rows."
            )
            sys.exit(1)

    def _get_checkpoint(self, path: Path | None) -> SignedCheckpoint | None:
        source = path or audit_checkpoints.find_file()
        if source is None:
            return None
        try:
            return audit_checkpoints.read_checkpoint(source, Zone.objects.get_zone())
        except Fault as fault:
            raise CommandError(str(fault), returncode=1) from fault


def _find_losses(checkpoint: SignedCheckpoint | None, branch: int) -> Iterator[str]:
    """Yield what is missing according to the checkpoint file, and to other servers and devices."""
    if checkpoint is not None:
        row = mismatches.compare("The checkpoint file", checkpoint, branch)
        if row is not None:
            yield mismatches.describe(row)
    for row in mismatches.list_open():
        yield mismatches.describe(row)
