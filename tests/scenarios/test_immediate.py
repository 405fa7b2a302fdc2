"""Remint CA after the CA has expired: Immediate, and nobody is visited (D-23, B-10).

Every contact is refused while the only known CA is expired: that is what expiry means. What must
hold is that afterwards every host is back in verified contact by itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki import details
from tests.harness.zone import until
from tests.scenarios.running import RunningZone, remint, scenario_zone

pytestmark = pytest.mark.long
LIFE_SECONDS = 220

# Found the zone with a CA that ends soon; the launcher then goes on with what it finds.
FOUND = """
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
from pki import issuing
from pki.validity import Validity
now = timezone.now()
ends = now.replace(microsecond=0) + timedelta(seconds={life})
issuing.root_validity = lambda now, years: Validity(now - timedelta(days=1), ends)
call_command("migrate", verbosity=0)
call_command("create_zone", *{arguments!r})
"""


def test_every_host_finds_back_by_itself_after_the_ca_has_expired(tmp_path: Path) -> None:
    with scenario_zone(tmp_path, devices=2, before=found_for_a_while) as zone:
        ends = details.describe(current_root(zone)).not_after
        until(lambda: datetime.now(UTC) > ends + timedelta(seconds=2), "the CA has expired", 300)
        until(zone.refused, "contacts are refused", 60)
        remint(zone, seconds=0)
        seen = zone.reaches("completed", seconds=300)
        assert set(seen["assigned"].values()) == {"activated"}
        assert len(zone.verify(seen["new"])) == 3
        before = len(zone.contacts())
        names = {host.name for host in zone.hosts()}
        until(
            lambda: names <= {c.host for c in zone.contacts()[before:] if c.ok},
            "every host is in verified contact",
        )
        assert not [c for c in zone.contacts()[before:] if c.refused]


def found_for_a_while(zone: RunningZone) -> None:
    """Found a zone whose CA lives for some minutes."""
    zone.home.mkdir(parents=True, exist_ok=True)
    first = zone.hosts("primary")[0]
    arguments = ["--name", "DEMO-ZONE", "--server-name", *first.facts()[1:], "--demo"]
    arguments += ["--home", str(first.home), "--admin", "admin"]
    zone.run(FOUND.format(life=LIFE_SECONDS, arguments=arguments))


def current_root(zone: RunningZone) -> str:
    """Return the zone CA's certificate."""
    code = "from certificates.models import Authority\nprint(Authority.objects.current().root_pem)"
    return zone.run(code)
