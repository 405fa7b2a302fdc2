"""Verify the signed report of an operation with the zone's key: exit code 1 where not (B-8)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.models import Zone
from faults import Fault
from wire import json_codec, metadata
from wire.envelope import Envelope


class Command(BaseCommand):
    """Check the signature of a report and tell what it is about."""

    help = "Verify a report that was downloaded as JSON from the page of an operation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--key", help="public zone key, base64 (default: that of this zone)")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            envelope = json_codec.load(Envelope, options["file"].read_bytes())
            key = options["key"] or Zone.objects.the().public_key
            report = json.loads(envelope.open(key, metadata.REPORT))
        except (Fault, OSError, ValueError) as error:
            raise CommandError(str(error), returncode=1) from error
        told = report["operation"]
        self.stdout.write(
            f"The report is signed by the zone key: {told['name']} in {report['zone_name']}, "
            f"{told['state']}, {len(report['devices'])} devices, made {report['made_at']}."
        )
