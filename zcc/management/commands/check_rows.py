"""The command check_rows."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.chain.actor import Actor, acting_as
from audit.models import AlteredRow
from faults import Fault
from zcc.rows import checks, stamping

ADVICE = (
    "ZCC uses none of these rows. If no administrator has changed them with SQL, treat it as an "
    "attack: keep a copy of the database, and find out who has its password. Then restore the "
    "rows from a backup, or decide about each row. Revocations were restored from the audit log:\n"
    '  manage.py check_rows --remove ROW --reason "REASON"   deletes an inserted row\n'
    '  manage.py check_rows --accept ROW --reason "REASON"   accepts the row as it is now'
)


class Command(BaseCommand):
    """Check the MACs of database rows. Exits with 1 if a row was altered."""

    help = (
        "Check that ZCC has written the rows about devices, CAs, administrators, and CA key "
        "operations. Detects rows that were inserted or changed with SQL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--accept", metavar="ROW", help="accept this row as it is now")
        chosen.add_argument("--remove", metavar="ROW", help="delete this row")
        chosen.add_argument(
            "--stamp",
            action="store_true",
            help=(
                "after an upgrade: give all rows without a MAC one, and reject such rows from "
                "now on. The worker does this itself when all Primary Servers are upgraded"
            ),
        )
        parser.add_argument("--reason", default="", help="why you accept or remove the row")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with acting_as(Actor(f"system user {getpass.getuser()}")):
                self._handle(options)
        except Fault as fault:
            raise CommandError(str(fault), returncode=1) from fault

    def _handle(self, options: dict[str, Any]) -> None:
        if options["stamp"]:
            count = stamping.require_macs()
            self.stdout.write(f"Stamped {count} rows. Rows without a MAC are rejected from now on.")
            return
        for name, act in (("accept", checks.accept), ("remove", checks.remove)):
            if options[name]:
                label, _separator, key = options[name].partition(":")
                act(label, key, reason=options["reason"])
                self.stdout.write(f"Done: {name} {options[name]}.")
                return
        self._list()

    def _list(self) -> None:
        checks.check_rows()
        rows = AlteredRow.objects.all()
        for row in rows:
            self.stdout.write(f"{row} ({row.name}) was changed in the database.")
        if rows:
            self.stdout.write(ADVICE)
            sys.exit(1)
        self.stdout.write("No row was changed in the database except by ZCC.")
