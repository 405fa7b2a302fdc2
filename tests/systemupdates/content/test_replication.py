"""Replication of content: sources, progress, failures, and exclusion of servers."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import Entry
from devices.models import Device, Role
from devices.registration import registration
from systemupdates.content import replica_status, replication
from systemupdates.models import Assignment, Replica
from systemupdates.updates.states import AssignmentState, ReplicaState, UpdateState
from tests.support import factories
from wire.update_messages import ReplicaProgress

pytestmark = pytest.mark.django_db
R = ReplicaState
FILES = [
    {"name": "ca.pem", "sha256": "a" * 64, "size": 1000},
    {"name": "more.pem", "sha256": "b" * 64, "size": 3000},
]
DIGESTS = [str(file["sha256"]) for file in FILES]


@pytest.fixture
def zone():
    return factories.zone(
        refresh_seconds=12 * 3600, primary_replication_seconds=3600, bandwidth_kib=64
    )


@pytest.fixture
def servers(zone):
    first = factories.server("ps-1", content_port=8080)
    return {
        "ps-1": first,
        "ps-2": factories.server("ps-2", content_port=8080),
        "cs-1": factories.server("cs-1", Role.CONTENT_SATELLITE, content_port=8080, parent=first),
        "as-1": factories.server("as-1", Role.AUTHENTICATION_SATELLITE),
        "pc-1": factories.device("pc-1"),
    }


@pytest.fixture
def update(servers):
    update = factories.update(servers["ps-1"], files=FILES)
    replication.create_replicas(update)
    return update


def get_replica(server, update):
    return Replica.objects.get(server=server, update=update)


def report(server, *, stored=(), copies=(), later=0):
    now = factories.now() + timedelta(seconds=later)
    return replication.save_replication_report(server, list(stored), list(copies), now=now)


@pytest.mark.manual("R047")
def test_replicas_are_created_for_content_servers(update, servers):
    rows = {row.server.name: row.state for row in Replica.objects.select_related("server")}
    assert rows == {"ps-1": R.AVAILABLE, "ps-2": R.PENDING, "cs-1": R.PENDING}
    requested = Device.objects.filter(has_pending_work=True, refresh_requested=True).values_list(
        "name", flat=True
    )
    assert set(requested) == {"ps-1", "ps-2", "cs-1"}, "replication starts immediately"
    assert {str(pk) for pk in registration.take_refresh_requests()} == {
        str(servers[name].pk) for name in ("ps-1", "ps-2")
    }
    assert registration.take_refresh_requests() == [], "each request is returned once"


@pytest.mark.manual("R047")
def test_satellites_copy_from_their_parent(update, servers):
    requests = replication.get_replication_requests(servers["cs-1"])
    assert [request.sha256 for request in requests] == DIGESTS
    parent = f"http://{servers['ps-1'].addresses[0]}:8080/content/{DIGESTS[0]}"
    assert requests[0].sources == [parent]
    assert requests[0].rate == 64 * 1024


def test_other_servers_with_the_content_are_alternative_sources(update, servers):
    report(servers["ps-2"], stored=DIGESTS)
    sources = replication.get_replication_requests(servers["cs-1"])[0].sources
    assert sources == [
        f"http://{servers[name].addresses[0]}:8080/content/{DIGESTS[0]}"
        for name in ("ps-1", "ps-2")
    ]
    assert replication.get_replication_requests(servers["ps-2"]) == []


@pytest.mark.parametrize(
    ("hours", "source"),
    [(1, "ps-1"), (48, "another server")],
)
def test_the_status_names_a_source_that_responds(update, servers, zone, hours, source):
    """A satellite does not wait for its parent, so the status must not say so."""
    now = factories.now()
    Device.objects.filter(name="cs-1").update(last_contact=now)
    Device.objects.filter(name="ps-1").update(last_contact=now - timedelta(hours=hours))
    replica = get_replica(servers["cs-1"], update)
    assert replica_status.build_row(replica, update, zone, now).todo.startswith(
        f"Scheduled to copy from {source} by "
    )


def test_the_limit_of_a_server_overrides_the_limit_of_the_zone(update, servers):
    Device.objects.filter(name="ps-2").update(bandwidth_kib=0)
    requests = replication.get_replication_requests(Device.objects.get(name="ps-2"))
    assert {request.rate for request in requests} == {0}


def test_progress_is_calculated_from_bytes_and_failures_have_a_reason(update, servers):
    server = servers["ps-2"]
    assert (
        report(server, stored=[DIGESTS[0]], copies=[ReplicaProgress(DIGESTS[1], received=1000)])
        == []
    )
    assert (get_replica(server, update).state, get_replica(server, update).progress) == (
        R.REPLICATING,
        50,
    )
    report(
        server,
        stored=[DIGESTS[0]],
        copies=[ReplicaProgress(DIGESTS[1], received=1000, error="No server.")],
    )
    row = get_replica(server, update)
    assert (row.state, row.reason) == (R.FAILED, "No server.")
    assert report(server, stored=DIGESTS) == [update]
    row = get_replica(server, update)
    assert (row.state, row.progress, row.reason) == (R.AVAILABLE, 100, "")


def test_missing_content_is_replicated_again(update, servers):
    server = servers["ps-2"]
    report(server, stored=DIGESTS)
    report(server, stored=[])
    assert get_replica(server, update).state == R.AVAILABLE, "the report is older than the content"
    report(server, stored=[DIGESTS[1]], later=120)
    assert get_replica(server, update).state == R.PENDING
    assert replication.get_replication_requests(server)


@pytest.mark.manual("R053")
def test_devices_retry_when_the_missing_content_is_available(update, servers):
    """D-38: no administrator is needed once the content is url."""
    failed = AssignmentState.FAILED
    without_content = factories.assignment(update, servers["pc-1"], failed, step="offered")
    other = factories.assignment(update, factories.device("pc-2"), failed, step="staged")
    Device.objects.update(has_pending_work=False)
    report(servers["ps-2"], stored=DIGESTS)
    assert Assignment.objects.get(pk=without_content.pk).redeploy
    assert not Assignment.objects.get(pk=other.pk).redeploy, "it failed for another reason"
    assert list(Device.objects.filter(has_pending_work=True)) == [servers["pc-1"]]


def test_a_retired_server_does_not_block_the_assignment(update, servers):
    report(servers["ps-2"], stored=DIGESTS)
    assert update.replicas.missing().count() == 1
    Device.objects.filter(name="cs-1").update(state="retired")
    assert not update.replicas.missing().exists()


def test_a_new_server_receives_open_updates(update, servers):
    factories.update(servers["ps-1"], files=FILES, state=UpdateState.CANCELED, name="old")
    new = factories.server("ps-3")
    replication.create_replicas_for_server(new)
    replication.create_replicas_for_server(new)
    assert [row.update for row in Replica.objects.filter(server=new)] == [update]


def test_a_satellite_excluded_by_its_settings_does_not_block(servers):
    Device.objects.filter(name="cs-1").update(replicates=False)
    update = factories.update(servers["ps-1"], files=FILES)
    replication.create_replicas(update)
    row = get_replica(servers["cs-1"], update)
    assert (row.state, row.reason) == (R.EXCLUDED, replication.EXCLUDED_REASON)


@pytest.fixture
def client(zone):
    client = Client()
    client.force_login(factories.admin())
    return client


def test_servers_are_excluded_and_included(update, servers, client):
    row = get_replica(servers["cs-1"], update)
    url = f"/system-updates/replicas/{row.pk}/"
    client.post(f"{url}exclude/")
    assert get_replica(servers["cs-1"], update).state == R.EXCLUDED
    assert client.post(f"{url}exclude/").status_code == 409
    client.post(f"{url}include/")
    assert get_replica(servers["cs-1"], update).state == R.PENDING
    initiating = get_replica(servers["ps-1"], update)
    response = client.post(f"/system-updates/replicas/{initiating.pk}/exclude/")
    assert response.status_code == 409
    assert "already has the content" in response.content.decode()
    client.post(f"{url}exclude/")
    Device.objects.filter(name="cs-1").update(replicates=False)
    assert "Settings tab" in client.post(f"{url}include/").content.decode()
    Device.objects.filter(name="cs-1").update(replicates=True)
    update.state = UpdateState.CANCELED
    update.save()
    assert client.post(f"{url}include/").status_code == 409
    assert Entry.objects.filter(there=R.EXCLUDED).count() == 2


def test_replicate_now_retries_servers_without_the_content(update, servers, client):
    report(servers["ps-2"], copies=[ReplicaProgress(DIGESTS[0], error="No server.")])
    Device.objects.update(has_pending_work=False, refresh_requested=False)
    client.post(f"/system-updates/{update.pk}/content/now/")
    assert get_replica(servers["ps-2"], update).state == R.PENDING
    requested = Device.objects.filter(has_pending_work=True, refresh_requested=True).values_list(
        "name", flat=True
    )
    assert set(requested) == {"ps-2", "cs-1"}


def get_rows(update, zone):
    rows = replica_status.get_replica_rows(update, zone, factories.now())
    return {row.replica.server.name: row for row in rows}


def test_the_status_shows_blocking_servers_and_the_next_step(update, servers, zone):
    two_days_ago = factories.now() - timedelta(days=2)
    Device.objects.filter(name="cs-1").update(last_contact=two_days_ago)
    rows = get_rows(update, zone)
    assert (rows["ps-1"].blocks, rows["ps-1"].label, rows["ps-1"].todo) == (False, "Available", "")
    assert rows["ps-2"].blocks
    assert "the initiating server by" in rows["ps-2"].todo
    assert (rows["cs-1"].label, rows["cs-1"].tone) == ("Offline", "bad")
    assert "exclude the server" in rows["cs-1"].todo
    assert [
        row.blocks for row in replica_status.get_replica_rows(update, zone, factories.now())
    ] == [*(True, True, False)]


def test_replication_continues_after_the_assignment(update, servers, zone):
    update.assigned_at = factories.now()
    update.save()
    row = get_rows(update, zone)["ps-2"]
    assert not row.blocks
    assert row.may_exclude
    assert replication.get_replication_requests(servers["ps-2"])


def test_the_page_shows_every_content_server(update, servers, client):
    page = client.get(f"/system-updates/{update.pk}/content/").content.decode()
    for name in ("ps-1", "ps-2", "cs-1"):
        assert name in page
    assert "as-1" not in page, "an Authentication Satellite has no content"
    assert "Replicate Now" in page


def test_the_page_shows_where_the_tool_is_offered(update, servers, client):
    """D-40: per server, with its SHA-256."""
    Device.objects.filter(name="ps-1").update(port=8443)
    Replica.objects.filter(server=servers["ps-1"]).update(tool_sha256="c" * 64)
    page = client.get(f"/system-updates/{update.pk}/content/").content.decode()
    assert f"https://{servers['ps-1'].addresses[0]}:8443/zenworks-setup/" in page
    assert "c" * 64 in page
