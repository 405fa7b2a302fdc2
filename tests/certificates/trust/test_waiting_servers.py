"""Home and the operation list servers waiting for content, contact, or approval (D-35)."""

from datetime import timedelta

import pytest
from django.test import Client

from certificates.operations.states import OperationState
from certificates.trust import stragglers
from devices.models import Device, Role
from systemupdates.models import Replica, SystemUpdate
from systemupdates.updates.states import ReplicaState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def zone():
    return factories.zone()


@pytest.fixture
def first(zone):
    return factories.server("ps-01", content_port=8080)


@pytest.fixture
def operation(first):
    """A Remint CA whose content is missing on one satellite."""
    found = factories.operation(factories.authority(first), state=OperationState.REPLICATING)
    satellite = factories.server("cs-01", Role.CONTENT_SATELLITE, content_port=8080, parent=first)
    factories.replica(found.update, satellite, ReplicaState.PENDING)
    factories.replica(found.update, first, ReplicaState.AVAILABLE)
    return found


@pytest.fixture
def client(zone):
    client = Client()
    client.force_login(factories.admin())
    return client


def names(zone):
    return [
        (one.device.name, one.tone)
        for one in stragglers.list_waiting_servers(zone, factories.now())
    ]


def test_a_server_without_content_is_listed_with_the_next_step(client, zone, operation):
    assert names(zone) == [("cs-01", "warn")]
    page = client.get("/").content.decode()
    assert "is waiting for the content of" in page
    assert f"/system-updates/{operation.update_id}/content/" in page
    assert "copy from ps-01" in page
    Device.objects.filter(name="cs-01").update(last_contact=factories.now() - DAY)
    assert names(zone) == [("cs-01", "bad")], "listed only once"
    assert (
        "Start the agent on the server, or exclude the server" in client.get("/").content.decode()
    )


def test_servers_that_delay_an_assignment_are_listed_first(zone, operation):
    other = factories.update(
        Device.objects.get(name="ps-01"), name="Other", assigned_at=factories.now()
    )
    factories.replica(other, Device.objects.get(name="cs-01"), ReplicaState.FAILED)
    texts = [one.text for one in stragglers.list_waiting_servers(zone, factories.now())]
    assert [other.name in text for text in texts] == [False, True]


@pytest.mark.parametrize(
    "over",
    [
        lambda: Replica.objects.filter(server__name="cs-01").update(state=ReplicaState.EXCLUDED),
        lambda: SystemUpdate.objects.update(state=UpdateState.CANCELED),
        lambda: SystemUpdate.objects.update(deleted_at=factories.now()),
        lambda: Device.objects.filter(name="cs-01").update(state="unregistered"),
    ],
    ids=["excluded", "canceled", "deleted", "unregistered"],
)
def test_a_server_is_not_listed_if_no_update_needs_it(zone, operation, over):
    over()
    assert names(zone) == []


def test_servers_without_contact_are_listed_but_devices_are_not(client, zone, first):
    factories.device("pc-1", last_contact=factories.now() - DAY)
    assert names(zone) == []
    assert (
        "No servers are waiting for content, contact, or approval."
        in client.get("/").content.decode()
    )
    Device.objects.filter(name="ps-01").update(last_contact=factories.now() - DAY)
    factories.server("as-01", Role.AUTHENTICATION_SATELLITE, last_contact=None)
    assert names(zone) == [("as-01", "bad"), ("ps-01", "bad")]
    page = client.get("/").content.decode()
    assert "has never been in contact." in page
    assert "was last in contact 1 day" in page


def test_a_server_waiting_for_approval_is_listed(client, zone, first):
    new = factories.server("as-01", Role.AUTHENTICATION_SATELLITE, state="waiting")
    assert names(zone) == [("as-01", "warn")]
    assert f"/devices/{new.pk}/" in client.get("/").content.decode()


def test_a_long_list_is_shortened_with_a_link_to_all(client, zone, first):
    for number in range(stragglers.MAX_SERVERS + 2):
        factories.server(
            f"cs-{number:02}", Role.CONTENT_SATELLITE, last_contact=factories.now() - DAY
        )
    page = client.get("/").content.decode()
    assert f"{stragglers.MAX_SERVERS}+" in page
    assert "Show all devices without recent contact" in page


def test_the_operation_lists_waiting_servers_until_it_is_assigned(client, operation):
    there = f"/configuration/certificates/operations/{operation.pk}/"
    before = client.get(there).content.decode()
    assert "when these servers have the content" in before
    assert "cs-01" in before
    mark = before.split("live/?rev=")[1].split('"')[0]
    Device.objects.filter(name="cs-01").update(last_contact=factories.now() - DAY)
    news = client.get(f"{there}live/?rev={mark}", headers={"HX-Request": "true"})
    assert news.status_code == 200, "a lost server changes the page"
    assert "Offline" in news.content.decode()
    Replica.objects.update(state=ReplicaState.AVAILABLE)
    assert "when these servers" not in client.get(there).content.decode()
