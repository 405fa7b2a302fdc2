"""A challenge of a passkey is used once, also by concurrent requests of one session (D-277)."""

from __future__ import annotations

import threading
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from administrators.models import UsedChallenge
from administrators.passkeys import challenges
from administrators.passkeys.challenges import USE
from audit.models import Entry
from tests.support import factories
from tests.support.passkeys import CODE, Browser

ROUNDS = 20


def run_concurrently(action: Any, inputs: list[Any]) -> list[Any]:
    """Run an action at the same time for each input, each in a thread with its own connection."""
    start, results = threading.Barrier(len(inputs)), []

    def run(value: Any) -> None:
        try:
            start.wait(60)
            results.append(action(value))
        except BaseException as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(value,)) for value in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def open_session(key: str | None = None) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_concurrent_requests_gets_the_challenge():
    user, now = factories.user("person"), timezone.now()
    for _round in range(ROUNDS):
        session = open_session()
        created = challenges.create(session, USE, user, now=now)
        session.save()
        # Both requests have read the session before one of them stores it.
        copies = [open_session(session.session_key) for _n in range(2)]
        assert [bool(copy[challenges.SESSION_KEY]) for copy in copies] == [True, True]
        taken = run_concurrently(lambda copy: challenges.take(copy, USE, user, now=now), copies)
        assert sorted(taken, key=bool) == [None, created]


@pytest.mark.django_db(transaction=True)
def test_one_of_two_concurrent_logins_with_one_response_succeeds(passkey):
    """The authenticator has no counter, which would reject the second one."""
    passkey.step = 0
    browser = Browser()
    browser.give_password()
    values = {"passkey": passkey.get(browser.ask())}
    tabs = [Browser() for _n in range(2)]
    for tab in tabs:
        tab.cookies.update(browser.cookies)
    found = run_concurrently(lambda tab: tab.post(CODE, values).status_code, tabs)
    # The login of the first request can end the session of the second one.
    assert sorted(found) in ([302, 400], [302, 422])
    assert Entry.objects.filter(action="passkey-used").count() == 1


def test_a_session_that_is_stored_late_does_not_restore_a_used_challenge(db):
    user, now = factories.user("person"), timezone.now()
    session = open_session()
    created = challenges.create(session, USE, user, now=now)
    session.save()
    late = open_session(session.session_key)
    late["other"] = "value"
    assert challenges.take(session, USE, user, now=now) == created
    session.save()
    late.save()
    assert challenges.take(open_session(session.session_key), USE, user, now=now) is None


def test_used_challenges_are_kept_longer_than_they_are_valid(db):
    user, now = factories.user("person"), timezone.now()
    assert challenges.KEPT > 2 * challenges.LIFETIME
    for passed in (timedelta(0), challenges.KEPT - timedelta(seconds=1), challenges.KEPT):
        session = open_session()
        challenges.create(session, USE, user, now=now + passed)
        assert challenges.take(session, USE, user, now=now + passed)
    assert UsedChallenge.objects.count() == 2
