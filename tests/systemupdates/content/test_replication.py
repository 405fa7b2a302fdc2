"""Content on its way to servers: who, from where, when, how far, what blocks (D-34, D-35)."""

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
from wire.messages import Copy

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
    made = factories.update(servers["ps-1"], files=FILES)
    replication.start(made)
    return made


def state(server, update):
    return Replica.objects.get(server=server, update=update)


def hears(server, *, holds=(), copies=(), later=0):
    now = factories.now() + timedelta(seconds=later)
    return replication.heard(server, list(holds), list(copies), now=now)


def test_content_servers_alone_get_it_and_the_initiating_one_has_it(update, servers):
    rows = {row.server.name: row.state for row in Replica.objects.select_related("server")}
    assert rows == {"ps-1": R.AVAILABLE, "ps-2": R.PENDING, "cs-1": R.PENDING}
    asked = Device.objects.filter(errands=True, wake=True).values_list("name", flat=True)
    assert set(asked) == {"ps-1", "ps-2", "cs-1"}, "an operation asks for an immediate copy"
    assert {str(pk) for pk in registration.to_wake()} == {
        str(servers[name].pk) for name in ("ps-1", "ps-2")
    }
    assert registration.to_wake() == [], "each is woken once"


def test_satellites_copy_from_their_parent_others_from_the_initiating_server(update, servers):
    orders = replication.wanted_by(servers["cs-1"])
    assert [order.sha256 for order in orders] == DIGESTS
    near = f"http://{servers['ps-1'].addresses[0]}:8080/content/{DIGESTS[0]}"
    assert orders[0].sources == [near]
    assert orders[0].rate == 64 * 1024


def test_every_server_that_holds_it_is_a_source_when_the_nearest_fails(update, servers):
    hears(servers["ps-2"], holds=DIGESTS)
    sources = replication.wanted_by(servers["cs-1"])[0].sources
    assert sources == [
        f"http://{servers[name].addresses[0]}:8080/content/{DIGESTS[0]}"
        for name in ("ps-1", "ps-2")
    ]
    assert replication.wanted_by(servers["ps-2"]) == []


def test_the_limit_of_a_server_wins_over_that_of_the_zone(update, servers):
    Device.objects.filter(name="ps-2").update(bandwidth_kib=0)
    orders = replication.wanted_by(Device.objects.get(name="ps-2"))
    assert {order.rate for order in orders} == {0}


def test_progress_is_counted_in_bytes_and_a_failure_has_its_reason(update, servers):
    server = servers["ps-2"]
    assert hears(server, holds=[DIGESTS[0]], copies=[Copy(DIGESTS[1], got=1000)]) == []
    assert (state(server, update).state, state(server, update).progress) == (R.REPLICATING, 50)
    hears(server, holds=[DIGESTS[0]], copies=[Copy(DIGESTS[1], got=1000, error="No server.")])
    row = state(server, update)
    assert (row.state, row.reason) == (R.FAILED, "No server.")
    assert hears(server, holds=DIGESTS) == [update]
    row = state(server, update)
    assert (row.state, row.progress, row.reason) == (R.AVAILABLE, 100, "")


def test_a_server_that_lost_its_content_fetches_it_again(update, servers):
    server = servers["ps-2"]
    hears(server, holds=DIGESTS)
    hears(server, holds=[])
    assert state(server, update).state == R.AVAILABLE, "a report from before it arrived"
    hears(server, holds=[DIGESTS[1]], later=120)
    assert state(server, update).state == R.PENDING
    assert replication.wanted_by(server)


def test_devices_that_failed_for_want_of_content_go_on_by_themselves(update, servers):
    """D-38: no administrator is needed once the content is there."""
    failed = AssignmentState.FAILED
    lacking = factories.assignment(update, servers["pc-1"], failed, step="offered")
    other = factories.assignment(update, factories.device("pc-2"), failed, step="staged")
    Device.objects.update(errands=False)
    hears(servers["ps-2"], holds=DIGESTS)
    assert Assignment.objects.get(pk=lacking.pk).redeploy
    assert not Assignment.objects.get(pk=other.pk).redeploy, "it failed for another reason"
    assert list(Device.objects.filter(errands=True)) == [servers["pc-1"]]


def test_a_server_that_left_the_zone_holds_nothing_up(update, servers):
    hears(servers["ps-2"], holds=DIGESTS)
    assert update.replicas.missing().count() == 1
    Device.objects.filter(name="cs-1").update(state="retired")
    assert not update.replicas.missing().exists()


