"""Valkey is lost with all its data while an operation is under way (F-10): nothing is lost."""

from __future__ import annotations

import pytest

from tests.harness.installation import Data, Server
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.production import STAGES, ends_well, reaches
from tests.scenarios.running_zone import REMINT

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
PAGE = "/configuration/certificates/"


def test_a_broker_that_loses_its_data_at_several_stages_costs_no_operation(
    production: tuple[Data, Server, Visitor],
) -> None:
    data, server, visitor = production

    def broker_state() -> str:
        return str(visitor.get("/healthz").json["parts"]["broker"])

    server.shell(REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=100, extra={}))
    met: list[str] = []
    for number, stage in enumerate(STAGES):
        met.append(reaches(server, *STAGES[number:], "completed"))
        if met[-1] == stage:
            data.lose_broker()
            until(lambda: broker_state() == "failed", "the loss of the broker is shown", 20)
            assert visitor.get("/configuration/certificates/").status == 200, (
                "pages are not delayed"
            )
            data.start_broker()
            until(lambda: broker_state() == "ok", "the broker is back", 20)
    assert {"assigned", "activating"} & set(met), met
    ends_well(server)
