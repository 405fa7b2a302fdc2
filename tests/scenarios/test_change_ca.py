"""Change the zone CA in every direction, move it, lose it, restore it (manual, 1.2.4 to 1.2.9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.evidence import leaked_secrets
from tests.harness.zone import until
from tests.public_ca import PublicCA
from tests.scenarios.running import RunningZone, remint

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long

BEGIN = """
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4
import json
from django.utils import timezone
from certificates import authority, importing, requests
from certificates.models import Authority, FutureCertificate, Operation, VaultJob
from certificates.operations import orders, starting
from devices.models import Device
from pki import bundles, chains
now = timezone.now()
"""
TO_INTERNAL = """
server = Device.objects.get(name={server!r})
order = orders.ChangeToInternal(server.pk, "NEW-ZONE", 256, 5, False, now + timedelta(seconds=80))
starting.change_to_internal(order, by=None, key=uuid4(), now=now)
"""
TO_EXTERNAL = """
root, others = chains.split_root(bundles.read_certificates(Path({file!r}).read_bytes()))
order = orders.ChangeToExternal(root, chains.join(*others) if others else "", False, 256, False,
    now + timedelta(seconds=100), orders.SubjectFields(organization="Acme"))
starting.change_to_external(order, by=None, key=uuid4(), now=now)
"""
REQUESTS = """
rows = FutureCertificate.objects.open().select_related("device")
print(json.dumps({f.device.name: [f.csr_pem, f.device.addresses] for f in rows if f.csr_pem}))
"""
IMPORT = """
folder = Path({folder!r})
files = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
futures = list(FutureCertificate.objects.open().select_related("device", "authority", "operation"))
done = importing.import_many(futures, files, now=now)
print(json.dumps([done.done, done.refused]))
"""


EXCLUDE = """
import time
from systemupdates import replication
from systemupdates.models import Replica
rows = Replica.objects.filter(server__name={server!r}, state="pending")
while not rows.exists():
    time.sleep(1)
replication.exclude(rows.get(), now=now)
"""


def to_internal(zone: RunningZone, server: str) -> None:
    zone.run(BEGIN + TO_INTERNAL.format(server=server))


def to_external(zone: RunningZone, ca: PublicCA, folder: Path) -> None:
    """Start the change, wait for the servers' CSRs, have them signed, import the answers."""
    folder.mkdir()
    chain = folder / "chain.pem"
    chain.write_text("".join([*ca.chain, ca.root.pem]))
    zone.run(BEGIN + TO_EXTERNAL.format(file=str(chain)))
    certified = len(zone.hosts("primary")) + len(zone.hosts("authentication-satellite"))
    waiting: dict[str, Any] = {}

    def all_asked() -> bool:
        waiting.update(json.loads(zone.run(BEGIN + REQUESTS).splitlines()[-1]))
        return len(waiting) == certified

    until(all_asked, "a CSR of every server", 80)
    answers = folder / "answers"
    answers.mkdir()
    forms = ("pem", "der", "p7b")
    for number, (name, (request, addresses)) in enumerate(sorted(waiting.items())):
        form = "p7b" if number == 2 else forms[number % 2]
        signed = ca.answer(request, form, addresses=addresses)
        (answers / f"{name}.{form}").write_bytes(signed)
    (answers / "chain.pem").write_text("".join(ca.chain))
    done, refused = json.loads(
        zone.run(BEGIN + IMPORT.format(folder=str(answers))).splitlines()[-1]
    )
    assert sorted(done) == sorted(waiting), refused


def completed(zone: RunningZone) -> dict[str, Any]:
    """Wait for the end; every device must be activated and every server show the new CA."""
    seen = zone.reaches("completed", seconds=300)
    assert set(seen["assigned"].values()) == {"activated"}
    assert len(zone.verify(seen["new"])) == len(seen["futures"])
    assert leaked_secrets(zone.home) == []
    return seen


def in_contact(zone: RunningZone) -> None:
    """Every host has a verified contact after now."""
    before = len(zone.contacts())
    names = {host.name for host in zone.hosts()}
    until(
        lambda: names <= {c.host for c in zone.contacts()[before:] if c.ok},
        "every host has a verified contact",
    )


def test_internal_to_internal_on_another_server(start_zone: StartZone) -> None:
    zone = start_zone(devices=2)
    to_internal(zone, "ps-02")
    seen = completed(zone)
    assert zone.refused() == []
    assert len(zone.verify(seen["old"])) == 3, "the old certificate server signed the bridge"
    in_contact(zone)


def test_internal_to_external_and_on_to_another_external_and_back(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone = start_zone(devices=2)
    to_external(zone, PublicCA("First"), tmp_path / "first")
    seen = completed(zone)
    assert zone.refused() == [], "the old CA's bridge covers the external root"
    assert len(zone.verify(seen["old"])) == 3
    to_external(zone, PublicCA("Second"), tmp_path / "second")
    completed(zone)
    assert zone.refused() == [], "both roots are trusted before one is used"
    to_internal(zone, "ps-01")
    completed(zone)
    assert zone.refused() == []
    in_contact(zone)


def test_move_the_role_then_remint_on_the_new_server(start_zone: StartZone) -> None:
    zone = start_zone(devices=1)
    zone.run(
        BEGIN + "server = Device.objects.get(name='ps-02')\n"
        "job = authority.move_role(server.pk, by=None, now=now)\nprint(job.pk)"
    )
    until(lambda: holder(zone) == "ps-02", "ps-02 has the CA role", 40)
    remint(zone)
    completed(zone)
    assert zone.refused() == []


def holder(zone: RunningZone) -> str:
    """Return which server has the CA role."""
    code = "print(Authority.objects.current().certificate_server.name)"
    return zone.run(BEGIN + code).splitlines()[-1]


def test_a_dead_certificate_server_is_replaced_by_restoring_on_another_one(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone = start_zone(devices=1)
    backup = tmp_path / "backup.zip"
    asked = zone.run(BEGIN + "print(authority.back_up('a long enough passphrase', by=None).pk)")
    job = asked.splitlines()[-1]
    take = (
        f"job = VaultJob.objects.get(pk='{job}')\n"
        f"if job.result: Path({str(backup)!r}).write_bytes(bytes(job.result))\n"
        "print(job.state, job.reason)\n"
    )
    until(lambda: "done" in zone.run(BEGIN + take), "the backup is made", 60)
    for part in ("ps-01.web", "ps-01.worker", "ps-01.agent"):
        zone.take_down(part)
    restore = (
        "server = Device.objects.get(name='ps-02')\n"
        f"data = Path({str(backup)!r}).read_bytes()\n"
        "authority.restore(data, 'a long enough passphrase', server.pk, by=None, now=now)\n"
    )
    zone.run(BEGIN + restore, server="ps-02")
    until(lambda: holder(zone) == "ps-02", "ps-02 has the CA role", 60)
    sign = (
        "server = Device.objects.get(name='ps-02')\n"
        "order = orders.RemintServers((server.pk,), '', 256, False,"
        " now + timedelta(seconds=80), 'after the restore')\n"
        "starting.remint_servers(order, by=None, key=uuid4(), now=now)\n"
    )
    zone.run(BEGIN + sign, server="ps-02")
    zone.run(BEGIN + EXCLUDE.format(server="ps-01"), server="ps-02")
    seen = zone.reaches("completed", seconds=300)
    assert seen["futures"] == {"ps-02": "active"}
    assert leaked_secrets(zone.home, ("a long enough passphrase",)) == []
