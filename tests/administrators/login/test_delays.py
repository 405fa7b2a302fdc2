"""Limits on guessing passwords from many addresses, and for many names."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from administrators.login import delays, second_factor
from administrators.models import FailedCode
from audit.models import Entry
from certificates.monitoring.notifications import create_notifications
from notifications.delivery import events
from notifications.models import Target
from tests.support import factories

pytestmark = pytest.mark.django_db
OTHER = "203.0.113.200"


def log_in(address, name="person", password="wrong"):
    given = {"username": name, "password": password}
    return Client().post("/login/", given, REMOTE_ADDR=address).status_code


def fail_from(count):
    return [log_in(f"203.0.113.{number}") for number in range(count)]


@pytest.fixture
def person(zone):
    return factories.user("person")


def test_guessing_from_many_addresses_is_delayed(person):
    answers = fail_from(20)
    assert answers[:10] == [200] * 10
    assert 429 in answers[10:]
    assert sum(status == 200 for status in answers) < 15
    assert Entry.objects.filter(action="login-delayed").count() == 1


def test_the_delay_is_no_lock(person):
    fail_from(delays.FREE_FAILURES)
    assert log_in(OTHER, password=factories.PASSWORD) == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(seconds=2))
    assert log_in(OTHER, password=factories.PASSWORD) == 302


def test_the_owner_is_not_delayed_where_they_logged_in_before(person):
    assert log_in(OTHER, password=factories.PASSWORD) == 302
    fail_from(delays.FREE_FAILURES)
    assert log_in(OTHER, password=factories.PASSWORD) == 302


def test_an_attempt_that_is_not_verified_does_not_count(person):
    fail_from(delays.FREE_FAILURES)
    before = list(AccessAttempt.objects.values("failures_since_start", "attempt_time"))
    assert log_in(OTHER) == 429
    assert list(AccessAttempt.objects.values("failures_since_start", "attempt_time")) == before


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (9, 0), (10, 1), (11, 2), (13, 8), (16, 60), (10**6, 60)]
)
def test_the_delay_doubles_up_to_a_minute(failures, seconds):
    assert delays.get_delay(failures) == timedelta(seconds=seconds)


def test_an_address_is_blocked_after_failures_of_many_names(person):
    for number in range(delays.ADDRESS_FAILURES):
        assert log_in(OTHER, name=f"name-{number}") == 200
    assert log_in(OTHER, password=factories.PASSWORD) == 429
    assert log_in("203.0.113.1", password=factories.PASSWORD) == 302
    AccessAttempt.objects.update(attempt_time=timezone.now() - delays.PERIOD)
    assert log_in(OTHER, password=factories.PASSWORD) == 302


def test_all_addresses_of_an_ipv6_network_count_as_one(person):
    answers = [log_in(f"2001:db8:1:2:{number}::1") for number in range(5)]
    assert answers[-1] == 429
    assert log_in("2001:db8:1:3::1", password=factories.PASSWORD) == 302
    request = type("Request", (), {"META": {"REMOTE_ADDR": "::ffff:192.0.2.1"}})
    assert delays.get_client_network(request) == "192.0.2.1"


def enter_code(address, code):
    client = Client()
    given = {"username": "person", "password": factories.PASSWORD}
    client.post("/login/", given, REMOTE_ADDR=address)
    return client.post("/login/code/", {"code": code}, REMOTE_ADDR=address)


def test_incorrect_codes_are_capped_over_all_addresses(person, authenticator):
    now = timezone.now()
    for _ in range(second_factor.MAX_FAILURES):
        assert not second_factor.verify_code(person, "000000", now=now)
    assert Entry.objects.filter(action="codes-blocked").count() == 1
    assert not second_factor.verify_code(person, authenticator.code(), now=now), (
        "also the right one"
    )
    page = enter_code(OTHER, authenticator.code())
    assert page.status_code == 422
    assert "recovery code" in page.content.decode()
    assert enter_code(OTHER, authenticator.codes[0]).status_code == 302
    FailedCode.objects.update(at=now - second_factor.FAILURE_PERIOD)
    assert second_factor.verify_code(person, authenticator.code(), now=now)


@pytest.mark.parametrize("action", ["login-delayed", "codes-blocked"])
def test_administrators_are_notified(person, action):
    target = Target.objects.create(name="a", kind="mail", events=[events.LOGIN_FAILURES])
    create_notifications(timezone.now())
    Entry.objects.record(action, f"auth.User:{person.pk}", note="person")
    create_notifications(timezone.now())
    assert "person" in target.deliveries.get().title
