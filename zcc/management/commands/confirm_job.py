"""The command confirm_job."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from certificates.approvals import confirmations
from certificates.models import VaultJob
from faults import Fault


class Command(BaseCommand):
    """Confirm a job that takes the CA key out of this certificate server."""

    help = (
        "Confirm Move CA Role or Backup CA on the certificate server. Required unless the worker "
        "runs with ZCC_CONFIRM_KEY_JOBS=0. Without an ID, lists the jobs that are waiting."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", nargs="?", default="", metavar="ID", help="ID, or its beginning")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            waiting = confirmations.list_unconfirmed()
            if not options["job"]:
                self._list(waiting)
                return
            found = [job for job in waiting if str(job.pk).startswith(options["job"])]
            if len(found) != 1:
                raise CommandError(f"No single job with the ID {options['job']} is waiting.")
            self._confirm(found[0], is_sure=options["yes"])
        except Fault as fault:
            raise CommandError(str(fault)) from fault

    def _list(self, waiting: list[VaultJob]) -> None:
        for job in waiting:
            self._show(job)
        if not waiting:
            self.stdout.write("No job is waiting for a confirmation on this server.")

    def _show(self, job: VaultJob) -> None:
        for name, value in confirmations.describe(job):
            self.stdout.write(f"{name + ':':<14}{value}")
        self.stdout.write("")

    def _confirm(self, job: VaultJob, *, is_sure: bool) -> None:
        self._show(job)
        if not is_sure:
            self.stdout.write(
                "Ask the administrators above, not through the console, whether they want this. "
                "Compare the CA vault key with vault/ca-vault.key.pub on the new server."
            )
            if input("Type yes to confirm: ").strip() != "yes":
                raise CommandError("Nothing was confirmed.")
        user = f"system user {getpass.getuser()}"
        with acting_as(Actor(user)):
            confirmations.confirm(job, now=timezone.now(), note=f"confirmed by {user}")
        self.stdout.write("Confirmed. The worker runs the job now.")
