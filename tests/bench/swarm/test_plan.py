"""The times of a run."""

import pytest

from bench.swarm.plan import Plan, get_sizes


@pytest.mark.parametrize("agents", [5, 50, 300, 3000, 10_000])
@pytest.mark.parametrize("consoles", [1, 2])
def test_the_ca_lives_until_the_storm_is_over(agents, consoles):
    plan = Plan(agents, consoles=consoles)

    phases = plan.start_seconds + plan.rest_seconds + plan.work_seconds + plan.idle_seconds
    change = plan.lead_seconds + plan.storm_seconds
    assert plan.get_ca_seconds(10.0) >= 80 * consoles + phases + change
    assert plan.get_ca_seconds(40.0) - plan.get_ca_seconds(10.0) == 60 * consoles


@pytest.mark.parametrize("agents", [5, 300, 10_000])
def test_each_agent_receives_the_update_before_the_activation(agents):
    plan = Plan(agents)

    # Replication, the longest pause before a refresh, and the work of all agents at their pace.
    assert plan.lead_seconds >= 15 + 1.2 * plan.refresh_seconds + 30
    assert plan.lead_seconds >= 75, "the lead time of a demo zone"


def test_agents_do_not_refresh_faster_than_the_machine_can_serve():
    assert Plan(3000, pace=8).refresh_seconds == 375
    assert Plan(3000, pace=100).refresh_seconds == 30
    assert Plan(5, pace=8).refresh_seconds == 10


def test_some_agents_are_away_and_most_are_not():
    assert Plan(5).away == [0]
    assert len(Plan(3000).away) == 600


@pytest.mark.parametrize(
    ("agents", "sizes"),
    [(3000, [333, 1000, 3000]), (100, [11, 33, 100]), (50, [5, 16, 50]), (5, [5]), (1, [5])],
)
def test_two_sizes_are_for_the_model_and_one_to_check_it(agents, sizes):
    assert get_sizes(agents) == sizes
