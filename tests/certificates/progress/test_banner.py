"""The line about running operations on every page, and what is reported when they end."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from certificates.models import Operation, VaultJob
from certificates.operations.states import OperationState
from certificates.progress import banner
from devices.models import Zone
from systemupdates.models import SystemUpdate
from tests.support import clients, factories

pytestmark = pytest.mark.django_db
BANNER, DEVICES = "/running/", "/devices/"
S = OperationState


@pytest.fixture
def client():
    return clients.log_in(factories.user("reader"), htmx=True)


@pytest.fixture
def operation(ca):
    return factories.operation(ca)


def test_a_running_operation_is_shown_on_a_page_of_another_part(client, operation):
    page = client.get(DEVICES, headers={"HX-Request": ""}).content.decode()
    assert f'href="/configuration/certificates/operations/{operation.pk}/">{operation.name}' in page
    assert "Replicating content · Activation" in page
    assert 'id="banner" class="busy"' in page


@pytest.mark.parametrize("state", [S.BLOCKED, S.FAILED, S.CANCEL_FAILED])
def test_an_operation_that_needs_a_decision_is_marked(client, operation, state):
    Operation.objects.update(state=state)
    assert 'id="banner" class="bad"' in client.get(DEVICES).content.decode()


@pytest.mark.parametrize("state", [S.ACTIVATED, S.COMPLETED, S.CANCELED])
def test_an_operation_that_blocks_no_other_is_not_shown(client, operation, state):
    Operation.objects.update(state=state)
    page = client.get(DEVICES).content.decode()
    assert "hidden hx-get" in page
    assert operation.name not in page


def test_an_unchanged_line_is_not_sent_again(client, operation):
    revision = banner.get_banner().revision
    assert client.get(BANNER, {"rev": revision}).status_code == 204
    Operation.objects.update(activates_at=operation.activates_at + timedelta(days=1))
    response = client.get(BANNER, {"rev": revision})
    assert response.status_code == 200
    assert "zcc:revised" in response.headers["HX-Trigger"]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (S.CANCELED, "The Remint CA operation is canceled successfully."),
        (S.COMPLETED, "The Remint CA operation is complete."),
        (S.ROLLED_BACK, "The Remint CA operation has been rolled back."),
    ],
)
def test_the_end_of_an_operation_is_reported_once(client, operation, state, text):
    revision = banner.get_banner().revision
    Operation.objects.update(state=state, ended_at=factories.now())
    page = client.get(BANNER, {"rev": revision}).content.decode()
    assert 'id="messages"' in page
    assert text in page
    assert text not in client.get(BANNER, {"rev": banner.get_banner().revision}).content.decode()
    assert text not in client.get(BANNER, {"rev": "x"}).content.decode()


def test_a_revision_from_outside_is_no_error(client, operation):
    for revision in ("", ".", "x.y", f"x.{'0' * 32}", f"x.{'f' * 400}", "\x00"):
        assert client.get(BANNER, {"rev": revision}).status_code == 200


def test_a_change_of_a_ca_key_job_changes_the_revision(ca, operation):
    before = banner.get_banner().revision
    job = VaultJob.objects.create(kind="backup", server=ca.certificate_server, authority=ca)
    waiting = banner.get_banner().revision
    VaultJob.objects.filter(pk=job.pk).update(state="failed")
    assert before != waiting != banner.get_banner().revision


def test_whatever_is_recorded_changes_the_revision(client):
    revision = banner.get_banner().revision
    assert client.get(BANNER, {"rev": revision}).status_code == 204
    Entry.objects.record("register", "devices.Device:1")
    response = client.get(BANNER, {"rev": revision})
    assert response.status_code == 200
    assert "zcc:revised" in response.headers["HX-Trigger"]
    assert client.get(BANNER, {"rev": banner.get_banner().revision}).status_code == 204


def get_countdowns(page):
    """Return the moments to which a page, or a part of it, counts down."""
    return [int(moment) for moment in re.findall(r'data-until="(\d+)"', page)]


def test_every_page_counts_down_to_the_freeze_period_and_to_the_activation(client, operation):
    begins = operation.activates_at - Zone.objects.get_zone().freeze_period
    expected = [int(operation.activates_at.timestamp()), int(begins.timestamp())]
    for path in (DEVICES, "/system-updates/", "/configuration/certificates/operations/"):
        line = client.get(path).content.decode().partition('id="banner"')[2]
        line = line.partition("</section>")[0]
        assert get_countdowns(line) == expected, path
        assert "Freeze period <time" in line
    assert get_countdowns(client.get(BANNER).content.decode()) == expected


@pytest.mark.parametrize("path", ["/system-updates/", "/configuration/certificates/operations/"])
def test_the_lists_count_down_with_their_dates(client, operation, path):
    def read():
        page = client.get(path).content.decode()
        return page.partition('data-label="Activation"')[2].partition("</td>")[0]

    assert get_countdowns(read()) == [int(operation.activates_at.timestamp())]
    Operation.objects.update(state=S.CANCELED, ended_at=factories.now())
    SystemUpdate.objects.update(state="canceled")
    assert get_countdowns(read()) == []


@pytest.mark.parametrize("part", ["devices", "content", "details"])
def test_the_pages_of_an_update_count_down_with_their_dates(client, operation, part):
    freeze = Zone.objects.get_zone().freeze_period
    begins = operation.activates_at - freeze

    def read():
        page = client.get(f"/system-updates/{operation.update_id}/{part}/").content.decode()
        return page.partition('id="lead"')[2].partition("</p>")[0]

    update = operation.update
    assert get_countdowns(read()) == [
        int(update.activates_at.timestamp()),
        int(begins.timestamp()),
    ]
    Operation.objects.update(state=S.COMPLETED, ended_at=factories.now())
    assert get_countdowns(read()) == []


def test_after_its_begin_the_freeze_period_is_not_shown(client, operation):
    freeze = Zone.objects.get_zone().freeze_period
    Operation.objects.update(state=S.ASSIGNED, activates_at=timezone.now() + freeze / 2)
    page = client.get(BANNER).content.decode()
    assert len(get_countdowns(page)) == 1
    assert "Freeze period" not in page


def test_the_line_needs_two_queries(operation, django_assert_num_queries):
    with django_assert_num_queries(2):
        shown = banner.get_banner(Zone(freeze_seconds=3600), timezone.now())
    [line] = shown.lines
    assert line.operation == operation
    assert line.freezes_at == operation.activates_at - timedelta(hours=1)


def test_a_page_of_a_required_step_does_not_poll(client, operation):
    session = client.session
    session["must"] = "password"
    session.save()
    page = client.get(reverse("administrators:password"), headers={"HX-Request": ""}, follow=True)
    assert page.status_code == 200
    assert 'id="banner"' not in page.content.decode()
