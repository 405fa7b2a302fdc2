"""Remint CA or Change CA after the CA has expired: Immediate, and nobody is visited (D-23, B-10).

Every contact is refused while the only known CA is expired: that is what expiry means. What must
hold is that afterwards every host is back in verified contact by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.harness.program import Program
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_ca_role import backup_of, restore

StartZone = Callable[..., RunningZone]
Start = Callable[[Program], object]
pytestmark = pytest.mark.long


def move_and_remint(api: Program) -> object:
    """Move the CA role, restore the CA where it was, then remint it."""
    backup = backup_of(api)
    api.job(api.post("/authority/move", server_id=api.servers()["ps-02"]))
    restore(api, "ps-01", backup)
    return administrator.remint_ca(api, None)


@pytest.mark.manual("R044", "R137", "R223")
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(lambda api: administrator.remint_ca(api, None), id="remint"),
        pytest.param(lambda api: administrator.change_to_internal(api, "ps-02", None), id="change"),
        pytest.param(move_and_remint, id="move"),
    ],
)
def test_every_host_finds_back_by_itself_after_the_ca_has_expired(
    start_zone: StartZone, start: Start, tmp_path: Path
) -> None:
    life = partial(administrator.create_zone, life=130)
    zone = start_zone(devices=2, before=life)
    # Who asks the console looks at no dates: TLS to it cannot be verified either.
    root = zone.run(ROOT)
    administrator.ca_has_expired(root)
    until(zone.refused, "contacts are refused", 60)
    zone.run(A_YEAR_AGO)
    start(zone.program(dateless=True))
    zone.completes()
    back = time.time()
    zone.everybody_is_in_contact()
    assert not [contact for contact in zone.refused() if contact.t > back]
    # A.8: the tool by hand on the CA server, with the root to trust; nothing is left to do.
    trusted = zone.hosts("primary")[0].home / "security" / "current" / "ca.pem"
    tool = administrator.fetched_tool(zone, tmp_path)
    done = administrator.run_tool(zone, "ps-01", tool, "-p", str(trusted))
    assert done.returncode == 0, done.stderr
    assert "already been applied" in done.stdout


# As after a year: nobody has been in contact, and only the workers respond (D-167).
A_YEAR_AGO = """
from datetime import timedelta
from django.utils import timezone
from devices.models import Device
Device.objects.update(last_contact=timezone.now() - timedelta(days=366))
"""
ROOT = "from certificates.models import Authority\nprint(Authority.objects.current().root_pem)"
