"""The overview on Home: months with expirations, last contact, last events, countdowns."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates.models import Authority, ServerCertificate
from certificates.monitoring import overview
from certificates.operations.states import OperationState
from console.pages import formatting
from console.pages.formatting import format_fingerprint
from devices.models import Device, Role
from tests.support import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def client(ca):
    client = Client()
    client.force_login(factories.admin())
    return client


def test_twelve_months_begin_with_the_current_one(ca):
    months = [month.first for month in overview.list_months(NOW)]
    assert [(m.year, m.month) for m in months[:3]] == [(2026, 11), (2026, 12), (2027, 1)]
    assert (months[-1].year, months[-1].month) == (2027, 10)


def test_certificates_are_counted_in_the_month_of_their_end(ca):
    server = factories.server("ps-09")
    factories.certificate(server, ca)
    ServerCertificate.objects.update(not_after=datetime(2027, 1, 31, 23, 30, tzinfo=UTC))
    Authority.objects.update(not_after=datetime(2027, 3, 1, tzinfo=UTC))
    found = {m.first.month: (m.servers, m.authorities) for m in overview.list_months(NOW)}
    count = ServerCertificate.objects.current().count()
    assert found[1] == (count, 0)
    assert found[3] == (0, 1)
    assert sum(servers for servers, _ in found.values()) == count


def test_devices_are_counted_by_the_day_of_their_last_contact(ca):
    Device.objects.update(last_contact=NOW)
    contacts = (
        *("2026-11-29T00:00", "2026-11-28T23:59", "2026-11-28T00:00", "2026-11-23T00:00"),
        *("2026-11-22T23:59", "2025-01-01T00:00"),
    )
    for contact in contacts:
        moment = datetime.fromisoformat(contact).replace(tzinfo=UTC)
        factories.device(f"pc-{contact}", last_contact=moment)
    factories.device("pc-new", last_contact=None)
    registered = Device.objects.registered().filter(last_contact=NOW).count()
    found = [(group.label, group.devices) for group in overview.count_contacts(NOW, None)]
    assert found == [
        *(("Today", registered + 1), ("Yesterday", 2), ("Fri 27 Nov", 0), ("Thu 26 Nov", 0)),
        *(("Wed 25 Nov", 0), ("Tue 24 Nov", 0), ("Mon 23 Nov", 1), ("Earlier", 2), ("Never", 1)),
    ]
    with timezone.override("Asia/Tokyo"):
        assert overview.count_contacts(NOW, None)[0].devices == registered + 2


def test_a_finding_can_be_accepted_on_home(client):
    page = client.get("/").content.decode()
    there = re.search(r'hx-get="(/[^"]+/accept/[^"]*)"', page)[1].replace("&amp;", "&")
    assert "Accept" in client.get(there, headers={"HX-Request": "true"}).content.decode()
    viewer = Client()
    viewer.force_login(factories.user("viewer"))
    assert "/accept/" not in viewer.get("/").content.decode()


def test_home_shows_the_operation_with_its_countdown(client, ca):
    operation = factories.operation(ca, state=OperationState.ASSIGNED)
    page = client.get("/").content.decode()
    assert f"/operations/{operation.pk}/" in page
    assert f'data-until="{int(operation.activates_at.timestamp())}"' in page
    assert format_fingerprint(ca.sha256[:8]) in page


def test_a_blocked_operation_shows_how_long_ago_it_was_due(client, ca):
    at = timezone.now() - timedelta(hours=2)
    factories.operation(ca, state=OperationState.BLOCKED, activates_at=at)
    page = client.get("/").content.decode()
    assert f'data-moment="{int(at.timestamp())}"' in page
    assert "2 hours ago" in page


def test_events_are_shown_only_with_the_right(client, ca):
    assert "Last Events" in client.get("/").content.decode()
    viewer = Client()
    user = factories.admin("viewer")
    user.is_superuser = False
    user.save()
    viewer.force_login(user)
    assert "Last Events" not in viewer.get("/").content.decode()


def read_pane(client, heading):
    """Return the text of a pane on Home, without markup."""
    page = client.get("/").content.decode()
    pane = page.partition(f'aria-labelledby="{heading}"')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", pane.partition(">")[2]).split())


def test_home_shows_what_expires_in_each_of_twelve_months(client, ca):
    now = timezone.localtime(timezone.now())
    months = [month.first for month in overview.list_months(timezone.now())]
    later, latest = months[3] + timedelta(days=9), months[11] + timedelta(days=9)
    factories.certificate(factories.server("ps-09"), ca)
    ServerCertificate.objects.update(not_after=later)
    Authority.objects.update(not_after=latest)
    text = read_pane(client, "h-year")
    count = ServerCertificate.objects.current().count()
    assert count == 2
    assert f"{later:%b %Y} 2 server certificates" in text
    assert f"{latest:%b %Y} CA" in text
    assert [text.count(f"{month:%b %Y}") for month in months] == [1] * 12
    assert text.count(" 0 ") == 10, "the other months"
    assert f"{now:%b %Y} 0 {months[1]:%b %Y} 0" in text


def test_home_shows_the_devices_by_the_day_of_their_last_contact(client, ca):
    now = timezone.now()
    Device.objects.update(last_contact=None)
    for name, contact in (("pc-1", now), ("pc-2", now), ("pc-3", now - timedelta(days=30))):
        factories.device(name, last_contact=contact)
    text = read_pane(client, "h-contact")
    assert "Today 2 Yesterday 0" in text
    assert text.endswith("Earlier 1 Never 1")


def test_home_shows_the_last_events_as_sentences_newest_first(client, ca):
    device = factories.device("pc-1")
    Entry.objects.record("back-up-zone", "devices.Zone:1")
    Entry.objects.record("release", f"devices.Device:{device.pk}")
    second, first = Entry.objects.order_by("-seq").values_list("seq", flat=True)[:2]
    text = read_pane(client, "h-events")
    sentences = f"The system released device pc-1 for re-imaging. #{second}"
    assert sentences in text
    assert f"The system backed up the zone. #{first}" in text.partition(sentences)[2]
    page = client.get("/").content.decode()
    assert f'<a href="/devices/{device.pk}/">' in page.partition('id="h-events"')[2]


def test_home_shows_the_stages_of_the_operation_with_both_counts(client, ca):
    operation = factories.operation(ca, state=OperationState.ASSIGNED)
    operation.update.assigned_at = timezone.now()
    operation.update.save()
    for number, state in enumerate(["available", "available", "pending"]):
        server = factories.server(f"cs-{number}", Role.CONTENT_SATELLITE)
        factories.replica(operation.update, server, state)
    for number, state in enumerate(["applied", "activated", "applied", "pending"]):
        factories.assignment(operation.update, factories.device(f"pc-{number}"), state)
    text = read_pane(client, "h-op")
    assert "The Remint CA operation has been initiated. Remint CA 2026-11-23" in text
    assert "System update created , done Remint CA 2026-11-23" in text
    assert "Replicating content 2 of 3 servers" in text
    assert "Assign to devices , done automatically" in text
    assert "Apply to devices 3 of 4" in text
    moment = " ".join(formatting.stamp(operation.activates_at).split())
    assert text.endswith(f"Activation {moment}")


def test_an_open_home_page_follows_whatever_it_shows(client, ca):
    """Also if no operation runs, and for what no administrator does, for example a lost worker."""
    page = client.get("/").content.decode()
    assert "No operation is in progress." in page
    live = page.partition('id="home-live"')[2].partition(">")[0]
    assert 'hx-trigger="zcc:changed from:body, zcc:slow from:body"' in live
    for part in ("home-operations", "home-attention", "h-wait", "h-year", "h-contact", "h-events"):
        assert part in page.partition('id="home-live"')[2]
