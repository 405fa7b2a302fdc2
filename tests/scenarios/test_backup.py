"""A zone backs itself up and proves it; a broken file is reported everywhere (D-196 to D-198)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pki.backup import recipients
from tests.harness.evidence import leaked_secrets
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone, remint

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
StatusOf = dict[str, Any]
LOOK = """
import json
from certificates.models import BackupStatus
rows = BackupStatus.objects.values("created_at", "fault", "proven_at", "drill_fault", "ca_sha256")
print(json.dumps(list(rows), default=str))
"""
# A week later, as far as the drill is concerned.
NEXT_WEEK = """
from datetime import timedelta
from django.db.models import F
from certificates.models import BackupStatus
BackupStatus.objects.update(drilled_at=F("drilled_at") - timedelta(days=7))
"""
BACK_UP = """
from django.utils import timezone
from certificates.backup import creation
creation.back_up(now=timezone.now())
"""


def look(zone: RunningZone) -> StatusOf:
    rows: list[StatusOf] = json.loads(zone.run(LOOK).splitlines()[-1])
    return rows[0] if rows else {"proven_at": None, "drill_fault": "", "ca_sha256": ""}


def test_backups_are_proven_and_a_broken_one_is_reported(
    start_zone: Callable[..., RunningZone], tmp_path: Path
) -> None:
    identity, directory = recipients.generate_identity(), tmp_path / "backups"
    environment = {
        "ZCC_BACKUP_DIRECTORY": str(directory),
        "ZCC_BACKUP_RECIPIENT": recipients.get_recipient(identity),
    }
    zone = start_zone(devices=1, primaries=1, satellites=0, environment=environment)
    until(lambda: look(zone)["proven_at"], "the first backup is proven", 240)
    assert look(zone)["drill_fault"] == ""
    assert "The restore took" in zone.visitor().get("/").text
    [first] = directory.glob("*.age")

    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    zone.run(NEXT_WEEK)
    until(lambda: "damaged" in look(zone)["drill_fault"], "the drill finds the damage", 180)
    assert "cannot be restored" in zone.visitor().get("/").text
    found = {one["key"]: one["passed"] for one in zone.program().get("/health-checks")}
    assert found["zone-backup"]
    assert not found["restore"]

    zone.run(BACK_UP)
    zone.run(NEXT_WEEK)
    until(lambda: look(zone)["drill_fault"] == "", "a new backup is proven", 180)

    before = look(zone)["ca_sha256"]
    remint(zone)
    zone.completes(300)
    until(lambda: look(zone)["ca_sha256"] != before, "the new CA is in a backup", 180)
    proven_at = look(zone)["proven_at"]
    zone.run(NEXT_WEEK)
    until(lambda: look(zone)["proven_at"] != proven_at, "it is proven", 180)
    assert look(zone)["drill_fault"] == ""
    assert leaked_secrets(zone.home) == []
