"""The database is restored from a backup that is older than the hosts (D-165).

One Remint CA is completed, with a copy of the database at each of its stages. The console gets one
copy between activation and completion, and then one after the other, and each time the zone
converges. The hosts can also be an hour ahead of the backup.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.harness.evidence import leaked_secrets
from tests.harness.program import later
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone, remint
from tests.scenarios.test_faults import once_only
from tests.scenarios.test_trust_list import zac
from wire.messages import MANAGED
from zcc.runtime.layout import Host

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
StartZone = Callable[..., RunningZone]
WORKERS = ("ps-01.worker", "ps-02.worker")
CONSOLE = ("beat", *WORKERS, "ps-01.web", "ps-02.web")
STAGES = ("preparing", "replicating", "assigned", "certified", "activating", "activated")
# The state of the newest operation, and how many of its servers have a new certificate, or not.
STAGE = """
SELECT operation.state, sum(future.state = 'created'), sum(future.state != 'created')
FROM (SELECT * FROM certificates_operation ORDER BY created_at DESC LIMIT 1) AS operation
LEFT JOIN certificates_futurecertificate AS future ON future.operation_id = operation.guid
GROUP BY operation.guid
"""
IN_USE = """
import json
from certificates.models import ServerCertificate
rows = ServerCertificate.objects.current()
print(json.dumps(dict(rows.values_list("device__name", "digest"))))
"""
FINDINGS = """
from django.utils import timezone
from certificates.issuance import integrity
print([str(one) for one in integrity.list_findings(timezone.now())])
"""

# Each change of the settings makes a new version of the trust list.
CHANGE = """
from devices.zone import settings
settings.save_zone_settings({{"renewal_days": {days}}})
"""
ALARMS = """
from audit.models import AlteredRow
print(list(AlteredRow.objects.values_list("label", "name")))
"""
COUNTER = """
from devices.models import Device
print(Device.objects.get(name="device-01").counter)
"""
# The rows as they were an hour before: versions are times in milliseconds.
AN_HOUR_BEFORE = """
UPDATE devices_zone SET revision = max(1, revision - 3600000);
UPDATE devices_device SET counter = max(0, counter - 900), last_contact = NULL;
"""


class Backups:
    """Copies of the database of a zone, by stage."""

    def __init__(self, zone: RunningZone, folder: Path) -> None:
        self._zone, self._folder = zone, folder
        self._database = zone.home / "zcc.sqlite3"
        folder.mkdir()

    def take(self, stage: str = "") -> str:
        """Copy the database while the console uses it, and return the stage of the copy.

        The first copy of a stage is kept. With `stage`, the copy has this name.
        """
        path = self._folder / ".new"
        with (
            closing(sqlite3.connect(self._database)) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            source.backup(copy)
            stage = stage or read_stage(copy)
        if (self._folder / stage).exists():
            path.unlink()
        else:
            path.rename(self._folder / stage)
        return stage

    def take_until(self, *stages: str, seconds: float = 240) -> None:
        """Copy the database at each stage until one of some stages is reached."""
        until(lambda: self.take() in stages, f"the operation is {' or '.join(stages)}", seconds)

    def list(self) -> list[str]:
        """Return the stages of which there is a copy."""
        return [path.name for path in self._folder.iterdir()]

    def make_older(self, stage: str) -> None:
        """Change versions, counters, and times of contact to what they were an hour before."""
        with closing(sqlite3.connect(self._folder / stage)) as copy:
            copy.executescript(AN_HOUR_BEFORE)

    def restore(self, stage: str) -> None:
        """Stop the console, replace the database, and start the console again. Agents go on."""
        for part in CONSOLE:
            self._zone.take_down(part)
        self._zone.end_inside()
        for suffix in ("", "-wal", "-shm"):
            self._database.with_name(self._database.name + suffix).unlink(missing_ok=True)
        self._database.write_bytes((self._folder / stage).read_bytes())
        for part in CONSOLE:
            self._zone.bring_back(part)


def read_stage(copy: sqlite3.Connection) -> str:
    """Return the stage of the newest operation, "before" if there is none.

    The stage "certified" is the state assigned, after all servers have their new certificates.
    """
    state, created, awaited = copy.execute(STAGE).fetchone() or ("before", 0, 0)
    return "certified" if state == "assigned" and created and not awaited else str(state)


def start_without_workers(zone: RunningZone, backups: Backups, seconds: int) -> None:
    """Start a Remint CA, and copy the database before the new CA is created."""
    for worker in WORKERS:
        zone.take_down(worker)
    remint(zone, seconds)
    assert backups.take() == "preparing"
    for worker in WORKERS:
        zone.bring_back(worker)


def is_served(zone: RunningZone, root: str) -> bool:
    """Return True if every server uses a certificate of a CA."""
    try:
        return bool(zone.verify(root))
    except OSError:
        return False


def restore_while_activated(zone: RunningZone, backups: Backups) -> None:
    """Restore the stage certified after the activation, while one device has not activated yet."""
    backups.take_until("activating")
    zone.stop("device-01.agent")
    backups.take_until("activated")
    new = zone.look()["new"]
    until(lambda: is_served(zone, new), "every server has activated", 60)
    assert zone.look()["state"] == "activated"
    backups.restore("certified")
    zone.cont("device-01.agent")


@pytest.mark.timeout(1800)
def test_the_zone_converges_after_a_restore_from_each_stage(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone = start_zone(devices=2)
    backups = Backups(zone, tmp_path / "backups")
    start_without_workers(zone, backups, 120)
    restore_while_activated(zone, backups)
    seen = zone.completes(180)
    once_only(zone)
    assert set(STAGES) == set(backups.list())
    for stage in STAGES[:0:-1]:
        backups.restore(stage)
        again = zone.completes(120)
        assert again["new"] == seen["new"], stage
        verify_records(zone, stage)
        once_only(zone)
    # The operation creates another CA, because the one that the hosts use is not in this backup.
    backups.restore("preparing")
    blocked = zone.reaches("blocked")
    path = f"/operations/{blocked['id']}/activation-time"
    zone.program().put(path, activates_at=later(70))
    again = zone.completes(180)
    assert again["new"] != seen["new"]
    verify_records(zone, "preparing")
    zone.everybody_is_in_contact()
    remint(zone)
    zone.completes(300)
    assert zone.refused() == []
    assert leaked_secrets(zone.home) == []


def verify_records(zone: RunningZone, stage: str) -> None:
    """Assert that the console knows what the servers use, and that no host lost contact."""
    served = zone.verify(str(zone.look()["new"]))
    assert json.loads(zone.run(IN_USE).splitlines()[-1]) == served, stage
    assert zone.run(FINDINGS).strip() == "[]", stage
    assert zone.refused() == [], stage


def test_with_a_backup_from_before_the_operation_a_remint_ca_helps(
    start_zone: StartZone, tmp_path: Path
) -> None:
    """The CA that every host uses is not in the database, and its key is lost."""
    zone = start_zone(devices=2)
    backups = Backups(zone, tmp_path / "backups")
    backups.take("before")
    remint(zone)
    lost = zone.completes(300)
    backups.restore("before")
    zone.everybody_is_in_contact()
    visitor = zone.visitor()
    told = "If the database was restored from a backup, use Remint CA."
    until(lambda: told in visitor.get("/").text, "Home says what to do", 60)
    remint(zone)
    seen = zone.completes(300)
    assert seen["new"] != lost["new"]
    assert zone.refused() == []
    until(lambda: told not in visitor.get("/").text, "nothing is left to do", 120)


def test_an_operation_that_is_not_in_the_backup_ends_on_the_devices(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone = start_zone(devices=2)
    backups = Backups(zone, tmp_path / "backups")
    backups.take("before")
    remint(zone, 600)
    seen = zone.reaches("assigned")
    until(
        lambda: set(zone.look()["assigned"].values()) == {"applied"}, "every host applied it", 120
    )
    roots = len(zone.trusted("device-01"))
    backups.restore("before")
    until(lambda: len(zone.trusted("device-01")) < roots, "the new root is forgotten", 120)
    until(lambda: zone.journal("ps-02", "canceled") != [], "servers cancel it, too", 120)
    assert zone.look() == {}
    remint(zone)
    zone.completes(300)
    assert zone.refused() == []
    assert seen["state"] == "assigned"


def test_hosts_that_are_an_hour_ahead_of_the_backup_continue(
    start_zone: StartZone, tmp_path: Path
) -> None:
    """Request counters, trust lists, and a registration are later than the backup."""
    zone = start_zone(devices=1)
    device = zone.hosts("managed")[0].home
    backups = Backups(zone, tmp_path / "backups")
    until(partial(has_list_after, device, 0), "the device has a trust list")
    backups.take("an hour ago")
    backups.make_older("an hour ago")
    for days in (31, 32, 33):
        before = get_list_version(device)
        zone.run(CHANGE.format(days=days))
        until(partial(has_list_after, device, before), "the device has a newer trust list", 60)
    later = zone.add_device("device-90", 90)
    until(partial(has_list_after, later, 0), "another device has registered")
    ahead, counter = get_list_version(device), int((device / "counter").read_text())

    backups.restore("an hour ago")
    zone.everybody_is_in_contact()
    until(partial(has_list_after, device, ahead), "the device has a newer trust list", 60)
    assert int(zone.run(COUNTER)) > counter
    assert "already has version" not in zone.log("device-01.agent")
    rejected = zac(later, "refresh")
    assert rejected.returncode == 3, rejected.stderr
    assert "zac reg" in rejected.stderr
    zone.register(Host("device-90", MANAGED, f"{zone.plan.base}.90", later))
    assert zac(later, "refresh").returncode == 0
    zone.everybody_is_in_contact()
    assert zone.refused() == []
    assert zone.run(FINDINGS).strip() == "[]"
    assert zone.run(ALARMS).strip() == "[]"


def has_list_after(home: Path, version: int) -> bool:
    """Return True if a host uses a later trust list."""
    return get_list_version(home) > version


def get_list_version(home: Path) -> int:
    """Return the version of the trust list that a host uses, 0 if it has none."""
    path = home / "servers.json"
    found = json.loads(path.read_text())["trust_list"] if path.exists() else None
    return int(found["version"]) if found else 0
