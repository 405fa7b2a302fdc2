"""Two Remint CA with different name constraints, and names that they do not permit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pki.certificates import constraints
from pki.certificates.details import get_details
from tests.harness.program import Program, later
from tests.scenarios.administrator import remint_ca
from tests.scenarios.running_zone import RunningZone


def get_limits(api: Program) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/authority/name-constraints")
    return found


def save_name(api: Program, server: str, name: str) -> Any:
    path = f"/devices/{api.servers()[server]}/dns-names"
    return api.call("PUT", path, {"dns_names": [name]})


@pytest.mark.long
def test_a_zone_changes_to_a_limited_ca_and_then_to_other_limits(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=10)
    api = zone.program()
    assert get_limits(api)["current"] is None
    proposal = get_limits(api)["proposal"]
    outside = {"domains": ["elsewhere.example"], "networks": proposal["networks"]}
    refused = api.call(
        "POST",
        "/operations/remint-ca",
        {"common_name": "LIMITED", "activates_at": later(75), "name_constraints": outside},
    )
    assert refused.status == 409
    assert "A certificate cannot be issued to" in refused.json["detail"]

    remint_ca(api, common_name="LIMITED", name_constraints=proposal)
    seen = zone.completes()
    assert get_details(seen["new"]).permitted[0].startswith("DNS ")
    assert zone.verify(seen["old"]) == zone.verify(seen["new"]), "the cross-certificate is served"
    assert zone.refused() == []
    assert get_limits(api)["current"] == proposal

    rejected = save_name(api, "ps-01", "www.shop.example")
    assert rejected.status == 409
    assert "do not permit www.shop.example" in rejected.json["detail"]
    assert "Remint CA" in rejected.json["action"]

    wider = {**proposal, "domains": [*proposal["domains"], "shop.example"]}
    remint_ca(api, common_name="WIDER", name_constraints=wider)
    seen = zone.completes()
    found = constraints.read_constraints(seen["new"])
    assert found is not None
    assert "shop.example" in found.domains
    assert zone.verify(seen["old"]) == zone.verify(seen["new"])
    assert save_name(api, "ps-01", "www.shop.example").status == 200
    assert zone.refused() == []
    zone.everybody_is_in_contact()
