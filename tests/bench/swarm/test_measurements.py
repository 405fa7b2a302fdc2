"""Figures of a phase and of a run."""

from dataclasses import replace

import pytest

from bench.swarm.calls import Call
from bench.swarm.measurements import PREPARATION, RECOVERY, STORM, percentile, summarize
from bench.swarm.pool import Samples
from tests.bench.swarm.runs import build_run, with_phase


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([3, 1, 2], 0.5, 2),
        (range(1, 101), 0.99, 99),
        (range(1, 101), 1.0, 100),
        (range(1, 11), 0.99, 10),
        ([7], 0.5, 7),
        ([], 0.5, 0.0),
    ],
)
def test_percentiles(values, share, found):
    assert percentile(list(values), share) == found


def summarize_example():
    calls = [Call(0.0, "status", 0.01 * n, "ok") for n in range(1, 101)]
    calls += [Call(0.0, "handshake", 9.0, "refused"), Call(0.0, "refresh", 0.5, "rejected")]
    calls += [Call(0.0, "handshake", 10.0, "unreachable"), Call(0.0, "refresh", 0.001, "ok")]
    reached = [(103.0, 1, "confirmed"), (105.0, 2, "confirmed"), (109.0, 1, "other")]
    return summarize(
        "storm",
        Samples(calls, [0.0, 2.0], reached),
        items=2,
        missed=1,
        began=100.0,
        work_from=101.0,
        ended=110.0,
        goals=["confirmed"],
        cpu={"web": 1.5, "worker": 0.5, "swarm": 7.0},
    )


def test_durations_are_those_of_accepted_calls():
    phase = summarize_example()

    assert phase.p50 == pytest.approx(0.5)
    assert phase.p99 == pytest.approx(0.99)
    assert phase.slowest == pytest.approx(1.0)
    assert phase.kinds == {"status": 100, "refresh": 1}


def test_all_calls_are_counted_by_result():
    phase = summarize_example()

    assert phase.calls == 104
    assert (phase.refusals, phase.unreachable, phase.expired) == (2, 1, 0)


def test_the_rate_ends_with_the_last_agent_that_reached_the_goal():
    phase = summarize_example()

    assert (phase.seconds, phase.work_seconds) == (10.0, 4.0)
    assert phase.rate == pytest.approx(0.5)
    assert phase.console_cpu == pytest.approx(2.0)


def test_an_expired_certificate_is_expected_only_in_the_recovery():
    run = build_run(100)

    assert run.refusals == 0
    assert with_phase(run, RECOVERY, results={"ok": 1, "expired": 40}).refusals == 0
    assert with_phase(run, STORM, results={"ok": 1, "expired": 40}).refusals == 40
    assert with_phase(run, RECOVERY, results={"ok": 1, "refused": 3}).refusals == 3


def test_agents_that_do_not_activate_or_have_no_contact_are_lost():
    run = build_run(100)

    assert run.lost == 0
    assert replace(run, activated=98).lost == 2
    assert replace(run, silent=4).lost == 4
    assert with_phase(run, STORM, missed=3).lost == 3


def test_an_agent_that_is_prepared_late_is_not_lost():
    assert with_phase(build_run(100), PREPARATION, missed=3).lost == 0
