"""The samples of a rollout and its chart."""

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

from systemupdates.assignments import rollout
from systemupdates.models import Assignment, RolloutSample
from systemupdates.updates import tables
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db
A = AssignmentState
LIST = "/system-updates/"


@pytest.fixture
def update():
    factories.zone()
    assigned_at = factories.now() - timedelta(minutes=10)
    update = factories.update(
        factories.server("ps-1"), state=UpdateState.ASSIGNED, assigned_at=assigned_at
    )
    for n in range(4):
        factories.assignment(update, factories.device(f"pc-{n}"), A.ASSIGNED)
    return update


def counts(update):
    return tables.count_devices([update])[update.pk]


def test_a_sample_is_stored_after_a_change_and_an_interval(update):
    now = update.assigned_at + timedelta(seconds=10)
    rollout.record_sample(update, now=now)
    rollout.record_sample(update, now=now + timedelta(seconds=60))
    assert RolloutSample.objects.count() == 1, "nothing changed"
    Assignment.objects.filter(device__name="pc-0").update(state=A.APPLIED)
    rollout.record_sample(update, now=now + timedelta(seconds=1))
    assert RolloutSample.objects.count() == 1, "too soon"
    rollout.record_sample(update, now=now + timedelta(seconds=61))
    assert [s.counts["trusted"] for s in RolloutSample.objects.all()] == [0, 1]


def test_a_rollout_of_weeks_has_a_few_hundred_samples(update):
    now = update.assigned_at
    for hour in range(24 * 7):
        Assignment.objects.filter(device__name="pc-0").update(
            state=A.APPLIED if hour % 2 else A.FAILED
        )
        for minute in (0, 20, 40):
            rollout.record_sample(update, now=now + timedelta(hours=hour, minutes=minute))
    assert RolloutSample.objects.count() < 400


def test_the_final_sample_is_always_stored(update):
    now = update.assigned_at + timedelta(seconds=10)
    rollout.record_sample(update, now=now)
    Assignment.objects.update(state=A.ACTIVATED)
    rollout.record_sample(update, now=now, is_final=True)
    assert RolloutSample.objects.last().counts == {
        "trusted": 4,
        "activated": 4,
        "failed": 0,
        "of": 4,
    }


def test_ignored_devices_are_not_counted(update):
    Assignment.objects.filter(device__name="pc-0").update(state=A.IGNORED)
    assert rollout.summarize_counts(counts(update))["of"] == 3


def test_an_update_that_is_not_assigned_has_no_chart(update):
    update.assigned_at = None
    assert rollout.build_rollout_chart(update, {}, now=factories.now()) is None
    rollout.record_sample(update, now=factories.now())
    assert not RolloutSample.objects.exists()


def test_the_chart_lines_end_at_the_current_numbers(update):
    for minute, applied in ((1, 1), (5, 3)):
        RolloutSample.objects.create(
            update=update,
            at=update.assigned_at + timedelta(minutes=minute),
            counts={"trusted": applied, "activated": 0, "failed": 1, "of": 4},
        )
    Assignment.objects.update(state=A.APPLIED)
    chart = rollout.build_rollout_chart(update, counts(update), now=factories.now())
    trusted, _activated, failed = chart.lines
    assert (trusted.last, failed.last) == (4, 0)
    assert [counts[0] for _at, counts in chart.rows] == [0, 1, 3, 4]
    assert trusted.path.endswith("H720.0")
    assert "V0.0" in trusted.path, "all four devices: the top of the frame"


def test_the_page_has_the_chart_and_a_table(update):
    client = Client()
    client.force_login(factories.admin())
    Assignment.objects.filter(device__name="pc-1").update(state=A.FAILED)
    page = client.get(f"{LIST}{update.pk}/devices/").content.decode()
    begin = page.index('<figure class="chart">')
    drawing = ET.fromstring(page[begin : page.index("</svg>", begin) + 6][22:].strip())
    assert len(drawing.findall("path")) == 3
    assert "style=" not in page[begin : page.index("</figure>", begin)]
    assert "View as table" in page


def test_the_live_pane_is_sent_only_after_changes(update):
    client = Client()
    client.force_login(factories.admin())
    page = client.get(f"{LIST}{update.pk}/devices/")
    url = f"{LIST}{update.pk}/rollout/?rev={page.context['page_revision']}"
    assert client.get(url).status_code == 204
    Assignment.objects.filter(device__name="pc-1").update(state=A.FAILED)
    response = client.get(url)
    assert response.status_code == 200
    assert "zcc:rows" in response.headers["HX-Trigger"]
    assert "Redeploy" in response.content.decode()


def test_the_pane_of_a_completed_update_is_not_polled(update):
    client = Client()
    client.force_login(factories.admin())
    update.state = UpdateState.COMPLETED
    update.save()
    page = client.get(f"{LIST}{update.pk}/devices/").content.decode()
    assert "zcc:tick" not in page
