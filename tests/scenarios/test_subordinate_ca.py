"""A zone CA below the CA of a company, which is a real openssl (D-295 to D-299)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki.certificates import constraints, details
from pki.chains import chains
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_ca_role import PASSPHRASE, backup_of, restore
from tests.scenarios.test_cancel import canceled
from tests.scenarios.test_immediate import A_YEAR_AGO
from tests.support.openssl_ca import OpensslCA
from tests.support.public_ca import PublicCA

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


def get_served(zone: RunningZone, name: str) -> list[str]:
    """Return the certificates that a server sends, its own first."""
    path = next(zone.home.glob(f"*/{name}/security/current/server.pem"))
    return chains.split(path.read_text())


def changes_to_subordinate(zone: RunningZone, ca: OpensslCA, server: str) -> dict[str, str]:
    """Change the zone CA to one below the company's CA, and wait for the end."""
    api = zone.program()
    administrator.change_to_subordinate(api, server)
    administrator.have_ca_certified(api, ca.certify)
    seen = zone.completes()
    assert api.holder() == server
    return seen


def test_internal_to_subordinate_then_remint_then_internal(
    start_zone: StartZone, tmp_path: Path
) -> None:
    """14 agents go through each change, and no contact is refused."""
    zone, ca = start_zone(devices=10), OpensslCA(tmp_path / "company")
    api = zone.program()
    before = zone.verify(api.root())
    limits = api.get("/authority/name-constraints")["proposal"]
    # A server tells with its next refresh that it shows its first certificate.
    until(
        lambda: {api.server(name)["status"] for name in before} == {"Active"},
        "the console knows what every server shows",
    )

    # Canceled while it waits for the chain: nothing of it stays anywhere.
    administrator.change_to_subordinate(api, "ps-02")
    administrator.get_ca_csr(api)
    canceled(zone, api, before)

    administrator.change_to_subordinate(api, "ps-02", name_constraints=limits)
    request = administrator.get_ca_csr(api)
    assert zone.look()["state"] == "preparing", "it waits"
    assert zone.verify(api.root()) == before, "no server has changed anything"
    wrong = api.call(
        "POST",
        f"/operations/{api.operation()['id']}/ca-certificate",
        {"certificates": ca.root_pem},
    )
    assert wrong.status in (409, 422), wrong.text
    chain = ca.certify(request)
    api.act("ca-certificate", certificates=chain)
    seen = zone.completes()
    assert zone.refused() == [], "the cross-certificate bridges to the new zone CA"
    assert zone.verify(seen["old"]) == zone.verify(seen["new"])
    assert api.holder() == "ps-02"
    assert constraints.read_constraints(seen["new"]) is not None
    for host in zone.hosts():
        assert details.get_digest(ca.root_pem) not in zone.trusted(host.name)
    issued = chains.split(chain)[0]
    assert constraints.read_rules(issued), "the company's CA has copied the request"
    for name in sorted(administrator.certified(zone)):
        served = get_served(zone, name)
        assert details.get_digest(issued) in map(details.get_digest, served)
        ca.verify("".join([served[0], *chains.split(chain)[:-1]]))

    administrator.remint_ca(api, 180, common_name="CN=ZONE CA 2,O=Acme")
    second = administrator.have_ca_certified(api, ca.certify)
    seen = zone.completes()
    assert zone.refused() == []
    assert zone.verify(seen["old"]) == zone.verify(seen["new"])
    assert details.get_digest(chains.split(second)[0]) != details.get_digest(issued)
    ca.verify("".join([get_served(zone, "ps-01")[0], *chains.split(second)[:-1]]))

    administrator.change_to_internal(api, "ps-01")
    seen = zone.completes()
    assert zone.refused() == []
    assert zone.verify(seen["old"]) == zone.verify(seen["new"])
    zone.everybody_is_in_contact()


def test_external_to_subordinate_below_its_root_then_to_another_external(
    start_zone: StartZone,
) -> None:
    """The key of an external CA signs no cross-certificate: the chain leads to its root (D-297)."""
    zone = start_zone(devices=1, satellites=1)
    ca, other = PublicCA("Company"), PublicCA("Other")
    api = zone.program()
    administrator.change_to_external_with_answers(zone, ca)
    zone.completes()
    assert api.holder() == ""

    administrator.change_to_subordinate(api, "ps-02", 120)
    chain = administrator.have_ca_certified(api, lambda csr: "".join(ca.certify(csr)))
    seen = zone.completes()
    assert zone.refused() == []
    assert seen["old"] == ca.root.pem
    assert zone.verify(seen["old"]) == zone.verify(seen["new"])
    assert api.holder() == "ps-02"
    issued = details.get_digest(chains.split(chain)[0])
    for name in sorted(administrator.certified(zone)):
        assert issued in map(details.get_digest, get_served(zone, name))

    administrator.change_to_external_with_answers(zone, other)
    seen = zone.completes()
    assert zone.refused() == []
    assert seen["new"] == other.root.pem
    assert api.holder() == ""
    assert zone.verify(seen["old"]) == zone.verify(seen["new"]), "the zone CA has signed across"
    zone.everybody_is_in_contact()


def test_move_backup_restore_and_roll_back(start_zone: StartZone, tmp_path: Path) -> None:
    """The key of a subordinate CA moves and is restored with its chain; then all goes back."""
    zone, ca = start_zone(devices=10), OpensslCA(tmp_path / "company")
    api = zone.program()
    seen = changes_to_subordinate(zone, ca, "ps-01")
    api.job(api.post("/authority/move", server_id=api.servers()["ps-02"]))
    assert api.holder() == "ps-02"
    data = backup_of(api)
    restore(api, "ps-01", data)
    assert api.holder() == "ps-01"
    assert zone.verify(seen["new"]), "moving and restoring remints nothing"
    assert PASSPHRASE not in zone.log("ps-01.web")

    api.act("roll-back")
    zone.reaches("rolled-back", seconds=240)
    assert zone.verify(seen["old"])
    assert zone.refused() == []
    # The way forward is open again.
    changes_to_subordinate(zone, ca, "ps-02")
    assert zone.refused() == []
    zone.everybody_is_in_contact()


def test_every_host_finds_back_after_the_subordinate_ca_has_expired(
    start_zone: StartZone,
) -> None:
    """The company has issued a short certificate, and nobody has reminted the zone CA in time."""
    zone, ca = start_zone(devices=10), PublicCA("Company")
    api = zone.program()
    administrator.change_to_subordinate(api, "ps-01", 120)
    ends = datetime.now(UTC) + timedelta(seconds=300)
    administrator.have_ca_certified(api, lambda csr: "".join(ca.certify(csr, ends=ends)))
    seen = zone.completes(seconds=280)
    administrator.ca_has_expired(seen["new"], 400)
    until(zone.refused, "contacts are refused", 60)
    zone.run(A_YEAR_AGO)
    blind = zone.program(dateless=True)
    administrator.remint_ca(blind, None, common_name="CN=ZONE CA 2,O=Acme")
    administrator.have_ca_certified(blind, lambda csr: "".join(ca.certify(csr)))
    zone.completes()
    back = time.time()
    zone.everybody_is_in_contact()
    assert not [contact for contact in zone.refused() if contact.t > back]
