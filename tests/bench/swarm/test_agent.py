"""An agent of the swarm does what `zac run` does, without threads."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from bench.swarm.agent import Agent, get_address
from bench.swarm.calls import Call
from bench.swarm.service import IN_CONTACT, NEW, REGISTERED, ScheduledService
from tests.bench.swarm.conftest import run_until
from tests.zac.support.certificates import Root
from tests.zac.support.zone import ADDRESS, Zone
from wire.messages import Problem, Trust
from wire.metadata import ACTIVATION_NOTICE, ActivationNotice
from zac import service, wakeup
from zac.host import state
from zac.trust import pem


class Waited(Exception):
    """The network loop has begun to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def get_service(agent: Agent) -> ScheduledService:
    assert agent._service is not None
    return agent._service


def get_root(agent: Agent) -> str:
    return pem.fingerprint(get_service(agent).host.trust_store.current().trust.current)


def count_kinds(calls: list[Call]) -> Counter[str]:
    return Counter(call.kind for call in calls)


def test_it_registers_then_refreshes(zone: Zone, agent: Agent, calls: list[Call]):
    assert agent.stage == NEW
    agent.run_due()
    assert agent.stage == REGISTERED
    assert [call.kind for call in calls] == ["hello", "register"]
    run_until(agent, lambda: len(zone.refreshes) == 2)

    assert agent.stage == IN_CONTACT
    assert {call.result for call in calls} == {"ok"}
    assert all(0 < call.seconds < 20 for call in calls)
    assert zone.registers[0].addresses == [get_address(0)]


def test_its_pauses_are_those_of_the_network_loop_of_zac(
    zone: Zone, agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    run_until(agent, lambda: agent.stage == IN_CONTACT)
    zone.refresh_s = 600.0
    zone.update(Root("Zone CA 2"))
    run_until(agent, lambda: agent.stage == state.READY)
    # The network loop has requested a check of the activation, which has nothing to do yet.
    assert agent.due <= time.monotonic()
    agent.run_due()
    scheduled = get_service(agent)
    loop = service.Service(scheduled.host)
    loop._due = scheduled._due

    def wait(_socket: wakeup.WakeupSocket, seconds: float) -> None:
        raise Waited(seconds)

    monkeypatch.setattr(wakeup.WakeupSocket, "wait", wait)
    with pytest.raises(Waited) as waited:
        loop._run_once()
    loop.close()

    assert scheduled.network_pause() == pytest.approx(waited.value.seconds, abs=0.5)
    assert scheduled.due - time.monotonic() == pytest.approx(waited.value.seconds, abs=0.5)


def test_it_activates_at_the_time_of_the_update_and_reports_it(
    zone: Zone, agent: Agent, calls: list[Call]
):
    run_until(agent, lambda: agent.stage == IN_CONTACT)
    zone.refresh_s = 600.0
    future = Root("Zone CA 2")
    made = zone.update(future, activate_at=int(zone.now()) + 3)
    run_until(agent, lambda: agent.stage == state.READY)
    assert get_root(agent) == zone.root.sha256
    zone.trust = Trust(future.pem, in_grace=[zone.root.pem])
    calls.clear()
    run_until(agent, lambda: get_root(agent) == future.sha256)
    assert zone.now() - made.activate_at == pytest.approx(0.0, abs=1.0)
    run_until(agent, lambda: agent.stage == state.CONFIRMED)

    assert zone.words()[-1] == "activated"
    # No refresh: the next one is ten minutes away.
    assert count_kinds(calls) == {"contact": 1, "status": len(zone.words()) - 3}


def test_it_recovers_from_an_expired_ca_after_two_refreshes(
    zone: Zone, agent: Agent, calls: list[Call]
):
    run_until(agent, lambda: agent.stage == IN_CONTACT)
    future = Root("Zone CA 2")
    made = zone.update(future, activate_at=int(zone.now()) - 60)
    notice = ActivationNotice(made.id, zone.id, 1, future.sha256, zone.offer.updates[0])
    zone.recovery = [zone.sign(ACTIVATION_NOTICE, notice)]
    zone.trust = Trust(future.pem)
    zone.servers[0].show(future.server(ADDRESS))
    calls.clear()
    agent.start()
    run_until(agent, lambda: agent.is_silent)
    run_until(agent, lambda: agent.stage == state.CONFIRMED)

    assert not agent.is_silent
    assert get_root(agent) == future.sha256
    assert Counter(call.result for call in calls if call.kind == "handshake")["refused"] >= 2
    assert count_kinds(calls)["recovery"] >= 1


def test_a_rejected_call_is_a_result(zone: Zone, agent: Agent, calls: list[Call]):
    run_until(agent, lambda: agent.stage == IN_CONTACT)
    zone.lies["/zac/v1/refresh"] = 429, Problem("Too many requests", 429)
    calls.clear()
    run_until(agent, lambda: agent.is_silent)

    assert calls[0].kind == "refresh"
    assert calls[0].result == "rejected"


def test_a_server_that_does_not_respond_is_a_result(zone: Zone, agent: Agent, calls: list[Call]):
    run_until(agent, lambda: agent.stage == IN_CONTACT)
    for server in zone.servers:
        server.close()
    zone.servers = []
    calls.clear()
    run_until(agent, lambda: agent.is_silent)

    assert {(call.kind, call.result) for call in calls} == {("handshake", "unreachable")}


def test_a_registration_that_fails_is_repeated(zone: Zone, agent: Agent, calls: list[Call]):
    agent.enroll(zone.servers[0].url, str(zone.key)[:-1])
    agent.run_due()

    assert agent.stage == NEW
    assert agent.due > time.monotonic()


def test_refreshes_are_spread_over_an_interval(zone: Zone, agent: Agent):
    zone.refresh_s = 600.0
    run_until(agent, lambda: agent.stage == IN_CONTACT)
    pauses = []
    for _ in range(50):
        agent.settle()
        pauses.append(agent.due - time.monotonic())

    assert min(pauses) < 200
    assert 400 < max(pauses) <= 600


def test_each_agent_has_an_address_of_its_own():
    addresses = {get_address(number) for number in range(0, 100_000, 7)}

    assert len(addresses) == len(range(0, 100_000, 7))
    assert get_address(0) == "10.0.0.1"
