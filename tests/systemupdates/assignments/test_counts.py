"""The counts of a large update, kept by the sweep for the panes that look at it (P-8)."""

from datetime import timedelta

import pytest
from django.test import Client

from systemupdates.assignments import assignment as acts
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates import lifecycle
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db
A = AssignmentState


@pytest.fixture
def update(monkeypatch):
    """An update that counts as large: four devices have failed on it."""
    monkeypatch.setattr(rollout, "LARGE", 4)
    factories.zone()
    begun = factories.now() - timedelta(minutes=10)
    made = factories.update(factories.server("ps-1"), state=UpdateState.ASSIGNED, assigned_at=begun)
    for number in range(4):
        factories.assignment(made, factories.device(f"pc-{number}"), A.FAILED)
    return made


def again(update):
    return SystemUpdate.objects.get(pk=update.pk)


def swept(update):
    rollout.note(update, now=factories.now())
    return again(update)


def one():
    return Assignment.objects.order_by("pk").first()


def test_a_pane_shows_what_the_sweep_has_counted_and_counts_by_itself_when_that_is_old(update):
    now = factories.now()
    rollout.note(update, now=now)
    Assignment.objects.update(state=A.ACTIVATED)
    assert rollout.recent(again(update), now=now + timedelta(seconds=9)) == {"failed": 4}
    assert rollout.recent(again(update), now=now + timedelta(seconds=10)) == {"activated": 4}
    rollout.note(update, now=now + timedelta(seconds=1))
    assert rollout.recent(again(update), now=now + timedelta(seconds=2)) == {"activated": 4}


def test_few_devices_are_always_counted(update):
    Assignment.objects.first().delete()
    assert swept(update).tallied_at is None
    Assignment.objects.update(state=A.ACTIVATED)
    assert rollout.recent(again(update), now=factories.now()) == {"activated": 3}


@pytest.mark.parametrize(
    "act",
    [
        lambda: acts.ignore_device(one(), now=factories.now()),
        lambda: acts.redeploy(one(), now=factories.now()),
        lambda: lifecycle.clear_error(one(), now=factories.now()),
        lambda: lifecycle.redeploy_failed(again(one().update), now=factories.now()),
    ],
    ids=["ignore", "redeploy", "clear", "redeploy-failed"],
)
def test_what_an_administrator_changes_is_seen_at_once(update, act):
    assert swept(update).tally == {"failed": 4}
    act()
    assert rollout.recent(again(update), now=factories.now()).get("failed", 0) < 4


def test_the_live_pane_takes_them(update, monkeypatch):
    monkeypatch.setattr(rollout, "LASTS", timedelta(hours=1))  # however busy the machine is
    client = Client()
    client.force_login(factories.admin())
    swept(update)
    Assignment.objects.update(state=A.ACTIVATED)
    page = client.get(f"/system-updates/{update.pk}/rollout/").content.decode()
    assert "state=failed" in page
    assert "state=activated" not in page
