"""Maintenance windows and change freezes during a Remint CA, and for renewals (D-273 to D-275).

A change freeze moves the activation by days, until an administrator removes it. A maintenance
window that is added later moves it by a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from tests.harness.program import Program, later
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
OPERATIONS = "/configuration/certificates/operations/"
WINDOWS = "/configuration/maintenance-windows/"
REASON = "Year-end closing"
IN_FREEZE = f"The change freeze “{REASON}” is in force"
LENGTH = timedelta(minutes=15)
DAYS = 3
# Certificates are issued for 365 days, so with these values they are due for renewal.
DUE = {"server_certificate_days": 366, "renewal_days": 365}
NOT_DUE = {"server_certificate_days": 365, "renewal_days": 30}

# All steps of the scheduler run in its next turn, not only those with work.
DELETE_TURN = """
from certificates.tasks.steps import FULL_TURN
from console.models import Heartbeat
Heartbeat.objects.filter(name=FULL_TURN).delete()
"""
LAST_TURN = """
from certificates.tasks.steps import FULL_TURN
from console.models import Heartbeat
print(sum(row.at.timestamp() for row in Heartbeat.objects.filter(name=FULL_TURN)))
"""


def run_all_steps(zone: RunningZone) -> None:
    """Wait until the scheduler has run all its steps. One of them starts renewals."""
    begin = time.time()
    zone.run(DELETE_TURN)
    until(lambda: float(zone.run(LAST_TURN)) > begin, "the scheduler has run all its steps")


def in_seconds(seconds: float) -> datetime:
    """Return a time without fractions of a second, as texts show it."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def add_freeze(api: Program) -> tuple[str, datetime]:
    """Add a change freeze that is in force; return its path and its end."""
    ends = in_seconds(DAYS * 86_400)
    begins = in_seconds(-60)
    values = {"begins_at": begins.isoformat(), "ends_at": ends.isoformat(), "reason": REASON}
    return f"/change-freezes/{api.post('/change-freezes', **values)['id']}", ends


def add_window(api: Program, opens: datetime) -> None:
    """Add a maintenance window that opens every day at this time."""
    local = opens.astimezone(ZoneInfo(api.get("/zone")["time_zone"]))
    minutes = int(LENGTH.total_seconds() // 60)
    rule = f"DTSTART:{local:%Y%m%dT%H%M%S}\nDURATION:PT{minutes}M\nRRULE:FREQ=DAILY"
    api.post("/maintenance-windows", name="Tonight", rule=rule)


def get_time(api: Program, name: str = "activates_at") -> datetime:
    """Return a time of the newest operation."""
    return datetime.fromisoformat(api.operation()[name])


def is_moved(api: Program, to: datetime) -> bool:
    return get_time(api) == to


def describe(at: datetime) -> str:
    """Return a time as the console writes it."""
    return f"{at.day} {at:%b %Y, %H:%M:%S} UTC"


def shows(zone: RunningZone, api: Program, why: str, to: datetime) -> None:
    """Check that the operation, and its page, say why it is waiting and until when."""
    operation = api.operation()
    assert operation["reason"].startswith(why), operation["reason"]
    assert operation["reason"].endswith(f"The activation was moved to {describe(to)}.")
    page = zone.visitor().get(f"{OPERATIONS}{operation['id']}/")
    assert operation["reason"] in page.text


def rejects(api: Program, method: str, path: str, **body: str) -> None:
    """Check that a time in the change freeze is rejected, with the freeze as the reason."""
    found = api.call(method, path, body)
    assert found.status == 422, found.text
    assert found.json["detail"].startswith(IN_FREEZE), found.text


def has_renewal(api: Program) -> bool:
    return str(api.operation()["name"]).startswith("Automatic renewal")


@pytest.mark.long
def test_a_remint_ca_waits_for_its_window_and_renewals_for_the_end_of_a_freeze(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=2, primaries=1, satellites=1)
    api = zone.program()
    api.patch("/zone", lead_time_seconds=30)

    # The certificates of all servers are due for renewal, but a change freeze is in force.
    freeze, _ends = add_freeze(api)
    api.patch("/zone", **DUE)
    run_all_steps(zone)
    zone.everybody_is_in_contact()
    assert api.get("/operations")["items"] == []
    remint = {"common_name": "DEMO-ZONE", "activates_at": later(90)}
    rejects(api, "POST", "/operations/remint-ca", **remint)
    assert api.get("/operations")["items"] == []
    api.patch("/zone", **NOT_DUE)
    api.delete(freeze)

    # A change freeze that is added after the start moves the activation to its end.
    root, served = api.root(), zone.verify(api.root())
    administrator.remint_ca(api, 90)
    freeze, ends = add_freeze(api)
    until(partial(is_moved, api, ends), "the activation is moved to the end of the freeze", 90)
    shows(zone, api, IN_FREEZE, ends)
    page = zone.visitor().get(WINDOWS).text
    assert "Certificates cannot be activated now." in page
    assert f"{IN_FREEZE}." in page
    activation = f"/operations/{api.operation()['id']}/activation-time"
    rejects(api, "PUT", activation, activates_at=later(60))

    # Without it, an administrator chooses another time. A window that is added later moves it.
    api.delete(freeze)
    assert get_time(api) == ends
    planned, opens = in_seconds(40), in_seconds(100)
    api.put(activation, activates_at=planned.isoformat())
    add_window(api, opens)
    until(partial(is_moved, api, opens), "the activation is moved to the window", 30)
    shows(zone, api, f"No maintenance window is open at {describe(planned)}.", opens)
    until(lambda: datetime.now(UTC) > planned + timedelta(seconds=2), "the planned time is over")
    zone.everybody_is_in_contact()
    assert api.operation()["state"] == "assigned"
    assert zone.verify(root) == served, "no server uses its new certificate"
    assert [zone.journal(host.name, "switched") for host in zone.hosts()] == [[]] * 4

    zone.completes()
    assert opens <= get_time(api, "activated_at") < opens + LENGTH
    switched = [event for host in zone.hosts() for event in zone.journal(host.name, "switched")]
    assert len(switched) == 4
    # Each host uses its own clock, and has measured how much it differs.
    assert min(event["t"] for event in switched) > opens.timestamp() - 1
    assert len(api.get("/audit-entries?action=wait-for-window")["items"]) == 2

    # The counter-test for renewals: in the window, they start.
    api.patch("/zone", **DUE)
    run_all_steps(zone)
    until(partial(has_renewal, api), "the certificates of the servers are renewed", 30)
    assert opens <= get_time(api) < opens + LENGTH
    zone.everybody_is_in_contact()
    assert zone.refused() == []
