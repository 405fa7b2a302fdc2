"""Validations of several names are performed at the same time, in the worker (D-303)."""

from __future__ import annotations

import threading
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


def test_validations_are_enqueued_only_if_no_other_task_is_waiting(monkeypatch: Any) -> None:
    found: list[tuple[str, bool]] = []

    def enqueue(_task: Any, *_args: str, queue: str, only_if_empty: bool) -> None:
        found.append((queue, only_if_empty))

    monkeypatch.setattr(publisher, "enqueue", enqueue)
    tasks.enqueue_acme_validation()
    assert found == [(publisher.SHARED_QUEUE, True)]
