"""PostgreSQL dies while an operation is under way (F-13): told as such, and all goes on after it.

In the layout of production: nothing of an act is half there, no process gives up, the operation
completes once, whatever it was doing when its database went.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.installation import Data, Server
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.running_zone import LOOK, REMINT
from tests.scenarios.test_faults import COUNT

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
STAGES = ["preparing", "replicating", "assigned", "activating", "activated"]
PAGE = "/configuration/certificates/"


def look(server: Server) -> dict[str, Any]:
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


def test_a_database_that_is_killed_at_several_stages_costs_no_operation(
    production: tuple[Data, Server, Visitor],
) -> None:
    data, server, visitor = production
    server.shell(REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=120, extra={}))
    met: list[str] = []
    for number, stage in enumerate(STAGES):
        met.append(reaches(server, *STAGES[number:], "completed"))
        if met[-1] == stage:
            data.kill_database()
            is_told_as_such(visitor)
            data.restart_database()
            assert visitor.get(PAGE).status == 200, "pages are back at once"
    assert {"assigned", "activating"} & set(met), met
    reaches(server, "completed")
    assert server.processes.keys() == {
        part for part, process in server.processes.items() if process.poll() is None
    }, "no part has given up"
    until(lambda: server.ill() == {}, "all parts are well again", 60)
    found = json.loads(server.shell(COUNT).splitlines()[-1])
    assert {name for name, number in found["moves"].items() if number != 1} == set()
    once = (
        "current",
        "operations",
        "updates",
        "activation orders",
        "activated",
        "current certificates",
    )
    assert {found[name] for name in once} == {1}
    assert "The audit log is intact" in server.run("python", "manage.py", "verify_audit")


def is_told_as_such(visitor: Visitor) -> None:
    """A page, the API and /healthz say that the database is away, and no trace is shown."""
    page = visitor.get(PAGE)
    assert page.status == 503
    assert "The database is unavailable" in page.text
    told = visitor.get("/api/v1/zone")
    assert told.status == 503
    assert told.json["status"] == 503
    health = visitor.get("/healthz")
    assert health.status == 503
    assert health.json["parts"]["database"] != "ok"
    for answer in (page, told, health):
        assert "Traceback" not in answer.text
        assert "psycopg" not in answer.text
