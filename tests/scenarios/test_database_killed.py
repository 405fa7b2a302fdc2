"""PostgreSQL dies while an operation is under way (F-13): told as such, and all goes on after it.

In the layout of production: nothing of an act is half there, no process gives up, the operation
completes once, whatever it was doing when its database went.
"""

from __future__ import annotations

import pytest

from tests.harness.installation import Data, Server
from tests.harness.visitor import Visitor
from tests.scenarios.production import STAGES, ends_well, reaches
from tests.scenarios.running_zone import REMINT

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
PAGE = "/configuration/certificates/"


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
    ends_well(server)


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
