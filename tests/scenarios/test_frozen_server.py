"""One of two Primary Servers is frozen in the middle of a Remint CA (F-39).

It stops with open transactions, tasks, and connections, as a suspended virtual machine does. Its
satellite and its device use the other server, which continues with everything that does not need
the frozen one. When it resumes, the operation completes.
"""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack
from functools import partial

import pytest

from tests.harness.agents import Agent
from tests.harness.installation import Data, Server, keep
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.production import ends_well, give_time, look
from tests.scenarios.running_zone import REMINT
from wire.messages import CONTENT_SATELLITE
from zcc.runtime.components import BASE_DIR

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
# Every step of an operation needs the row of the zone, so none is made from now on.
HOLD = """
import django; django.setup()
from django.db import transaction
from certificates.models import Operation
from devices.models import Zone
import os, signal, time
print("ready", flush=True)
while not Operation.objects.exists():
    time.sleep(0.05)
with transaction.atomic():
    Zone.objects.lock()
    print("locked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
STATUS = """
from django.utils import timezone
from devices.models import Zone
from systemupdates.content import replica_status
from systemupdates.models import SystemUpdate
rows = replica_status.get_replica_rows(
    SystemUpdate.objects.get(), Zone.objects.get_zone(), timezone.now())
print([row.label for row in rows if row.replica.server.name == "ps-02"][0])
"""
ASSIGN = """
from django.utils import timezone
from certificates.models import Operation
from certificates.operations import distribution
distribution.assign_now(Operation.objects.get(), now=timezone.now())
"""


def hold(server: Server, stack: ExitStack) -> subprocess.Popen[bytes]:
    """Start a process of a server that locks the zone, and stops, when an operation begins."""
    line = ["python", "-c", HOLD]
    log = server.log("hold")
    holder = keep(stack, line, log, env=server.environment(), cwd=BASE_DIR)
    until(lambda: "ready" in log.read_text(), "the process waits for an operation", 60)
    return holder


def test_a_frozen_server_delays_only_its_own_part_of_a_remint_ca(
    installation: tuple[ExitStack, Data, Server, Server],
    pair: tuple[Data, Server, Server, Visitor],
) -> None:
    data, first, second, visitor = pair
    stack, network = installation[0], first.address.rpartition(".")[0]
    satellite = Agent(data.folder, "cs-01", f"{network}.31", role=CONTENT_SATELLITE)
    device = Agent(data.folder, "device-01", f"{network}.51")
    satellite.join(second, stack, parent="ps-02")
    device.join(second, stack, parent="cs-01")
    joined = time.time()
    for agent in (satellite, device):
        until(partial(agent.is_in_contact, joined, "ps-02"), f"{agent.name} uses ps-02", 30)

    holder = hold(second, stack)
    first.shell(REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=160, extra={}))
    until(lambda: "locked" in second.log("hold").read_text(), "the zone is locked", 30)
    second.signal(signal.SIGSTOP)
    frozen_at = time.time()

    def others_have_it() -> bool:
        replicas = look(first).get("replicas", {})
        return [replicas.get(name) for name in ("ps-01", "cs-01")] == ["available"] * 2

    until(others_have_it, "ps-01 and cs-01 have the content", 150)
    for agent in (satellite, device):
        until(partial(agent.is_in_contact, frozen_at, "ps-01"), f"{agent.name} uses ps-01", 60)
    until(lambda: "Offline" in first.shell(STATUS), "the pane says who is missing", 60)
    assert look(first)["state"] == "replicating", "the assignment is waiting for it"
    assert visitor.get("/configuration/certificates/").status == 200
    first.shell(ASSIGN)
    until(lambda: look(first)["futures"]["ps-01"] == "created", "ps-01 has its certificate", 40)
    assert look(first)["state"] in ("assigned", "blocked"), "no server switches before the others"

    second.signal(signal.SIGCONT)
    holder.send_signal(signal.SIGCONT)
    assert holder.wait(30) != 0, "the database has ended its transaction"
    give_time(first)
    ends_well(first, second)
    resumed = time.time()
    for agent in (satellite, device):
        until(partial(agent.is_in_contact, resumed), f"{agent.name} is in contact", 30)
    assert set(look(first)["assigned"].values()) == {"activated"}