def test_a_server_that_joins_gets_what_still_counts(update, servers):
    factories.update(servers["ps-1"], files=FILES, state=UpdateState.CANCELED, name="old")
    late = factories.server("ps-3")
    replication.join(late)
    replication.join(late)
    assert [row.update for row in Replica.objects.filter(server=late)] == [update]


def test_a_satellite_that_is_left_out_by_its_setting_blocks_nothing(servers):
    Device.objects.filter(name="cs-1").update(replicates=False)
    made = factories.update(servers["ps-1"], files=FILES)
    replication.start(made)
    row = state(servers["cs-1"], made)
    assert (row.state, row.reason) == (R.EXCLUDED, replication.STANDING_REASON)


@pytest.fixture
def client(zone):
    client = Client()
    client.force_login(factories.admin())
    return client


def test_exclude_and_include_have_their_rules(update, servers, client):
    row = state(servers["cs-1"], update)
    there = f"/system-updates/replicas/{row.pk}/"
    client.post(f"{there}exclude/")
    assert state(servers["cs-1"], update).state == R.EXCLUDED
    assert client.post(f"{there}exclude/").status_code == 409
    client.post(f"{there}include/")
    assert state(servers["cs-1"], update).state == R.PENDING
    initiating = state(servers["ps-1"], update)
    response = client.post(f"/system-updates/replicas/{initiating.pk}/exclude/")
    assert response.status_code == 409
    assert "holds the content already" in response.content.decode()
    client.post(f"{there}exclude/")
    Device.objects.filter(name="cs-1").update(replicates=False)
    assert "Settings tab" in client.post(f"{there}include/").content.decode()
    Device.objects.filter(name="cs-1").update(replicates=True)
    update.state = UpdateState.CANCELED
    update.save()
    assert client.post(f"{there}include/").status_code == 409
    assert Entry.objects.filter(there=R.EXCLUDED).count() == 2


def test_replicate_now_asks_those_that_lack_it_and_takes_the_failure_off(update, servers, client):
    hears(servers["ps-2"], copies=[Copy(DIGESTS[0], error="No server.")])
    Device.objects.update(errands=False, wake=False)
    client.post(f"/system-updates/{update.pk}/content/now/")
    assert state(servers["ps-2"], update).state == R.PENDING
    asked = Device.objects.filter(errands=True, wake=True).values_list("name", flat=True)
    assert set(asked) == {"ps-2", "cs-1"}


def shown(update, zone):
    rows = replica_status.standing(update, zone, factories.now())
    return {row.replica.server.name: row for row in rows}


def test_the_status_says_who_blocks_and_what_can_be_done(update, servers, zone):
    silent = factories.now() - timedelta(days=2)
    Device.objects.filter(name="cs-1").update(last_contact=silent)
    rows = shown(update, zone)
    assert (rows["ps-1"].blocks, rows["ps-1"].label, rows["ps-1"].todo) == (False, "Available", "")
    assert rows["ps-2"].blocks
    assert "the initiating server by" in rows["ps-2"].todo
    assert (rows["cs-1"].label, rows["cs-1"].tone) == ("Offline", "bad")
    assert "exclude the server" in rows["cs-1"].todo
    assert [row.blocks for row in replica_status.standing(update, zone, factories.now())] == [
        *(True, True, False)
    ]


def test_after_the_assignment_nothing_blocks_but_the_copy_goes_on(update, servers, zone):
    update.assigned_at = factories.now()
    update.save()
    row = shown(update, zone)["ps-2"]
    assert not row.blocks
    assert row.may_exclude
    assert replication.wanted_by(servers["ps-2"])


def test_the_page_and_the_popup_show_every_server(update, servers, client):
    page = client.get(f"/system-updates/{update.pk}/content/").content.decode()
    for name in ("ps-1", "ps-2", "cs-1"):
        assert name in page
    assert "as-1" not in page, "an Authentication Satellite holds no content"
    assert "Replicate now" in page


def test_the_page_shows_where_the_tool_is_offered(update, servers, client):
    """D-40: per server, with its SHA-256."""
    Device.objects.filter(name="ps-1").update(port=8443)
    Replica.objects.filter(server=servers["ps-1"]).update(tool_sha256="c" * 64)
    page = client.get(f"/system-updates/{update.pk}/content/").content.decode()
    assert f"https://{servers['ps-1'].addresses[0]}:8443/zenworks-setup/" in page
    assert "c" * 64 in page
