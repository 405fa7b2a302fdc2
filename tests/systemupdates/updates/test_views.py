"""The System Updates page and Status by Device."""

import json

import pytest
from django.test import Client

from audit.models import Entry
from systemupdates.models import Assignment
from systemupdates.updates import tables
from systemupdates.updates.failed_first import FailedFirst
from systemupdates.updates.states import AssignmentState
from tests.support import factories
from tests.support.clients import log_in

pytestmark = pytest.mark.django_db
A = AssignmentState
LIST = "/system-updates/"


@pytest.fixture
def client():
    factories.zone()
    return log_in(factories.admin(), reauthenticated=False)


@pytest.fixture
def update():
    update = factories.update(factories.server("ps-1"))
    states = {
        "b-done": A.ACTIVATED,
        "c-failed": A.FAILED,
        "d-waits": A.PENDING,
        "a-left": A.IGNORED,
    }
    for name, state in states.items():
        factories.assignment(
            update, factories.device(name), state, reason="Disk full." if state == A.FAILED else ""
        )
    return update


def list_names(client, update, query=""):
    rows = client.get(f"{LIST}{update.pk}/devices/{query}").context["rows"]
    return [row["assignment"].device.name for row in rows]


@pytest.mark.manual("R056")
def test_the_list_counts_devices_by_state_and_links_to_them(client, update):
    page = client.get(LIST).content.decode()
    for state in (A.FAILED, A.PENDING, A.ACTIVATED, A.IGNORED):
        assert f"{LIST}{update.pk}/devices/?state={state}" in page
    assert f"?state={A.APPLIED}" not in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["c-failed", "d-waits", "a-left", "b-done"]),
        ("?state=failed", ["c-failed"]),
        ("?state=open", ["c-failed", "d-waits"]),
        ("?sort=device", ["a-left", "b-done", "c-failed", "d-waits"]),
        ("?q=wait", ["d-waits"]),
    ],
)
def test_failed_devices_come_first_and_filters_work(client, update, query, names):
    assert list_names(client, update, query) == names


def test_actions_depend_on_the_state(client, update):
    rows = client.get(f"{LIST}{update.pk}/devices/").context["rows"]
    found = {r["assignment"].device.name: (r["may_redeploy"], r["may_ignore"]) for r in rows}
    assert found == {
        "c-failed": (True, True),
        "d-waits": (False, True),
        "a-left": (True, False),
        "b-done": (False, False),
    }


def test_actions_are_hidden_without_the_right(update):
    factories.zone()
    reader = Client()
    reader.force_login(factories.user("reader"))
    page = reader.get(f"{LIST}{update.pk}/devices/").content.decode()
    assert "Redeploy" not in page
    assert "Ignore Device" not in page


def test_a_device_that_changes_after_the_count_is_listed_once(update):
    before = tables.count_devices([update])[update.pk]
    Assignment.objects.filter(state=A.PENDING).update(state=A.FAILED)
    found = tables.get_status_by_device(update, before, "", "", [])
    assert [row.device.name for row in found] == ["c-failed", "d-waits", "a-left", "b-done"]


def test_only_reasons_of_failures_are_highlighted(client, update):
    Assignment.objects.filter(state=A.ACTIVATED).update(reason="Verified by the root ab12.")
    page = client.get(f"{LIST}{update.pk}/devices/").content.decode()
    assert '<span class="sub bad">Disk full.' in page
    assert '<span class="sub ">Verified by the root ab12.' in page
    done = Assignment.objects.get(state=A.ACTIVATED).device
    device = client.get(f"/devices/{done.pk}/").content.decode()
    assert '<span class="sub ">Verified by the root ab12.' in device


@pytest.mark.manual("R097")
def test_ignore_device_is_recorded_in_the_audit_log(client, update):
    waiting = Assignment.objects.get(device__name="d-waits")
    url = f"{LIST}assignments/{waiting.pk}/ignore/"
    list_url = f"{LIST}{update.pk}/devices/?state=open&page=2"
    response = client.post(url, {"next": list_url})
    assert response.url == list_url, "filter and page are kept"
    waiting.refresh_from_db()
    assert waiting.state == A.IGNORED
    assert Entry.objects.get().actor == "admin"
    assert client.post(url).status_code == 409


def test_redeploy_offers_the_update_again(client, update):
    failed = Assignment.objects.get(device__name="c-failed")
    url = f"{LIST}assignments/{failed.pk}/redeploy/"
    response = client.post(url, headers={"HX-Request": "true"})
    assert response.status_code == 204
    assert "zcc:changed" in json.loads(response.headers["HX-Trigger"])
    failed.refresh_from_db()
    assert (failed.state, failed.redeploy, failed.reason) == (A.ASSIGNED, True, "")


def test_an_action_does_not_redirect_to_another_host(client, update):
    failed = Assignment.objects.get(device__name="c-failed")
    url = f"{LIST}assignments/{failed.pk}/redeploy/"
    response = client.post(url, {"next": "https://evil.example/"})
    assert response.url == f"{LIST}{update.pk}/devices/"


def test_an_empty_list_explains_what_creates_updates(client):
    assert "There are no system updates." in client.get(LIST).content.decode()


def test_pages_of_large_updates_have_a_consistent_order(client, update, monkeypatch):
    monkeypatch.setattr(tables, "SMALL_UPDATE", 0)
    for number in range(9):
        factories.assignment(update, factories.device(f"x-{number}"), A.ACTIVATED)
    every = Assignment.objects.filter(update=update)
    found = FailedFirst(every, tables.count_by_state(every))
    whole = [row.pk for row in found[0:100]]
    assert len(set(whole)) == len(found) == 13
    assert whole[0] == every.get(state=A.FAILED).pk
    assert [row.pk for row in found[4:8]] == whole[4:8]

    def visit(more=""):
        page = client.get(f"{LIST}{update.pk}/devices/?per_page=5{more}").context["page"]
        return [row.pk for row in page], page

    pages = [visit()]
    while pages[-1][1].next:
        pages.append(visit(f"&after={pages[-1][1].next}"))
    assert [pk for keys, _page in pages for pk in keys] == whole
    assert [(page.first, page.last) for _keys, page in pages] == [(1, 5), (6, 10), (11, 13)]
    back, page = visit(f"&before={pages[2][1].previous}")
    assert (back, page.first) == (whole[5:10], 6)
    assert visit(f"&before={page.previous}")[0] == whole[:5]
    every.filter(pk__in=whole[11:]).delete()
    assert visit(f"&after={pages[2][1].previous}")[0] == whole[6:11], "the last page"


@pytest.mark.parametrize("small_update", [0, 5_000], ids=["many", "few"])
def test_a_search_has_the_same_result_in_small_and_large_updates(
    client, update, monkeypatch, small_update
):
    monkeypatch.setattr(tables, "SMALL_UPDATE", small_update)
    factories.device("c-other")
    assert list_names(client, update, "?q=C-") == ["c-failed"]
    assert list_names(client, update, "?q=C-&sort=-device") == ["c-failed"]
    assert list_names(client, update, "?q=nobody") == []
