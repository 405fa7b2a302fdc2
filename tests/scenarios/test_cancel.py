"""Cancel at each stage, and a cancel that fails (manual, 1.2.5 and 1.2.10; D-24, D-25)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pki.certificates import details
from tests.harness.program import Program
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


@pytest.mark.manual("R093")
def test_canceled_at_each_stage_nothing_is_left_and_the_next_one_works(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=2)
    api = zone.program()
    before = zone.verify(api.root())
    # A server tells with its next refresh that it shows its first certificate.
    until(
        lambda: {api.server(name)["status"] for name in before} == {"Active"},
        "the console knows what every server shows",
    )

    zone.take_down("cs-01.agent")
    administrator.remint_ca(api)
    zone.reaches("replicating")
    canceled(zone, api, before)
    zone.bring_back("cs-01.agent")

    administrator.remint_ca(api)
    zone.reaches("assigned")
    has_new = "New certificate created"
    until(lambda: api.server("ps-02")["status"] == has_new, "ps-02 has its certificate", 50)
    canceled(zone, api, before)

    zone.stop("ps-02.agent")
    administrator.remint_ca(api, 62)
    zone.reaches("replicating")
    api.act("assign-now")
    assert "ps-02" in zone.reaches("blocked")["reason"]
    zone.cont("ps-02.agent")
    canceled(zone, api, before)

    administrator.remint_ca(api)
    zone.completes()
    assert zone.refused() == []


def canceled(zone: RunningZone, api: Program, before: dict[str, str]) -> None:
    """Cancel; nothing of the new CA may stay anywhere, and every server shows what it did."""
    root = api.root()
    api.act("cancel")
    seen = zone.reaches("canceled", seconds=60)
    assert set(seen["futures"].values()) == {"discarded"}
    assert {api.server(name)["status"] for name in before} == {"Active"}
    only = {details.get_digest(root)}
    until(
        lambda: all(zone.trusted(host.name) == only for host in zone.hosts() if is_up(zone, host)),
        "every host trusts the old root alone",
    )
    staged = zone.home.glob
    until(
        lambda: not [path for path in staged("*/*/remint-repo/*") if path.is_dir()],
        "the staged files and future keys are removed",
    )
    assert zone.verify(root) == before


def is_up(zone: RunningZone, host: object) -> bool:
    """Tell whether a host's agent runs."""
    return f"{host.name}.agent" in zone.pids()  # type: ignore[attr-defined]  # a Host


# Workers sign the cancellation with it. Without the master key, they could store nothing.
TAKE_ZONE_KEY = """
import json
from django.core import serializers
from devices.models import ZoneKey
rows = ZoneKey.objects.filter(kind="signing")
print(json.dumps(serializers.serialize("json", rows)))
rows.delete()
"""
RETURN_ZONE_KEY = """
from django.core import serializers
for row in serializers.deserialize("json", {rows!r}):
    row.save()
"""


@pytest.mark.manual("R094")
def test_a_cancel_that_fails_says_where_can_be_cleared_and_tried_again(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=1, satellites=0)
    api = zone.program()
    before = zone.verify(api.root())
    administrator.remint_ca(api, 180)
    zone.reaches("assigned")

    rows = json.loads(zone.run(TAKE_ZONE_KEY).splitlines()[-1])
    restart_workers(zone)
    api.act("cancel")
    failed = zone.reaches("cancel-failed", seconds=60)
    assert "zone keys" in failed["reason"], "the step that failed is named"
    assert api.operation()["action"], "and what to do"
    shown = zone.visitor().get("/configuration/certificates/").text
    assert "Clear" in shown
    api.act("clear-failure")
    assert api.operation()["reason"] == ""

    zone.run(RETURN_ZONE_KEY.format(rows=rows))
    restart_workers(zone)
    canceled(zone, api, before)
    administrator.remint_ca(api)
    zone.completes()
    assert zone.refused() == []


def restart_workers(zone: RunningZone) -> None:
    for host in zone.hosts("primary"):
        zone.kill_and_wait(f"{host.name}.worker")
