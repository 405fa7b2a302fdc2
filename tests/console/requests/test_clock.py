"""A server whose clock differs from that of the database does not work (D-190)."""

from __future__ import annotations

import pytest
from django.db import DatabaseError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from certificates.models import Authority
from certificates.monitoring import health, workers
from certificates.operations import scheduler
from certificates.tasks import advance_operation
from certificates.tasks.schedule import schedule_work
from console.requests import clock
from tests.support import factories
from zcc.celery import ClockedTask

YEAR = 365 * 86400.0


class Times:
    """The three clocks of a comparison. `asked` counts the queries."""

    def __init__(self) -> None:
        self.database = self.local = 1_000_000.0
        self.running = 50.0
        self.asked = 0

    def read(self) -> float:
        self.asked += 1
        return self.database

    def pass_by(self, seconds: float) -> None:
        self.database += seconds
        self.local += seconds
        self.running += seconds


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def comparison(times: Times) -> clock.ClockComparison:
    return clock.ClockComparison(times.read, lambda: times.local, lambda: times.running)


@pytest.mark.parametrize("shift", [YEAR, -YEAR, 301.0, -301.0])
def test_a_change_of_the_local_clock_is_noticed_without_a_query(comparison, times, shift):
    assert comparison.get_difference() == 0
    times.local += shift
    assert comparison.get_difference() == shift
    assert clock.is_too_large(shift)
    assert times.asked == 1


def test_a_clock_that_is_corrected_is_used_again(comparison, times):
    times.local += YEAR
    assert comparison.get_difference() == YEAR
    times.local -= YEAR
    assert comparison.get_difference() == 0


def test_the_database_is_asked_once_a_minute(comparison, times):
    for _ in range(59):
        comparison.get_difference()
        times.pass_by(1)
    assert times.asked == 1
    times.pass_by(2)
    comparison.get_difference()
    assert times.asked == 2


def test_a_drift_is_found_at_the_next_comparison(comparison, times):
    comparison.get_difference()
    times.database -= 400
    times.pass_by(61)
    assert comparison.get_difference() == 400


def test_a_server_that_was_suspended_works_again_at_once(comparison, times):
    """The running clock does not include the suspension, so this looks like a change."""
    comparison.get_difference()
    times.pass_by(2)
    times.local += 3600
    times.database += 3600
    assert comparison.get_difference() == 0


def test_differences_up_to_five_minutes_are_accepted():
    assert not clock.is_too_large(299)
    assert not clock.is_too_large(-299)


@pytest.mark.django_db
def test_the_database_says_its_time():
    assert abs(clock.read_database_time() - timezone.now().timestamp()) < 60


@pytest.fixture
def wrong_clock(settings, monkeypatch):
    """The clock of this server is a year ahead."""
    settings.COMPARE_CLOCKS = True
    monkeypatch.setattr(clock._comparison, "get_difference", lambda: YEAR)


@pytest.mark.parametrize("path", ["/", "/login/", "/configuration/certificates/"])
def test_pages_say_that_the_clock_is_wrong(zone, wrong_clock, path):
    response = Client().get(path, secure=True)
    assert response.status_code == 503
    text = response.content.decode()
    assert "The clock of this server is 365 days, 0:00:00 ahead of that of the database." in text
    assert "use another Primary Server" in text
    assert "Content-Security-Policy" in response.headers


def test_agents_are_sent_to_another_server(zone, wrong_clock):
    """Agents use another server if one is busy. They do not receive its time."""
    response = Client().post("/zac/v1/hello", secure=True, content_type="application/json")
    assert response.status_code == 503
    assert "ahead" in response.json()["detail"]


def test_a_clock_that_changes_during_a_call_does_not_reach_the_agent(settings, monkeypatch):
    settings.COMPARE_CLOCKS = True
    differences = iter([0.0, YEAR])
    monkeypatch.setattr(clock._comparison, "get_difference", lambda: next(differences))
    middleware = clock.ClockMiddleware(lambda _request: HttpResponse("the wrong time"))
    response = middleware(RequestFactory().post("/zac/v1/refresh"))
    assert response.status_code == 503
    assert b"the wrong time" not in response.content


def test_a_session_is_not_ended_by_a_wrong_clock(zone, settings, monkeypatch):
    console = Client()
    console.force_login(factories.admin())
    settings.COMPARE_CLOCKS = True
    difference = {"seconds": 0.0}
    monkeypatch.setattr(clock._comparison, "get_difference", lambda: difference["seconds"])
    assert console.get("/", secure=True).status_code == 200
    difference["seconds"] = YEAR
    assert console.get("/", secure=True).status_code == 503
    difference["seconds"] = 0.0
    assert console.get("/", secure=True).status_code == 200


def test_monitoring_names_the_clock(zone, wrong_clock):
    client = Client()
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").content == b"the clock is wrong\n"
    response = client.get("/healthz")
    assert (response.status_code, response.json()["parts"]["clock"]) == (503, health.FAILED)


def test_tasks_do_nothing(zone, wrong_clock):
    assert isinstance(schedule_work, ClockedTask)
    schedule_work()
    assert workers.get_last_heartbeat() is None


@pytest.mark.parametrize(("during", "count"), [(YEAR, 0), (0.0, 1)])
def test_a_clock_that_changes_during_a_task_does_not_reach_the_operation(
    zone, settings, monkeypatch, during, count
):
    operation = factories.operation(Authority.objects.current())
    settings.COMPARE_CLOCKS = True
    differences = iter([0.0, during, 0.0])
    monkeypatch.setattr(clock._comparison, "get_difference", lambda: next(differences))
    advanced = []
    monkeypatch.setattr(scheduler, "advance", lambda *_, now: advanced.append(now))
    advance_operation(str(operation.pk))
    assert len(advanced) == count


def test_tasks_run_with_a_correct_clock(zone, settings, monkeypatch):
    settings.COMPARE_CLOCKS = True
    monkeypatch.setattr(clock._comparison, "get_difference", lambda: 299.0)
    schedule_work()
    assert workers.get_last_heartbeat() is not None


def test_without_a_database_the_clock_is_not_the_problem(settings, monkeypatch):
    def fail() -> float:
        raise DatabaseError("unavailable")

    settings.COMPARE_CLOCKS = True
    monkeypatch.setattr(clock, "_comparison", clock.ClockComparison(fail))
    assert clock.find_fault() is None
