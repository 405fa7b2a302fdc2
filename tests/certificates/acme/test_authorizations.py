"""Validations of several names are performed at the same time, in the worker (D-303)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates import tasks
from certificates.acme import authorizations
from certificates.acme.problems import ValidationFailed
from certificates.acme.validation import challenges
from certificates.models import AcmeAuthorization
from certificates.tasks import publisher
from tests.support.acme_client import AcmeClient
from tests.zcc.rows import sql

FAST, SLOW = "web.hosts.example", "web2.hosts.example"


@pytest.fixture
def requested(client: AcmeClient, monkeypatch: Any) -> None:
    """A client has requested the validation of two names."""
    monkeypatch.setattr(tasks, "enqueue_acme_validation", lambda: None)
    client.choose(client.order(FAST, SLOW).json())


@pytest.mark.usefixtures("requested")
def test_the_names_of_a_batch_are_validated_at_the_same_time(monkeypatch: Any) -> None:
    # It opens only when both validations are running.
    both = threading.Barrier(2, timeout=30)

    def check(_method: str, name: str, _token: str, _response: str) -> None:
        both.wait()
        if name == SLOW:
            raise ValidationFailed("It does not respond.", kind="connection")

    monkeypatch.setattr(challenges, "check", check)
    now = timezone.now()
    assert authorizations.validate_batch(now) == 2
    assert authorizations.validate_batch(now) == 0
    fast, slow = AcmeAuthorization.objects.order_by("name")
    assert (fast.validated_at, fast.problem) == (now, None)
    assert slow.validated_at is None
    assert slow.problem["detail"].startswith("It does not respond.")


@pytest.mark.usefixtures("requested")
def test_a_row_that_was_changed_with_sql_is_not_validated(monkeypatch: Any) -> None:
    monkeypatch.setattr(challenges, "check", lambda *_: None)
    sql.change(AcmeAuthorization.objects.get(name=SLOW), token="x" * 43)
    assert authorizations.validate_batch(timezone.now()) == 1
    assert AcmeAuthorization.objects.get(name=SLOW).validated_at is None


@pytest.mark.usefixtures("requested")
def test_only_one_worker_validates_at_a_time(monkeypatch: Any) -> None:
    now = timezone.now()
    by_others: list[int] = []

    def check(*_: str) -> None:
        by_others.append(True)

    def start_another(_batch: Any) -> bool:
        # Another worker looks for names while this one validates.
        monkeypatch.setattr(authorizations, "_is_authentic", lambda _row: True)
        by_others.append(authorizations.validate_batch(now))
        return True

    monkeypatch.setattr(challenges, "check", check)
    monkeypatch.setattr(authorizations, "_is_authentic", start_another)
    assert authorizations.validate_batch(now) == 2
    # None by the other worker, and each name once.
    assert by_others == [0, True, True]


@pytest.mark.usefixtures("requested")
def test_the_names_of_a_worker_that_was_killed_are_validated_again(monkeypatch: Any) -> None:
    def be_killed(*_: str) -> None:
        raise SystemExit

    now = timezone.now()
    monkeypatch.setattr(authorizations, "_release", lambda *_: None)
    monkeypatch.setattr(challenges, "check", be_killed)
    with pytest.raises(SystemExit):
        authorizations.validate_batch(now)
    monkeypatch.setattr(challenges, "check", lambda *_: None)
    assert authorizations.validate_batch(now + timedelta(seconds=1)) == 0
    assert authorizations.validate_batch(now + authorizations.CLAIM) == 2


def test_the_names_of_one_account_do_not_delay_those_of_others(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(tasks, "enqueue_acme_validation", lambda: None)
    for start in (0, 20):
        client.choose(client.order(*(f"h{start + n}.hosts.example" for n in range(20))).json())
    other = AcmeClient()
    other.register(account_key.row.key_id, account_key.hmac_key)
    other.choose(other.order(FAST).json())
    assert authorizations.validate_batch(timezone.now()) == authorizations.BATCH
    assert AcmeAuthorization.objects.get(name=FAST).validated_at is not None
    # The others follow in the order in which they were requested.
    waiting = AcmeAuthorization.objects.filter(validated_at=None)
    later = {f"h{20 + n}.hosts.example" for n in range(20)}
    assert {one.name for one in waiting} == {"h9.hosts.example", *later}


@pytest.mark.usefixtures("requested")
def test_names_without_a_result_come_after_the_others_of_the_account(
    client: AcmeClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr(authorizations, "BATCH", 1)
    monkeypatch.setattr(challenges, "check", lambda *_: None)
    sql.change(AcmeAuthorization.objects.get(name=FAST), token="x" * 43)
    assert authorizations.validate_batch(timezone.now()) == 0
    assert authorizations.validate_batch(timezone.now()) == 1
    assert AcmeAuthorization.objects.get(name=SLOW).validated_at is not None


def test_validations_are_enqueued_only_if_no_other_task_is_waiting(monkeypatch: Any) -> None:
    found: list[tuple[str, bool]] = []

    def enqueue(_task: Any, *_args: str, queue: str, only_if_empty: bool) -> None:
        found.append((queue, only_if_empty))

    monkeypatch.setattr(publisher, "enqueue", enqueue)
    tasks.enqueue_acme_validation()
    assert found == [(publisher.SHARED_QUEUE, True)]


@pytest.mark.usefixtures("requested")
def test_an_unexpected_error_of_one_name_does_not_concern_the_others(monkeypatch: Any) -> None:
    def check(_method: str, name: str, _token: str, _response: str) -> None:
        if name == SLOW:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(challenges, "check", check)
    now = timezone.now()
    assert authorizations.validate_batch(now) == 2
    fast, slow = AcmeAuthorization.objects.order_by("name")
    assert (fast.validated_at, fast.problem) == (now, None)
    assert slow.problem["type"].endswith(":serverInternal")
    assert slow.validated_at is None
