"""The stored counts of a large update for the live pane."""

from datetime import timedelta

import pytest
from django.test import Client

from systemupdates.assignments import assignment as assignments
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates import lifecycle
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db
A = AssignmentState


@pytest.fixture
def update(monkeypatch):
    """Return a large update that has failed on four devices."""
    monkeypatch.setattr(rollout, "LARGE_UPDATE", 4)
    factories.zone()
    assigned_at = factories.now() - timedelta(minutes=10)
    update = factories.update(
        factories.server("ps-1"), state=UpdateState.ASSIGNED, assigned_at=assigned_at
    )
    for number in range(4):
        factories.assignment(update, factories.device(f"pc-{number}"), A.FAILED)
    return update


def reload(update):
    return SystemUpdate.objects.get(pk=update.pk)


def record_counts(update):
    rollout.record_sample(update, now=factories.now())
    return reload(update)


def first_assignment():
    return Assignment.objects.order_by("pk").first()


def test_stored_counts_are_used_until_they_are_too_old(update):
    now = factories.now()
    rollout.record_sample(update, now=now)
    Assignment.objects.update(state=A.ACTIVATED)
    assert rollout.get_recent_counts(reload(update), now=now + timedelta(seconds=9)) == {
        "failed": 4
    }
    assert rollout.get_recent_counts(reload(update), now=now + timedelta(seconds=10)) == {
        "activated": 4
    }
    rollout.record_sample(update, now=now + timedelta(seconds=1))
    assert rollout.get_recent_counts(reload(update), now=now + timedelta(seconds=2)) == {
        "activated": 4
    }


def test_the_counts_of_small_updates_are_not_stored(update):
    Assignment.objects.first().delete()
    assert record_counts(update).counted_at is None
    Assignment.objects.update(state=A.ACTIVATED)
    assert rollout.get_recent_counts(reload(update), now=factories.now()) == {"activated": 3}


@pytest.mark.parametrize(
    "action",
    [
        lambda: assignments.ignore_device(first_assignment(), now=factories.now()),
        lambda: assignments.redeploy(first_assignment(), now=factories.now()),
        lambda: lifecycle.clear_error(first_assignment(), now=factories.now()),
        lambda: lifecycle.redeploy_failed(reload(first_assignment().update), now=factories.now()),
    ],
    ids=["ignore", "redeploy", "clear", "redeploy-failed"],
)
def test_actions_of_administrators_discard_the_stored_counts(update, action):
    assert record_counts(update).counts == {"failed": 4}
    action()
    assert rollout.get_recent_counts(reload(update), now=factories.now()).get("failed", 0) < 4


def test_the_live_pane_uses_the_stored_counts(update, monkeypatch):
    monkeypatch.setattr(rollout, "MAX_COUNTS_AGE", timedelta(hours=1))  # the machine might be slow
    client = Client()
    client.force_login(factories.admin())
    record_counts(update)
    Assignment.objects.update(state=A.ACTIVATED)
    page = client.get(f"/system-updates/{update.pk}/rollout/").content.decode()
    assert "state=failed" in page
    assert "state=activated" not in page
