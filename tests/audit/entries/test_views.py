"""Audit and Messages: filter, order, pages, detail, export (beyond.md B-22, B-24; S-40, S-88)."""

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from audit.chain.kinds import KINDS
from audit.models import Entry
from devices.models import Device
from tests.support import factories

pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=1>\"'"


@pytest.fixture
def client():
    factories.zone()
    client = Client()
    client.force_login(factories.user("auditor", "ledger.view_entry"))
    return client


@pytest.fixture
def entries(client):
    for number in range(30):
        with acting_as(Actor(f"user-{number % 3}", "10.0.0.7", "s" * 64)):
            Entry.objects.record(
                ("move", "sign")[number % 2], f"thing:{number}", note=f"note {number}"
            )


def seqs(client, query=""):
    response = client.get(f"/audit/{query}")
    assert response.status_code == 200
    return [entry.seq for entry in response.context["page"]]


def test_the_newest_entry_comes_first_and_the_rest_is_on_other_pages(client, entries):
    newest = Entry.objects.order_by("-seq").first().seq
    assert seqs(client) == list(range(newest, newest - 25, -1))
    cursor = client.get("/audit/?per_page=10").context["page"].next
    following = seqs(client, f"?per_page=10&after={cursor}")
    assert following == list(range(newest - 10, newest - 20, -1))


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("?actor=user-1", lambda e: e.actor == "user-1"),
        ("?action=sign", lambda e: e.action == "sign"),
        ("?subject=thing:2", lambda e: "thing:2" in e.subject),
        ("?q=note+7", lambda e: "note 7" in e.note),
        ("?actor=user-1&action=sign", lambda e: e.actor == "user-1" and e.action == "sign"),
    ],
)
def test_a_filter_leaves_what_fits(client, entries, query, fits):
    found = seqs(client, f"{query}&per_page=100")
    expected = [e.seq for e in Entry.objects.order_by("-seq") if fits(e)]
    assert found == expected
    assert 0 < len(found) < Entry.objects.count()


def test_subjects_and_states_are_shown_in_words(client):
    device = factories.device("pc-1")
    Device.objects.transition(device, "unregistered")
    other = factories.user("anna")
    Entry.objects.record("login", f"auth.User:{other.pk}")
    Entry.objects.record("remove-target", "notifications.Target:99")
    Entry.objects.record("sign", "application/vnd.zcc.go+json")
    Entry.objects.record("denied", "POST /devices/")
    Entry.objects.record("change-rules", "people.Rules:1")
    rows = client.get("/audit/").context["rows"]
    assert {(row.subject, row.before, row.after) for row in rows} >= {
        ("Device pc-1", "Registered", "Unregistered"),
        ("Administrator anna", "", ""),
        ("Notification target 99", "", ""),
        ("Activation order", "", ""),
        ("POST /devices/", "", ""),
        ("Account rules", "", ""),
    }
    seq = Entry.objects.get(action="move").seq
    page = client.get(f"/audit/{seq}/").content.decode()
    assert "Device pc-1" in page
    assert f"devices.Device:{device.pk}" in page
    assert f"?subject=devices.Device%3A{device.pk}" in page


def test_every_subject_that_is_described_exists(client):
    for label, kind in KINDS.items():
        if label != "people.Rules":  # the name in a previous release
            model = apps.get_model(label)
            related = [f"{field}__{KINDS[other].name}" for field, other in kind.related]
            assert list(model.objects.values_list("pk", kind.name or "pk", *related)) is not None
        if kind.view:
            has_uuid = "uuid" in type(model._meta.pk).__name__.lower()
            key = uuid4() if has_uuid else 1
            assert reverse(kind.view, args=[] if kind.is_listed else [key])


def test_dates_are_read_in_the_zone_of_the_user(client, entries):
    client.cookies["tz"] = "Asia/Dubai"
    moment = Entry.objects.order_by("-seq").first().at + timedelta(minutes=1)
    local = (moment.replace(tzinfo=None) + timedelta(hours=4)).strftime("%Y-%m-%dT%H:%M")
    assert seqs(client, f"?since={local}") == []
    assert len(seqs(client, f"?until={local}")) == 25


def test_a_senseless_filter_is_told_and_nothing_breaks(client, entries):
    response = client.get("/audit/?since=yesterday&action=none&q=%00")
    assert response.status_code == 422
    assert b"Enter a valid date/time" in response.content


def test_the_order_can_be_changed(client, entries):
    found = [e.actor for e in client.get("/audit/?sort=actor&per_page=100").context["page"]]
    assert found == sorted(found)


def test_the_page_needs_equally_many_queries_for_any_number(
    client, entries, django_assert_max_num_queries
):
    client.get("/audit/")
    with django_assert_max_num_queries(12):
        client.get("/audit/?per_page=100")


def test_the_export_holds_every_entry_that_fits_with_its_digests(client, entries):
    response = client.get("/audit/?action=sign&per_page=5&export=csv")
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"))))
    assert len(rows) == Entry.objects.filter(action="sign").count() > 5
    by_seq = {str(e.seq): e for e in Entry.objects.all()}
    assert all(by_seq[row["seq"]].digest == row["digest"] for row in rows)


def test_a_formula_is_quoted_in_the_export(client):
    Entry.objects.record("test", "test:1", note="=HYPERLINK(1)")
    text = client.get("/audit/?export=csv").getvalue().decode()
    assert "'=HYPERLINK(1)" in text


def test_the_detail_shows_before_and_after_escaped(client):
    with acting_as(Actor(HOSTILE)):
        entry = Entry.objects.record(
            "change", HOSTILE, here="old", there="new", note=HOSTILE, detail={"after": HOSTILE}
        )
    for path in ("/audit/", f"/audit/{entry.seq}/"):
        page = client.get(path).content.decode()
        assert "<img src=x" not in page
        assert "old" in page
        assert "new" in page
    assert "&quot;after&quot;: &quot;&lt;img" in page
    assert entry.digest in page


def test_an_entry_without_detail_has_no_empty_box(client):
    entry = Entry.objects.record("change", "thing:1")
    assert "e-detail" not in client.get(f"/audit/{entry.seq}/").content.decode()


def test_an_empty_log_does_not_blame_a_filter(client):
    assert "The audit log has no entries." in client.get("/audit/").content.decode()
    assert "No entries match this filter." in client.get("/audit/?actor=x").content.decode()


def test_an_entry_that_is_not_there_is_not_found(client):
    assert client.get("/audit/999999/").status_code == 404
    assert client.get(f"/audit/{10**30}/").status_code == 404


def test_the_navigation_offers_it_to_those_who_may_read_it_alone(client):
    assert b"Audit and Messages" in client.get("/devices/").content
    other = Client()
    other.force_login(factories.user("reader"))
    assert b"Audit and Messages" not in other.get("/devices/").content
    assert other.get("/audit/").status_code == 403
    assert timezone.get_current_timezone_name() == "UTC"
