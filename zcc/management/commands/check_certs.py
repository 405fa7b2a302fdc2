"""Check every stored certificate against its row: exit code 1 and what does not fit (S-8)."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from certificates.issuance import integrity


class Command(BaseCommand):
    """Read every stored certificate again."""

    help = "Find certificates that do not fit their rows, their issuers or the rules."

    def handle(self, *_: Any, **_options: Any) -> None:
        found = list(integrity.findings(timezone.now()))
        for finding in found:
            self.stdout.write(f"{finding.row}: {finding.why}")
        if found:
            sys.exit(1)
        self.stdout.write("Every stored certificate fits its row.")
