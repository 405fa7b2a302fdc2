"""The overview on Home: months with expirations, last contact, last events, countdowns."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from certificates.models import Authority, ServerCertificate
from certificates.monitoring import overview
from certificates.operations.states import OperationState
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


def test_devices_are_grouped_by_their_last_contact(ca):
    now = timezone.now()
    before = {group.label: group.devices for group in overview.count_contacts(now)}
    for number, age in enumerate((1, 30, 24 * 6, 24 * 20, 24 * 400)):
        factories.device(f"pc-{number}", last_contact=now - timedelta(hours=age))
    factories.device("pc-new", last_contact=None)
    after = {group.label: group.devices for group in overview.count_contacts(now)}
    assert [after[label] - before[label] for label in after] == [1, 2, 1, 1, 1]


def test_home_shows_the_operation_with_its_countdown(client, ca):
    operation = factories.operation(ca, state=OperationState.ASSIGNED)
    page = client.get("/").content.decode()
    assert f"/operations/{operation.pk}/" in page
    assert f'data-until="{int(operation.activates_at.timestamp())}"' in page
    assert ca.sha256[:8] in page


def test_events_are_shown_only_with_the_right(client, ca):
    assert "Last Events" in client.get("/").content.decode()
    viewer = Client()
    user = factories.admin("viewer")
    user.is_superuser = False
    user.save()
    viewer.force_login(user)
    assert "Last Events" not in viewer.get("/").content.decode()
