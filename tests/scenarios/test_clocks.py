"""The clock of the certificate server is a year ahead, then a year behind (F-28, D-190).

This happens in the middle of a Remint CA. The server stops to work, the other one continues, no
certificate is signed with a wrong validity, and no host activates early.
"""

from __future__ import annotations

import json
import re
import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.harness.agents import Agent
from tests.harness.installation import Data, Server
from tests.harness.places import changing_time, set_time
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.production import activate_soon, ends_well, look, reaches
from tests.scenarios.running_zone import REMINT
from tests.scenarios.test_production import ADMIN, PASSWORD

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
PAGE = "/configuration/certificates/"
YEAR, MINUTE = timedelta(days=365), 60
FACTS = """
import json
from certificates.models import Authority, Operation, ServerCertificate
from devices.models import Device
operation = Operation.objects.get()
begins = [*Authority.objects.values_list("not_before", flat=True),
          *ServerCertificate.objects.values_list("not_before", flat=True)]
print(json.dumps({
    "early": operation.activated_at is not None and operation.activated_at < operation.activates_at,
    "begins": [at.timestamp() for at in begins],
    "skew": Device.objects.get(name="ps-01").clock_skew_seconds}))
"""


def facts(server: Server) -> dict[str, Any]:
    """Return from when certificates are valid, and what ps-01 says about its clock."""
    found: dict[str, Any] = json.loads(server.shell(FACTS).splitlines()[-1])
    return found


def reports(server: Server, shift: timedelta) -> bool:
    """Return True if ps-01 has reported to the other server how far its clock is ahead."""
    return bool(abs(facts(server)["skew"] - shift.total_seconds()) < MINUTE)


@pytest.fixture
def with_a_clock(
    installation: tuple[ExitStack, Data, Server, Server], request: pytest.FixtureRequest
) -> tuple[Data, Server, Server, Visitor]:
    """Two Primary Servers. The clock of the first one can be set."""
    _stack, data, first, _second = installation
    first.additional = changing_time(data.folder / "time")
    found: tuple[Data, Server, Server, Visitor] = request.getfixturevalue("pair")
    return found


def test_a_wrong_clock_of_the_certificate_server_stops_only_this_server(
    installation: tuple[ExitStack, Data, Server, Server],
    with_a_clock: tuple[Data, Server, Server, Visitor],
) -> None:
    data, first, second, visitor = with_a_clock
    clock, network = data.folder / "time", first.address.rpartition(".")[0]
    device = Agent(data.folder, "device-01", f"{network}.51")
    device.join(first, installation[0])
    other = Visitor(second.url, first.home / "security" / "current" / "ca.pem")
    other.log_in(ADMIN, PASSWORD)
    second.shell(REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=900, extra={}))
    reaches(second, "replicating", "assigned")

    for shift, word in ((YEAR, "ahead of"), (-YEAR, "behind")):
        set_time(clock, shift)
        changed_at = time.time()
        until(lambda: visitor.get(PAGE).status == 503, f"{shift}: ps-01 stops to work", 20)
        # The difference is rounded to seconds, and the comparison takes time.
        expected = rf"36[45] days, [0-9:]+ {word} that of the database"
        assert re.search(expected, visitor.get(PAGE).text)
        assert visitor.get("/healthz").json["parts"]["clock"] == "failed"
        assert other.get(PAGE).status == 200, "ps-02 continues"
        until(partial(device.is_in_contact, changed_at, "ps-02"), "the device uses ps-02", 60)
        until(partial(reports, second, shift), "ps-01 reports its clock", 60)
        assert look(second)["state"] in ("replicating", "assigned"), "nothing happens early"

    set_time(clock, timedelta(0))
    # The operation needs beat of the server whose clock was wrong.
    second.processes["beat"].send_signal(signal.SIGSTOP)
    until(lambda: visitor.get(PAGE).status == 200, "ps-01 works again, with its sessions", 20)
    activate_soon(second)
    ends_well(second, first)
    second.processes["beat"].send_signal(signal.SIGCONT)
    found = facts(second)
    assert not found["early"]
    newest = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    assert all(newest < begin < time.time() for begin in found["begins"]), found
    assert "Traceback" not in first.log("worker").read_text()
