"""A running zone whose database somebody else can write to: no key, and an alarm for each attempt.

See: D-170
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certificates.authority import key_jobs
from pki.protection import sealing
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone

THIEF = "a long enough passphrase of the thief"
ALTERED = """
from audit.models import AlteredRow, Entry
print({row.label for row in AlteredRow.objects.all()})
"""
NOTES = """
from audit.models import Entry
print(list(Entry.objects.filter(action="row-altered").values_list("subject", flat=True)))
"""


class Thief:
    """Somebody with the database alone: no file of a server, and no code of the console."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with sqlite3.connect(self._path, timeout=30) as database:
            database.row_factory = sqlite3.Row
            return database.execute(statement, values).fetchall()

    def insert(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self.run(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', *row.values())

    def insert_primary(self, key: sealing.VaultKey) -> str:
        """Insert a registered Primary Server with a vault key of the thief."""
        [known] = self.run("SELECT * FROM devices_device WHERE name = 'ps-01'")
        guid = uuid.uuid4().hex
        values = {"guid": guid, "name": "ps-99", "fqdn": "ps-99.evil.example"}
        keys = {"vault_key": key.public, "ca_vault_key": key.public}
        self.insert("devices_device", {**dict(known), **values, **keys})
        return guid

    def insert_backup(self) -> str:
        """Insert a waiting Backup CA with a passphrase of the thief."""
        [server] = self.run("SELECT * FROM devices_device WHERE name = 'ps-01'")
        [authority] = self.run("SELECT guid FROM certificates_authority WHERE state = 'current'")
        guid = uuid.uuid4()
        binding = key_jobs._build_binding(guid, "backup")
        sealed = sealing.seal(THIEF.encode(), to=server["vault_key"], binding=binding)
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
        self.insert(
            "certificates_vaultjob",
            {
                "guid": guid.hex,
                "kind": "backup",
                "state": "waiting",
                "created_at": now,
                "server_id": server["guid"],
                "authority_id": authority["guid"],
                "sealed": sealed,
                "payload": b"",
                "result": b"",
                "reason": "",
                "action": "",
            },
        )
        return guid.hex


def alarms(zone: RunningZone, *labels: str) -> bool:
    shown = zone.run(ALTERED)
    return all(label in shown for label in labels)


@pytest.mark.long
def test_the_database_alone_gives_no_key_and_raises_alarms(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=0, satellites=0, primaries=1)
    until((zone.hosts()[0].home / "vault/zone-master.pin").exists, "MACs are required")
    assert zone.run(ALTERED).strip() == "set()"
    thief, key = Thief(zone.home / "zcc.sqlite3"), sealing.generate_vault_key()
    primary, job = thief.insert_primary(key), thief.insert_backup()
    until(lambda: alarms(zone, "devices.Device", "certificates.VaultJob"), "both raise an alarm")
    assert thief.run("SELECT * FROM devices_zonekey WHERE server_id = ?", primary) == []
    [row] = thief.run("SELECT state, result FROM certificates_vaultjob WHERE guid = ?", job)
    assert (row["state"], bytes(row["result"])) == ("waiting", b"")
    assert str(uuid.UUID(job)) in zone.run(NOTES)

    # An administrator and a certificate server that only SQL knows.
    thief.run("UPDATE auth_user SET password = 'x', is_superuser = 1")
    thief.run("UPDATE certificates_authority SET certificate_server_id = ?", primary)
    until(lambda: alarms(zone, "auth.User", "certificates.Authority"), "both raise an alarm")
    said = zone.run(
        "from django.core.management import call_command\n"
        "try:\n    call_command('check_rows')\nexcept SystemExit as end:\n    print(end.code)\n"
    )
    assert "ps-99" in said
    assert "--remove ROW" in said
    assert json.loads(said.strip().splitlines()[-1]) == 1
