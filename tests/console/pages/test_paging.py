"""Keyset paging: complete and stable pages for every sort order, without OFFSET (D-230)."""

import base64
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from console.pages import paging
from console.pages.tables import TableQuery
from devices.models import Device, RegistrationKey
from notifications.models import Delivery, Target
from systemupdates.models import Assignment
from tests.support import factories

pytestmark = pytest.mark.django_db
CERTIFICATES = "/configuration/certificates/"
HOUR = timedelta(hours=1)
SIZE = 5


def query(**values):
    given = QueryDict(mutable=True)
    given.update({"per_page": str(SIZE), **values})
    return TableQuery.parse(given)


def walk(found, order):
    """Return the keys of all pages, forward, after comparing them with the way back."""
    page = paging.get_page(found, query(), order)
    pages = [page]
    while page.next:
        page = paging.get_page(found, query(after=page.next), order)
        pages.append(page)
    for earlier in reversed(pages[:-1]):
        page = paging.get_page(found, query(before=page.previous), order)
        assert [row.pk for row in page] == [row.pk for row in earlier]
        assert (page.first, page.last, page.count) == (earlier.first, earlier.last, earlier.count)
    assert [page.first for page in pages] == list(range(1, found.count() + 1, SIZE))
    return [row.pk for page in pages for row in page]


@pytest.fixture
def devices():
    """Devices of which several have the same last contact, or none."""
    factories.zone()
    now = factories.now()
    contacts = [None, None, now, now, now - HOUR, now - HOUR, now - HOUR, None, now, now, None, now]
    for number, contact in enumerate(contacts):
        factories.device(f"pc-{number:02}", last_contact=contact, os="x" * (number % 3))
    return Device.objects.all()


@pytest.mark.parametrize("order", [["last_contact"], ["-last_contact"], ["os", "-last_contact"]])
def test_rows_of_equal_and_missing_values_are_on_one_page_each(devices, order):
    keys = walk(devices, order)
    assert len(keys) == len(set(keys)) == devices.count()
    assert keys == [row.pk for row in paging.sort_rows(devices, order)]


@pytest.mark.parametrize("order", [["last_contact"], ["-last_contact"]])
def test_missing_values_are_last_in_both_orders(devices, order):
    found = [row.last_contact is None for row in paging.sort_rows(devices, order)]
    assert found == sorted(found)


@pytest.mark.parametrize("order", [["parent__last_contact"], ["-parent__name"]])
def test_missing_relations_are_last(devices, order):
    parent = Device.objects.get(name="pc-02")
    Device.objects.filter(name__in=["pc-05", "pc-06"]).update(parent=parent)
    keys = walk(devices, order)
    assert len(set(keys)) == devices.count()
    assert set(keys[:2]) == set(devices.exclude(parent=None).values_list("pk", flat=True))


def test_rows_that_are_added_or_removed_move_no_others(devices):
    first = paging.get_page(devices, query(), ["name"])
    factories.device("pc-00a")
    Device.objects.filter(name="pc-01").delete()
    second = paging.get_page(devices, query(after=first.next), ["name"])
    assert [row.name for row in second] == [f"pc-{number:02}" for number in range(5, 10)]
    assert (second.first, second.last, second.count) == (6, 10, 12)
    back = paging.get_page(devices, query(before=second.previous), ["name"])
    assert [row.name for row in back] == ["pc-00", "pc-00a", "pc-02", "pc-03", "pc-04"]


def test_a_page_without_rows_becomes_the_nearest_page(devices):
    cursor = paging.encode_cursor(["pc-99", "00000000-0000-0000-0000-000000000000"])
    last = paging.get_page(devices, query(after=cursor), ["name"])
    assert [row.name for row in last] == [f"pc-{number:02}" for number in range(7, 12)]
    assert not last.next
    second = paging.get_page(
        devices, query(after=paging.get_page(devices, query(), ["name"]).next), ["name"]
    )
    Device.objects.filter(name__in=["pc-00", "pc-01"]).delete()
    page = paging.get_page(devices, query(before=second.previous), ["name"])
    assert [row.name for row in page] == [f"pc-{number:02}" for number in range(2, 7)]
    assert not page.previous


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "%%%", "A" * 3000, encoded([]), encoded({}), encoded(["2026-11-29T10:00:00+00:00"])),
        *(encoded(["yesterday", "x"]), encoded([[1], {}]), encoded([True, "\ud800"])),
        *(encoded(["a\0b", "a"]), encoded([10**30, 10**30]), "W" * 1999),
    ],
)
@pytest.mark.parametrize("order", [["last_contact"], ["name"], ["-registered_at", "os"]])
def test_an_invalid_cursor_shows_the_first_page(devices, cursor, order):
    found = paging.get_page(devices, query(after=cursor), order)
    assert [row.pk for row in found] == [row.pk for row in paging.get_page(devices, query(), order)]


