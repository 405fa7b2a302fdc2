"""The model finds the costs that runs were made from, and its check finds a run that differs."""

import pytest

from bench.swarm.measurements import RECOVERY, STORM
from bench.swarm.model import Line, build, check, fit
from tests.bench.swarm.runs import Costs, build_run, with_phase


def test_a_line_through_points_that_are_on_it():
    line = fit([(10, 25.0), (30, 65.0), (100, 205.0)])

    assert (line.fixed, line.each) == pytest.approx((5.0, 2.0))
    assert line.at(1000) == pytest.approx(2005.0)


def test_the_least_squares_of_points_that_are_not():
    line = fit([(0, 1.0), (1, 1.0), (2, 4.0)])

    assert (line.fixed, line.each) == pytest.approx((0.5, 1.5))


def test_no_part_of_a_line_is_negative():
    steep, falling = fit([(10, 1.0), (20, 4.0)]), fit([(10, 4.0), (20, 2.0)])

    assert (steep.fixed, steep.each) == pytest.approx((0.0, 0.18))
    assert (falling.fixed, falling.each) == pytest.approx((3.0, 0.0))
    assert fit([(10, -1.0), (20, -2.0)]) == Line(0.0, 0.0)


def test_one_point_gives_a_line_through_the_origin():
    assert fit([(10, 5.0)]) == Line(0.0, 0.5)
    assert fit([(0, 5.0)]) == Line(0.0, 0.0)


def test_two_runs_give_the_costs_that_they_were_made_from():
    costs = Costs()
    model = build([build_run(100, costs), build_run(300, costs)])

    assert model.background == pytest.approx(costs.background)
    assert model.refresh == pytest.approx(costs.refresh)
    for line in model.phases.values():
        assert (line.fixed, line.each) == pytest.approx((costs.fixed, costs.each))
    assert model.database.each == pytest.approx(costs.database_each)
    assert model.storm_calls == pytest.approx(3.0)


def test_a_third_run_confirms_the_model():
    model = build([build_run(100), build_run(300)])

    ratios = check(model, build_run(3000))
    assert set(ratios) == {"idle", "enroll", "preparation", "storm", "recovery", "all", "database"}
    for name, ratio in ratios.items():
        assert ratio == pytest.approx(1.0), name


def test_a_run_that_needs_more_than_the_model_says_is_found():
    model = build([build_run(100), build_run(300)])
    run = build_run(3000)
    cpu = {part: 2 * seconds for part, seconds in run.phases[STORM].cpu.items()}

    ratios = check(model, with_phase(run, STORM, cpu=cpu))
    assert ratios[STORM] == pytest.approx(0.5)
    assert ratios[RECOVERY] == pytest.approx(1.0)
    assert ratios["all"] < 0.95


def test_the_forecast_of_100_000_devices():
    costs = Costs(background=0.05, refresh=0.004, fixed=6.0, each=0.03)
    model = build([build_run(100, costs), build_run(300, costs)])

    forecast = model.forecast(100_000, interval=43_200, storm_seconds=600)
    per_second = 100_000 / 43_200
    assert forecast.cores_at_rest == pytest.approx(0.05 + per_second * 0.004)
    storm = (6.0 + 100_000 * 0.03) / 600
    assert forecast.cores_in_storm == pytest.approx(forecast.cores_at_rest + storm)
    # Open connections are calls per second times the duration of a call (Little's law).
    assert forecast.connections_at_rest == pytest.approx(per_second * 0.010)
    in_storm = per_second * 0.010 + 100_000 * 3 / 600 * 0.100
    assert forecast.connections_in_storm == pytest.approx(in_storm)
    memory = 136 + in_storm * 50 / 1024
    assert forecast.memory_gb == pytest.approx(memory / 1024)
    assert forecast.database_gb == pytest.approx((1_000_000 + 100_000 * 2_500) / 2**30)


def test_the_cpu_time_of_the_agents_is_not_that_of_the_console():
    assert build_run(100).phases[STORM].console_cpu < 100
