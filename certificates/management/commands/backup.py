"""The command backup."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from certificates.backup import creation
from faults import Fault


class Command(BaseCommand):
    """Create an encrypted backup of the zone and of this Primary Server."""

    help = (
        "Back up the database, the data directory, the CA vault, and the settings of this Primary "
        "Server to ZCC_BACKUP_DIRECTORY, encrypted for ZCC_BACKUP_RECIPIENT. Run it as the user of "
        "the worker, and with its settings."
    )

    def handle(self, *_: Any, **_options: Any) -> None:
        try:
            with acting_as(Actor(f"system user {getpass.getuser()}")):
                path = creation.back_up(now=timezone.now())
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"Created {path} ({path.stat().st_size:,} bytes).")
