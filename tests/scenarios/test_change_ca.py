"""Change the zone CA in every direction, as an administrator does it (manual, 1.2.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.support.public_ca import PublicCA, make_key

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


@pytest.mark.manual("R055")
def test_internal_to_internal_on_another_server(start_zone: StartZone) -> None:
    zone = start_zone(devices=2)
    administrator.change_to_internal(zone.program(), "ps-02")
    seen = zone.completes()
    assert zone.refused() == []
    assert len(zone.verify(seen["old"])) == 3, "the old certificate server signed the bridge"
    assert zone.program().holder() == "ps-02"
    zone.everybody_is_in_contact()


@pytest.mark.manual("R083")
def test_internal_to_external_on_the_pages_then_back(start_zone: StartZone) -> None:
    zone = start_zone(devices=2)
    api, person, ca = zone.program(), zone.visitor(), PublicCA("First")
    ids = api.servers()
    administrator.change_to_external_on_the_pages(person, ca)
    administrator.all_have_a_request(api, zone)
    administrator.answered_on_the_pages(zone, person, ca, ids)
    seen = zone.completes()
    assert zone.refused() == [], "the old CA signed a cross-certificate for the external root"
    assert len(zone.verify(seen["old"])) == 3

    # There is no cross-certificate now: both roots are trusted before one is used.
    administrator.change_to_internal(api, "ps-01")
    seen = zone.completes()
    assert zone.refused() == []
    zone.everybody_is_in_contact()


def test_external_to_external_and_who_missed_it_is_refused_then_recovers(
    start_zone: StartZone,
) -> None:
    """Without a key there is no cross-certificate: an offline device is rejected, and recovers."""
    zone = start_zone(devices=2)
    first, second = PublicCA("First", depth=2), PublicCA("Second", depth=0)
    administrator.change_to_external_with_answers(zone, first)
    zone.completes()
    assert zone.refused() == []

    zone.stop("device-02.agent")
    administrator.change_to_external_with_answers(zone, second)
    zone.reaches("activated")
    zone.cont("device-02.agent")
    zone.completes()
    assert {contact.host for contact in zone.refused()} == {"device-02"}
    assert zone.journal("device-02", "recovered")
    zone.everybody_is_in_contact()


@pytest.mark.manual("R086")
def test_certificates_placed_in_the_remint_repository_by_hand(start_zone: StartZone) -> None:
    """The manual choice: certificate and key are placed on the servers, one by override."""
    zone = start_zone(devices=1)
    api, ca = zone.program(), PublicCA("By hand")
    administrator.change_to_external(api, ca, 130, manual_csr=True)
    zone.reaches("assigned")
    # The first try has the key of something else: the pane says so, and nothing is taken.
    administrator.placed_by_hand(zone, "ps-01", ca, key=make_key())
    until(
        lambda: api.server("ps-01")["future"]["state"] == "csr-failed", "the wrong key is shown", 40
    )
    assert "key" in api.server("ps-01")["future"]["reason"]
    administrator.placed_by_hand(zone, "ps-01", ca)
    administrator.placed_by_hand(zone, "as-01", ca, "chain")
    # ps-02 is let to make its own request after all.
    api.post("/csrs", server_ids=[api.servers()["ps-02"]])
    until(lambda: api.server("ps-02")["future"]["has_csr"], "ps-02 has made its request", 60)
    administrator.answered(zone, api, ca, "ps-02")
    zone.completes()
    assert zone.refused() == []
    for name in ("ps-01", "as-01"):
        left = list(next(zone.home.glob(f"*/{name}/remint-repo")).iterdir())
        assert left == [], "after the activation the repository is empty"
