"""Replace the vault keys of this Primary Server (S-34)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from certificates.authority import vault_keys
from faults import Fault


class Command(BaseCommand):
    """Make new vault keys and seal to them what was sealed to the old ones."""

    help = "Replace this server's vault keys; run it again if it was interrupted."

    def handle(self, *_: Any, **_options: Any) -> None:
        try:
            count = vault_keys.rotate(now=timezone.now())
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"The vault keys are new; {count} secrets were sealed to them.")
