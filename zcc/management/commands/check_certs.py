"""The command check_certs."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from certificates.issuance import integrity


class Command(BaseCommand):
    """Verify stored certificates. Exits with 1 if one does not match."""

    help = (
        "Find certificates that do not match their database records, "
        "issuers, or certificate profile."
    )

    def handle(self, *_: Any, **_options: Any) -> None:
        found = list(integrity.list_findings(timezone.now()))
        for finding in found:
            self.stdout.write(f"{finding.row}: {finding.why}")
        if found:
            sys.exit(1)
        self.stdout.write("All stored certificates match their database records.")
