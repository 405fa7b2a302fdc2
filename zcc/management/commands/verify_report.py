"""The command verify_report."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.identity import zone_keys
from devices.models import Zone
from faults import Fault
from wire import json_codec, metadata
from wire.envelope import Envelope, PublicKeys


class Command(BaseCommand):
    """Verify the signature of a report or of a key record. Exits with 1 if it is not valid."""

    help = "Verify an operation report or a record of a CA key that was downloaded as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--key", help=("public zone key in Base64 (default: key of this zone)"))

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            envelope = json_codec.load(Envelope, options["file"].read_bytes())
            key = options["key"] or zone_keys.get_public_zone_key(Zone.objects.get_zone())
            kind = metadata.KEY_RECORD if _is_key_record(envelope) else metadata.REPORT
            report = json.loads(envelope.verify(PublicKeys(key), kind))
        except (Fault, OSError, ValueError) as error:
            raise CommandError(str(error), returncode=1) from error
        describe = _describe_key_record if _is_key_record(envelope) else _describe_report
        self.stdout.write(describe(report))


def _is_key_record(envelope: Envelope) -> bool:
    return envelope.payload_type == metadata.KEY_RECORD


def _describe_report(report: dict[str, Any]) -> str:
    operation = report["operation"]
    return (
        f"The report signature is valid: {operation['name']} in "
        f"{report['zone_name']}, {operation['state']}, {len(report['devices'])} "
        f"devices, created {report['made_at']}."
    )


def _describe_key_record(record: dict[str, Any]) -> str:
    return (
        f"The record signature is valid: key of {record['ca']['subject']} "
        f"({record['ca']['sha256']}) in {record['zone_name']}, {len(record['actions'])} actions, "
        f"created {record['made_at']}."
    )