def test_an_empty_table_has_one_page():
    page = paging.get_page(Device.objects.none(), query(), ["name"])
    assert (len(page), page.first, page.last, page.next, page.previous) == (0, 0, 0, "", "")


@pytest.fixture
def scene():
    """Thirty rows or more in the tables of the console, some without the value of a column."""
    factories.zone()
    operation = factories.failed_operation(30, "pc-")
    Device.objects.filter(name__in=["pc-03", "pc-07"]).update(last_contact=None, root_sha256="")
    Assignment.objects.filter(device__name__in=["pc-04", "pc-05"]).update(changed_at=None)
    server = factories.server("ps-20")
    for number in range(6):
        RegistrationKey.objects.create(label=f"key-{number}", digest=str(number), uses=1)
        factories.operation(operation.authority, name=f"done-{number}", state="completed")
        factories.certificate(factories.server(f"ps-{number}"), operation.authority)
    target = Target.objects.create(name="team", kind="mail", events=[])
    for number in range(12):
        values = {"event": "test", "title": "Title", "created_at": factories.now()}
        Delivery.objects.create(
            target=target, key=str(number), due_at=factories.now(), attempts=number % 3, **values
        )
        Entry.objects.record("denied", f"devices.Device:{server.pk}", note=str(number))
    return operation


TABLES = {
    "/devices/": ("name", "address", "state", "contact", "root", "agent", "os", "registered"),
    "/system-updates/": ("name", "created", "state", "activation"),
    "/system-updates/{update}/devices/": ("", "device", "state", "changed", "contact"),
    f"{CERTIFICATES}operations/": ("name", "state", "by", "created", "activation", "ended"),
    f"{CERTIFICATES}trust/": ("", "device", "status", "contact"),
    f"{CERTIFICATES}operations/{{operation}}/": ("", "device", "status", "contact"),
    "/configuration/notifications/": ("", "created", "event", "target", "state", "attempts"),
    CERTIFICATES: ("", "issued_to", "issuer", "expires", "sha256", "status", "update_status"),
    "/configuration/registration-keys/": ("", "name", "role", "uses", "until", "created"),
    "/configuration/administrators/": ("",),
    "/audit/": ("", "time", "event", "actor"),
}


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("path", TABLES)
def test_every_column_of_every_table_can_be_paged(admin, scene, path, sign):
    path_of_scene = path.format(update=scene.update_id, operation=scene.pk)
    for column in TABLES[path]:
        address = f"{path_of_scene}?per_page=5&sort={sign}{column}&"
        page = admin.get(address).context["page"]
        keys = [row.pk for row in page]
        while page.next:
            page = admin.get(f"{address}after={page.next}").context["page"]
            keys += [row.pk for row in page]
        assert page.last == page.count == len(keys) == len(set(keys)), column


@pytest.mark.parametrize("path", TABLES)
def test_no_page_skips_rows_with_offset(admin, scene, path):
    address = f"{path.format(update=scene.update_id, operation=scene.pk)}?per_page=5"
    cursor = admin.get(address).context["page"].next
    with CaptureQueriesContext(connection) as queries:
        page = admin.get(f"{address}&after={cursor}").context["page"]
    assert page.before == 5 or not cursor
    assert [sql["sql"] for sql in queries if " OFFSET " in sql["sql"].upper()] == []


def test_links_to_another_order_begin_with_the_first_page(admin, scene):
    cursor = admin.get("/devices/?per_page=5").context["page"].next
    page = admin.get(f"/devices/?per_page=5&after={cursor}&page=3").content.decode()
    assert "?per_page=5&amp;sort=name" in page
    assert "?per_page=5&amp;export=devices" in page
    assert "6–10 of" in page
    assert f"{cursor}&amp;per_page" not in page
