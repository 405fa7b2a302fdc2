"""A full disk of the database, on the pages that change something: a clear error, no change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError, connection
from django.urls import reverse

from certificates.models import Authority, ServerCertificate
from certificates.name_constraints import proposal
from certificates.operations.states import OperationState
from systemupdates.updates.states import AssignmentState
from tests.certificates.clients import entered, events
from tests.certificates.operations.presentation.test_dialogs import REMINT, form_data
from tests.support import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ca", "enqueued")]
EXPLANATION = "The database is unavailable, locked, or out of disk space. Nothing was changed."
WRITES = ("INSERT", "UPDATE", "DELETE")
GROUP = {"is_on": "on", "count": "0", "percent": "80", "timeout_seconds": "4 hours"}
Request = tuple[str, dict[str, str]]


@contextmanager
def full_disk() -> Iterator[list[str]]:
    """Let each statement that writes fail as it does on a full disk. Collect these statements."""
    rejected: list[str] = []

    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(WRITES):
            rejected.append(sql)
            raise OperationalError("database or disk is full")
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield rejected


def create_account_key() -> Request:
    values = {"label": "web", "names": "*.hosts.example", "days": "7"}
    return reverse("certificates:acme_accounts"), values


def revoke() -> Request:
    used = ServerCertificate.objects.get()
    url = reverse("certificates:revoke", args=[used.device_id, used.pk])
    return url, {"reason": "key-compromise", "confirm": "on"}


def change_pilot_group() -> Request:
    factories.device("pc-001")
    return reverse("certificates:pilot_group"), {**GROUP, "devices": "pc-001"}


def continue_after_pilot() -> Request:
    operation = factories.operation(
        Authority.objects.get(), state=OperationState.BLOCKED, activates_in=timedelta(days=1)
    )
    until = (factories.now() + timedelta(hours=1)).isoformat()
    operation.parameters = {"pilot": {"percent": 100, "until": until, "released": ""}}
    operation.reason = "1 device of the pilot group failed: pc-001."
    operation.save()
    pilot = factories.device("pc-001")
    factories.assignment(operation.update, pilot, state=AssignmentState.FAILED, is_pilot=True)
    return reverse("certificates:continue_after_pilot", args=[operation.pk]), {"confirm": "on"}


def remint_with_name_constraints() -> Request:
    limits = {name: "\n".join(texts) for name, texts in proposal.propose().serialize().items()}
    return REMINT, form_data(constrain="on", **limits)


def add_freeze() -> Request:
    values = {"begins_at": "2050-01-01T00:00", "ends_at": "2050-01-02T00:00", "reason": "Holidays"}
    return reverse("certificates:new_freeze"), values


@pytest.mark.parametrize(
    "prepare",
    [
        create_account_key,
        revoke,
        change_pilot_group,
        continue_after_pilot,
        remint_with_name_constraints,
        add_freeze,
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_a_full_disk_is_a_clear_error_and_changes_nothing(
    prepare: Callable[[], Request], htmx: bool
) -> None:
    client = entered(factories.admin(), htmx=htmx)
    client.raise_request_exception = False
    url, values = prepare()
    before = snapshot()
    with full_disk() as rejected:
        response = client.post(url, values)
    assert rejected
    assert "django_session" not in rejected[0], "the request wrote nothing"
    assert response.status_code == 503
    shown = events(response)["zcc:fault"]["explanation"] if htmx else response.text
    assert EXPLANATION in shown
    assert snapshot() == before


def test_a_session_that_cannot_be_saved_is_a_clear_error() -> None:
    client = entered(factories.admin(), htmx=False)
    client.raise_request_exception = False
    with full_disk() as rejected:
        response = client.get("/devices/")
    assert [sql.partition(" SET")[0] for sql in rejected] == ['UPDATE "django_session"']
    assert response.status_code == 503
    assert EXPLANATION in response.text


def snapshot() -> dict[str, list[Any]]:
    """Return all rows, without those of sessions."""
    models = [model for model in apps.get_models() if model._meta.app_label != "sessions"]
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models
    }
