"""The table component: CSV of every table, selected columns, live refresh (D-206)."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client

from audit.models import Entry
from devices.models import Device, RegistrationKey
from notifications.delivery import events
from notifications.models import Delivery, Target
from systemupdates.models import Assignment
from tests.support import factories

pytestmark = pytest.mark.django_db
CERTIFICATES = "/configuration/certificates/"


@pytest.fixture
def scene():
    factories.zone()
    RegistrationKey.objects.create(label="=branch", digest="x", uses=5, uses_left=3)
    return factories.failed_operation(30, "=pc-")


def read(client, path):
    response = client.get(path)
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"))))


def test_every_table_is_exported_with_all_pages_and_the_filter(admin, scene):
    update = f"/system-updates/{scene.update_id}/devices/"
    devices = read(admin, "/devices/?export=devices&q=pc-&sort=-name&per_page=5&page=2")
    assert [row["Device"] for row in devices] == [f"'=pc-{n:02}" for n in range(29, -1, -1)]
    assert devices[0]["Role"] == "Managed device"
    assert len(read(admin, f"{update}?export=status-by-device&state=failed")) == 30
    assert read(admin, f"{update}?export=status-by-device&q=pc-07")[0]["Device"] == "'=pc-07"
    [row] = read(admin, "/system-updates/?export=system-updates")
    assert (row["System update"], row["Devices"]) == (scene.update.name, "30")
    [row] = read(admin, f"{CERTIFICATES}operations/?export=operations")
    assert (row["Operation"], row["Status"]) == (scene.name, scene.get_state_display())
    [row] = read(admin, "/configuration/registration-keys/?export=registration-keys")
    assert (row["Name"], row["Uses left"]) == ("'=branch", "3")
    roots = read(admin, f"{CERTIFICATES}trust/?export=roots")
    assert scene.authority.sha256 in {row["SHA256 Fingerprint"] for row in roots}
    behind = read(admin, f"{CERTIFICATES}trust/?export=devices-without-current-root")
    assert "'=pc-00" in {row["Device"] for row in behind}
    page = f"{CERTIFICATES}operations/{scene.pk}/"
    devices = read(admin, f"{page}?export=devices-of-operation&q=pc-&sort=-device&per_page=5")
    assert [row["Device"] for row in devices] == [f"'=pc-{n:02}" for n in range(29, -1, -1)]
    Device.objects.update(last_contact=None)
    server = Device.objects.get(name="ps-01")
    factories.future(scene, server, "created", available_at=factories.now())
    [row] = read(admin, f"{page}not-refreshed/?export=devices-not-refreshed&q=pc-07")
    assert (row["Device"], row["Role"]) == ("'=pc-07", "Managed device")


def read_selected(client, path, ids):
    response = client.post(path, {"ids": ids})
    assert response.headers["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"))))


def test_selected_rows_are_exported_and_no_others(admin, scene):
    pcs = Device.objects.filter(name__in=("=pc-07", "=pc-03"))
    keys = ",".join(str(device.pk) for device in pcs)
    rows = read_selected(admin, "/devices/?export=devices&sort=-name", [keys, "12", "nowhere"])
    assert [row["Device"] for row in rows] == ["'=pc-07", "'=pc-03"]
    one = Assignment.objects.get(update=scene.update, device=pcs[0])
    path = f"/system-updates/{scene.update_id}/devices/?export=status-by-device"
    assert [row["Device"] for row in read_selected(admin, path, one.pk)] == [f"'{pcs[0].name}"]
    other = factories.update(Device.objects.get(name="ps-01"), name="other")
    [row] = read_selected(admin, "/system-updates/?export=system-updates", str(other.pk))
    assert row["System update"] == "other"
    ended = factories.operation(scene.authority, state="completed", name="ended")
    path = f"{CERTIFICATES}operations/?export=operations"
    assert [row["Operation"] for row in read_selected(admin, path, str(ended.pk))] == ["ended"]
    key = RegistrationKey.objects.create(label="site", digest="y", uses=1)
    path = "/configuration/registration-keys/?export=registration-keys"
    assert [row["Name"] for row in read_selected(admin, path, key.pk)] == ["site"]
    future = factories.authority(name="NEXT", state="future")
    [row] = read_selected(admin, f"{CERTIFICATES}trust/?export=roots", str(future.pk))
    assert row["SHA256 Fingerprint"] == future.sha256


def test_selected_rows_of_reports_and_histories_are_exported(admin, scene):
    server, pc = Device.objects.get(name="ps-01"), Device.objects.get(name="=pc-07")
    path = f"{CERTIFICATES}operations/{scene.pk}/"
    [row] = read_selected(admin, f"{path}?export=devices-of-operation", str(pc.pk))
    assert row["Device"] == "'=pc-07"
    Device.objects.update(last_contact=None)
    factories.future(scene, server, "created", available_at=factories.now())
    path = f"{path}not-refreshed/?export=devices-not-refreshed"
    assert [row["Device"] for row in read_selected(admin, path, str(pc.pk))] == ["'=pc-07"]
    upgrade, other = factories.agent_upgrade(pc, server), factories.agent_upgrade(state="canceled")
    path = f"/devices/agents/{upgrade.pk}/?export=agent-upgrade-devices"
    target = upgrade.targets.get(device=pc)
    assert [row["Device"] for row in read_selected(admin, path, target.pk)] == ["'=pc-07"]
    [row] = read_selected(admin, "/devices/agents/?export=agent-upgrades", str(other.pk))
    assert row["Status"] == "Canceled"
    path = "/configuration/administrators/?export=administrators"
    viewer = factories.user("viewer")
    assert [row["Name"] for row in read_selected(admin, path, viewer.pk)] == ["viewer"]
    for number in range(2):
        Entry.objects.record("test", f"test:{number}")
    newest = Entry.objects.order_by("-seq").first()
    [row] = read_selected(admin, "/audit/?export=csv", newest.pk)
    assert (row["seq"], row["digest"]) == (str(newest.seq), newest.digest)


def test_selected_notifications_are_exported(admin, scene):
    create_deliveries(3)
    chosen = Delivery.objects.get(key="1")
    path = "/configuration/notifications/?export=notifications"
    assert [row["Event"] for row in read_selected(admin, path, chosen.pk)] == ["'=Title 1"]


@pytest.mark.parametrize(
    "path",
    [
        "/audit/?export=csv",
        "/configuration/administrators/?export=administrators",
        "/configuration/notifications/?export=notifications",
    ],
)
def test_a_file_of_selected_rows_needs_the_right_of_the_page(scene, path):
    reader = Client()
    reader.force_login(factories.user("reader"))
    assert reader.post(path, {"ids": "1"}).status_code == 403


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("devices", "/devices/"),
        ("devices-of-operation", f"{CERTIFICATES}operations/{{operation}}/"),
        ("devices-not-refreshed", f"{CERTIFICATES}operations/{{operation}}/not-refreshed/"),
        ("agent-upgrades", "/devices/agents/"),
        ("agent-upgrade-devices", "/devices/agents/{upgrade}/"),
        ("administrators", "/configuration/administrators/"),
        ("notifications", "/configuration/notifications/"),
        ("csv", "/audit/"),
        ("system-updates", "/system-updates/"),
        ("status-by-device", "/system-updates/{update}/devices/"),
        ("operations", f"{CERTIFICATES}operations/"),
        ("roots", f"{CERTIFICATES}trust/"),
        ("registration-keys", "/configuration/registration-keys/"),
    ],
)
def test_a_file_of_selected_rows_ignores_the_filter_and_needs_a_selection(
    admin, scene, table, path
):
    upgrade = factories.agent_upgrade(Device.objects.get(name="=pc-07"))
    path = path.format(update=scene.update_id, operation=scene.pk, upgrade=upgrade.pk)
    page = admin.get(f"{path}?q=nothing&state=failed&per_page=5").content.decode()
    assert f'formaction="?per_page=5&amp;export={table}"' in page
    response = admin.post(f"{path}?export={table}")
    assert response.status_code == 422
    assert "Select at least one row. No file was created." in response.content.decode()
    response = admin.post(f"{path}?export={table}", {"ids": ",".join(map(str, range(1001)))})
    assert response.status_code == 422
    assert "up to 1000 rows" in response.content.decode()


def test_administrators_are_exported_with_roles_and_second_factor(admin, scene):
    factories.user("viewer")
    path = "/configuration/administrators/?export=administrators"
    [row] = read(admin, f"{path}&q=viewer")
    assert (row["Name"], row["Roles"], row["Second factor"]) == ("viewer", "", "No")
    assert (row["Login method"], row["Status"], row["Last login"]) == ("Password", "Active", "")
    assert read(admin, f"{path}&state=deactivated") == []


def create_deliveries(count):
    target = Target.objects.create(name="team", kind="mail", events=[events.BLOCKED])
    for number in range(count):
        Delivery.objects.create(
            target=target,
            key=str(number),
            event=events.BLOCKED,
            title=f"=Title {number}",
            created_at=factories.now(),
            due_at=factories.now(),
        )


def test_the_history_of_notifications_is_exported(admin, scene):
    create_deliveries(12)
    path = "/configuration/notifications/?export=notifications&per_page=5"
    assert len(read(admin, path)) == 12
    [row] = read(admin, f"{path}&q=Title 11")
    assert row["Target"] == "team"
    assert (row["Event"], row["Kind"], row["Status"]) == ("'=Title 11", events.BLOCKED, "Waiting")


@pytest.mark.parametrize(
    "path",
    [
        *("/devices/", "/system-updates/", "/system-updates/{update}/devices/"),
        *(f"{CERTIFICATES}operations/", f"{CERTIFICATES}trust/"),
        "/configuration/registration-keys/",
    ],
)
def test_the_page_links_to_its_export_with_the_filter(admin, scene, path):
    page = admin.get(path.format(update=scene.update_id) + "?q=pc&page=2").content.decode()
    assert "?q=pc&amp;export=" in page


def test_unknown_sort_orders_are_ignored(admin):
    for path in ("/system-updates/", f"{CERTIFICATES}operations/", f"{CERTIFICATES}trust/"):
        assert admin.get(f"{path}?sort=-nothing").status_code == 200


def test_registration_keys_are_searched_and_paged(admin):
    for number in range(30):
        RegistrationKey.objects.create(label=f"site-{number}", digest=str(number), uses=1)
    page = admin.get("/configuration/registration-keys/?q=site-1&per_page=5").context["page"]
    assert page.count == 11
    assert len(page) == 5


def test_registration_keys_are_filtered_and_sorted(admin):
    for number in range(3):
        RegistrationKey.objects.create(label=f"k-{number}", digest=str(number), uses=3 - number)
    RegistrationKey.objects.filter(label="k-1").update(revoked_at=factories.now())
    RegistrationKey.objects.update(uses_left=1)
    address = "/configuration/registration-keys/"
    response = admin.get(f"{address}?q=k-&state=valid&sort=-name")
    assert [key.label for key in response.context["page"]] == ["k-2", "k-0"]
    assert [chip["n"] for chip in response.context["chips"]] == [3, 2, 1]
    response = admin.get(f"{address}?state=not-valid")
    assert [key.label for key in response.context["page"]] == ["k-1"]


@pytest.mark.parametrize(
    ("table", "path", "key"),
    [
        ("system-updates", "/system-updates/", "created"),
        ("status-by-device", "/system-updates/{update}/devices/", "changed"),
        ("operations", f"{CERTIFICATES}operations/", "ended"),
        ("registration-keys", "/configuration/registration-keys/", "until"),
        ("roots", f"{CERTIFICATES}trust/", "retired"),
        ("devices-without-current-root", f"{CERTIFICATES}trust/", "remedy"),
        ("audit-log", "/audit/", "changes"),
        ("administrators", "/configuration/administrators/", "login_method"),
        ("notifications", "/configuration/notifications/", "attempts"),
        ("devices-of-operation", f"{CERTIFICATES}operations/{{operation}}/", "remedy"),
    ],
)
def test_every_table_keeps_its_columns(admin, scene, table, path, key):
    path = path.format(update=scene.update_id, operation=scene.pk)
    before = admin.get(path).content.decode()
    assert f'class="c-{key}' in before
    assert f'popovertarget="columns-{table}"' in before
    admin.post(f"/preferences/columns/{table}/", {"column": ["unknown"]})
    assert f'class="c-{key}' not in admin.get(path).content.decode()


def test_selected_columns_are_shown_and_kept(admin):
    admin.post("/preferences/columns/devices/", {"column": ["os", "unknown"]})
    page = admin.get("/devices/").content.decode()
    assert 'class="c-os"' in page
    assert 'class="c-name"' in page
    assert 'class="c-address"' not in page
    admin.post("/preferences/columns/devices/", {"reset": "1"})
    assert 'class="c-address"' in admin.get("/devices/").content.decode()


def test_a_live_refresh_keeps_the_rows_where_they_are(admin, scene):
    path = f"/system-updates/{scene.update_id}/devices/?per_page=5"
    first = admin.get(path)
    ids = [row["assignment"].pk for row in first.context["rows"]]
    assert f'per_page=5&amp;keep={",".join(map(str, ids))}"' in first.content.decode()
    Assignment.objects.filter(pk=ids[0]).update(state="activated")
    again = admin.get(f"{path}&keep={','.join(map(str, ids))},99999999,x")
    assert [row["assignment"].pk for row in again.context["rows"]] == ids
    assert again.context["rows"][0]["assignment"].state == "activated"
    kept = again.content.decode().count("keep=")
    assert kept == 1, "only the live pane has them, and no link"
    fresh = admin.get(path)
    assert ids[0] not in [row["assignment"].pk for row in fresh.context["rows"]]


def test_a_live_refresh_of_an_operation_keeps_the_rows_where_they_are(admin, scene):
    path = f"{CERTIFICATES}operations/{scene.pk}/?per_page=5&sort=contact"
    first = admin.get(path)
    ids = [str(row.device.pk) for row in first.context["rows"]]
    assert f'sort=contact&amp;keep={",".join(ids)}"' in first.content.decode()
    Device.objects.filter(pk=ids[0]).update(last_contact=factories.now())
    Device.objects.exclude(pk=ids[0]).update(last_contact=None)
    again = admin.get(f"{path}&keep={','.join(ids)}")
    assert [str(row.device.pk) for row in again.context["rows"]] == ids
    assert again.content.decode().count("keep=") == 1


def read_kept(client, path):
    """Return the IDs of the rows that the next live refresh of a page keeps."""
    return client.get(path).context["kept"].split(",")


def test_new_rows_are_added_below_the_others(admin, scene):
    factories.agent_upgrade()
    later = factories.now() + timedelta(hours=1)
    server = Device.objects.get(name="ps-01")
    pages = {
        f"{CERTIFICATES}operations/": lambda: factories.operation(
            scene.authority, state="completed"
        ),
        "/system-updates/": lambda: factories.update(server, name="new"),
        "/devices/agents/": lambda: factories.agent_upgrade(state="canceled", starts_at=later),
    }
    for path, create in pages.items():
        kept = read_kept(admin, path)
        new = str(create().pk)
        again = admin.get(f"{path}?keep={','.join(kept)}")
        assert again.context["kept"].split(",") == [*kept, new], path
        assert again.content.decode().count("keep=") == 1, "only the live part has them"
        assert read_kept(admin, path)[0] == new, "a page that is loaded shows the newest first"


def test_the_devices_stay_in_their_places_and_the_page_stays_full(admin, scene):
    path = "/devices/?per_page=5&sort=-contact"
    kept = read_kept(admin, path)
    Device.objects.exclude(pk__in=kept).update(last_contact=factories.now() + timedelta(hours=1))
    assert set(read_kept(admin, path)).isdisjoint(kept)
    assert read_kept(admin, f"{path}&keep={','.join(kept)}") == kept
    Device.objects.filter(pk=kept[1]).update(state="retired")
    again = read_kept(admin, f"{path}&keep={','.join(kept)}")
    assert again[:4] == [kept[0], *kept[2:]]
    assert len(again) == 5


def test_the_devices_of_an_upgrade_stay_in_their_places(admin, scene):
    upgrade = factories.agent_upgrade(*Device.objects.filter(name__startswith="=pc-"))
    path = f"/devices/agents/{upgrade.pk}/?per_page=5&state=offered"
    kept = read_kept(admin, path)
    upgrade.targets.filter(pk=kept[0]).update(state="upgraded")
    again = admin.get(f"{path}&keep={','.join(kept)}")
    assert [str(row.pk) for row, _tone in again.context["rows"]] == kept
    assert again.context["rows"][0][0].state == "upgraded"
    assert kept[0] not in read_kept(admin, path)


def test_a_device_that_uses_the_current_root_now_stays_in_its_place(admin, scene):
    path = f"{CERTIFICATES}trust/?per_page=5"
    kept = read_kept(admin, path)
    Device.objects.filter(pk=kept[0]).update(root_sha256=scene.authority.sha256)
    again = admin.get(f"{path}&keep={','.join(kept)}")
    assert [str(row["device"].pk) for row in again.context["rows"]] == kept
    assert again.context["rows"][0]["label"] == "Uses the current root"
    assert again.content.decode().count("Uses the current root") == 1
    assert kept[0] not in read_kept(admin, path)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/devices/", 1),
        ("/devices/{device}/", 1),
        ("/devices/agents/", 2),
        ("/devices/agents/{upgrade}/", 2),
        ("/system-updates/", 1),
        ("/system-updates/{update}/details/", 1),
        ("/system-updates/{update}/content/", 1),
        (f"{CERTIFICATES}operations/", 1),
        (f"{CERTIFICATES}trust/", 2),
        ("/health-checks/", 1),
    ],
)
def test_a_page_is_loaded_again_only_when_something_was_recorded(admin, scene, path, parts):
    device = Device.objects.get(name="=pc-07")
    upgrade = factories.agent_upgrade(device)
    values = {"device": device.pk, "upgrade": upgrade.pk, "update": scene.update_id}
    page = admin.get(path.format(**values)).content.decode()
    assert page.count("zcc:revised from:body") == parts
    for beat in ("zcc:tick", "zcc:slow"):
        assert beat not in page
