"""What scenarios ask of Primary Servers in production, with PostgreSQL and separate processes."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from tests.harness.installation import Server
from tests.harness.zone import until
from tests.scenarios.running_zone import LOOK
from tests.scenarios.test_faults import COUNT

STAGES = ["preparing", "replicating", "assigned", "activating", "activated"]
ONCE = ("current", "operations", "updates", "activation orders", "activated")


def look(server: Server) -> dict[str, Any]:
    """Return the newest operation with its assignments, replicas, and new certificates."""
    seen: dict[str, Any] = json.loads(server.shell(LOOK).splitlines()[-1])
    return seen


def reaches(server: Server, *states: str) -> str:
    """Wait for the operation to come to one of some states; returns it."""
    seen: dict[str, Any] = {}

    def there() -> bool:
        seen.update(look(server))
        return seen["state"] in states

    until(there, f"the operation is {' or '.join(states)}", 300)
    return str(seen["state"])


def is_well(server: Server) -> bool:
    """Return True if the health checks of all parts of a server succeed."""
    return server.ill() == {}


def ends_well(*servers: Server) -> None:
    """Wait for the end: whatever must happen once has happened once, and all parts are well."""
    first = servers[0]
    reaches(first, "completed")
    for server in servers:
        running = {part for part, process in server.processes.items() if process.poll() is None}
        assert server.processes.keys() == running, "no part has given up"
        until(partial(is_well, server), f"{server.name} is well again", 90)
    found = json.loads(first.shell(COUNT).splitlines()[-1])
    assert {name for name, number in found["moves"].items() if number != 1} == set()
    assert {name: found[name] for name in ONCE} == dict.fromkeys(ONCE, 1)
    assert found["current certificates"] == found["signed for the new CA"] == len(servers)
    assert "The audit log is intact" in first.run("python", "manage.py", "verify_audit")


# Give the operation as much time as it had, on a slow machine.
LATER = """
from datetime import timedelta
from django.utils import timezone
from certificates.models import Operation
from certificates.operations import intervention
operation, now = Operation.objects.get(), timezone.now()
soon = now + timedelta(seconds=75)
if operation.activates_at < soon or {always}:
    intervention.change_activation_time(operation, soon, now=now)
"""


def give_time(server: Server) -> None:
    """Set a later activation time if less than 75 seconds are left."""
    server.shell(LATER.format(always=False))


def activate_soon(server: Server) -> None:
    """Set the activation time to 75 seconds from now."""
    server.shell(LATER.format(always=True))
