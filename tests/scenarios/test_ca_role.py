"""Move the CA role, back the CA up, restore it, lose its server (manual, 1.2.6 to 1.2.8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.crawler import shown_secrets
from tests.harness.evidence import leaked_secrets
from tests.harness.program import Program, later
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long
PASSPHRASE = "a long enough passphrase"


def backup_of(api: Program) -> bytes:
    """Back the CA up and download the file."""
    job = api.job(api.post("/authority/backup", passphrase=PASSPHRASE))
    return bytes(api.get(f"/jobs/{job['id']}/result"))


def restore(api: Program, server: str, data: bytes) -> None:
    """Restore the CA on a server."""
    fields = {"server_id": api.servers()[server], "passphrase": PASSPHRASE}
    api.job(api.upload("/authority/restore", fields, "backup.zip", data))


def sign_one(api: Program, server: str) -> None:
    """Remint the certificate of one server."""
    api.post(
        "/operations/remint-servers",
        server_ids=[api.servers()[server]],
        name="after the move",
        activates_at=later(75),
    )


@pytest.mark.manual("R102", "R115", "R120")
def test_the_role_moves_and_the_new_server_signs(start_zone: StartZone) -> None:
    """The role moves, is restored where it is, then elsewhere; whoever has it can sign."""
    zone = start_zone(devices=1, satellites=0)
    api = zone.program()
    before = zone.verify(api.root())
    api.job(api.post("/authority/move", server_id=api.servers()["ps-02"]))
    assert api.holder() == "ps-02"
    assert zone.verify(api.root()) == before, "a move remints nothing"

    data = backup_of(api)
    restore(api, "ps-02", data)
    assert api.holder() == "ps-02", "restored on the same server"
    restore(api, "ps-01", data)
    assert api.holder() == "ps-01", "restored on another one"
    api.job(api.post("/authority/move", server_id=api.servers()["ps-02"]))

    administrator.remint_ca(api)
    zone.completes()
    assert api.holder() == "ps-02"
    assert zone.refused() == []
    assert leaked_secrets(zone.home, (PASSPHRASE,)) == []
    assert shown_secrets(zone, zone.visitor(), api, PASSPHRASE) == []


@pytest.mark.manual("R115")
def test_a_dead_certificate_server_is_replaced_by_restoring_on_another_one(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=1)
    data = backup_of(zone.program())
    for part in ("ps-01.web", "ps-01.worker", "ps-01.agent"):
        zone.take_down(part)
    # It comes never back: its home with its vault keys is gone.
    (zone.home / "servers" / "ps-01" / "vault").rename(zone.home / "lost-vault")
    api = zone.program("ps-02")
    restore(api, "ps-02", data)
    assert api.holder() == "ps-02"

    sign_one(api, "ps-02")
    exclude_dead(api)
    seen = zone.reaches("completed", seconds=300)
    assert seen["futures"] == {"ps-02": "active"}
    until(
        lambda: (
            {"device-01", "as-01", "cs-01"} <= {one.host for one in zone.contacts()[-40:] if one.ok}
        ),
        "everybody is in contact with what is left",
    )
    assert zone.refused() == []
    assert leaked_secrets(zone.home, (PASSPHRASE,)) == []


def exclude_dead(api: Program) -> None:
    """Leave the dead server out of replication, as the message line offers."""

    def pending() -> list[int]:
        update = api.operation()["update_id"]
        rows = api.get(f"/updates/{update}/replicas")["items"] if update else []
        return [r["id"] for r in rows if (r["server"], r["state"]) == ("ps-01", "pending")]

    until(pending, "ps-01 holds the replication up")
    for replica in pending():
        api.act(f"replicas/{replica}/exclude")
