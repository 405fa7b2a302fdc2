"""The rollout over time: samples, and the chart that the page draws of them (B-6)."""

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

from systemupdates.assignments import rollout
from systemupdates.models import Assignment, Sample
from systemupdates.updates import tables
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db
A = AssignmentState
LIST = "/system-updates/"


@pytest.fixture
def update():
    factories.zone()
    begin = factories.now() - timedelta(minutes=10)
    made = factories.update(factories.server("ps-1"), state=UpdateState.ASSIGNED, assigned_at=begin)
    for n in range(4):
        factories.assignment(made, factories.device(f"pc-{n}"), A.ASSIGNED)
    return made


def counts(update):
    return tables.counts([update])[update.pk]


def test_a_sample_is_kept_when_something_changed_and_not_too_often(update):
    now = update.assigned_at + timedelta(seconds=10)
    rollout.note(update, now=now)
    rollout.note(update, now=now + timedelta(seconds=60))
    assert Sample.objects.count() == 1, "nothing changed"
    Assignment.objects.filter(device__name="pc-0").update(state=A.APPLIED)
    rollout.note(update, now=now + timedelta(seconds=1))
    assert Sample.objects.count() == 1, "too soon"
    rollout.note(update, now=now + timedelta(seconds=61))
    assert [s.counts["trusted"] for s in Sample.objects.all()] == [0, 1]


def test_a_rollout_of_weeks_keeps_some_hundred_samples(update):
    now = update.assigned_at
    for hour in range(24 * 7):
        Assignment.objects.filter(device__name="pc-0").update(
            state=A.APPLIED if hour % 2 else A.FAILED
        )
        for minute in (0, 20, 40):
            rollout.note(update, now=now + timedelta(hours=hour, minutes=minute))
    assert Sample.objects.count() < 400


def test_the_last_word_is_always_kept(update):
    now = update.assigned_at + timedelta(seconds=10)
    rollout.note(update, now=now)
    Assignment.objects.update(state=A.ACTIVATED)
    rollout.note(update, now=now, last_word=True)
    assert Sample.objects.last().counts == {"trusted": 4, "activated": 4, "failed": 0, "of": 4}


def test_devices_that_are_left_out_do_not_count(update):
    Assignment.objects.filter(device__name="pc-0").update(state=A.IGNORED)
    assert rollout.reckon(counts(update))["of"] == 3


def test_an_update_that_is_not_assigned_has_no_chart(update):
    update.assigned_at = None
    assert rollout.drawn(update, {}, now=factories.now()) is None
    rollout.note(update, now=factories.now())
    assert not Sample.objects.exists()


def test_the_lines_are_steps_inside_the_frame_and_end_at_the_live_numbers(update):
    for minute, applied in ((1, 1), (5, 3)):
        Sample.objects.create(
            update=update,
            at=update.assigned_at + timedelta(minutes=minute),
            counts={"trusted": applied, "activated": 0, "failed": 1, "of": 4},
        )
    Assignment.objects.update(state=A.APPLIED)
    chart = rollout.drawn(update, counts(update), now=factories.now())
    trusted, _activated, failed = chart.lines
    assert (trusted.last, failed.last) == (4, 0)
    assert [counts[0] for _at, counts in chart.rows] == [0, 1, 3, 4]
    assert trusted.path.endswith("H720.0")
    assert "V0.0" in trusted.path, "all four devices: the top of the frame"


def test_the_page_draws_it_without_script_or_style_and_tells_it_in_numbers(update):
    client = Client()
    client.force_login(factories.admin())
    Assignment.objects.filter(device__name="pc-1").update(state=A.FAILED)
    page = client.get(f"{LIST}{update.pk}/devices/").content.decode()
    begin = page.index('<figure class="chart">')
    drawing = ET.fromstring(page[begin : page.index("</svg>", begin) + 6][22:].strip())
    assert len(drawing.findall("path")) == 3
    assert "style=" not in page[begin : page.index("</figure>", begin)]
    assert "As a table" in page


def test_the_live_pane_is_silent_while_nothing_is_new(update):
    client = Client()
    client.force_login(factories.admin())
    page = client.get(f"{LIST}{update.pk}/devices/")
    there = f"{LIST}{update.pk}/rollout/?rev={page.context['mark']}"
    assert client.get(there).status_code == 204
    Assignment.objects.filter(device__name="pc-1").update(state=A.FAILED)
    news = client.get(there)
    assert news.status_code == 200
    assert "zcc:rows" in news.headers["HX-Trigger"]
    assert "Redeploy" in news.content.decode()


def test_a_past_update_is_not_asked_about_any_more(update):
    client = Client()
    client.force_login(factories.admin())
    update.state = UpdateState.COMPLETED
    update.save()
    page = client.get(f"{LIST}{update.pk}/devices/").content.decode()
    assert "zcc:tick" not in page
