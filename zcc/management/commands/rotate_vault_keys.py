"""The command rotate_vault_keys."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from certificates.authority import vault_keys
from faults import Fault


class Command(BaseCommand):
    """Create new vault keys and re-encrypt all secrets for them."""

    help = "Replace this server's vault keys. If the command is interrupted, run it again."

    def handle(self, *_: Any, **_options: Any) -> None:
        try:
            count = vault_keys.rotate(now=timezone.now())
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"Replaced the vault keys and re-encrypted {count} secrets.")
