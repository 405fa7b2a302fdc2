"""The Devices list, the device page, and its Settings tab."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import Entry
from devices.models import Device, Role
from pki.certificates import details
from systemupdates.updates.states import AssignmentState
from tests.support import factories
from tests.support.clients import log_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    factories.zone()
    return log_in(factories.admin(), reauthenticated=False)


def list_names(client, query=""):
    return [device.name for device in client.get(f"/devices/{query}").context["page"]]


@pytest.fixture
def devices():
    yesterday = factories.now() - timedelta(days=1)
    factories.server("ps-1")
    factories.server("as-1", Role.AUTHENTICATION_SATELLITE)
    factories.server("cs-1", Role.CONTENT_SATELLITE)
    factories.device("pc-1", addresses=["10.9.8.7"], root_sha256="ab12" + "0" * 60)
    factories.device("pc-2", last_contact=yesterday)
    factories.device("pc-3", last_contact=None)
    factories.device("pc-old", state="retired")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["as-1", "cs-1", "pc-1", "pc-2", "pc-3", "ps-1"]),
        ("?state=primary", ["ps-1"]),
        ("?state=no-contact", ["pc-2", "pc-3"]),
        ("?state=silent", ["pc-2", "pc-3"]),
        ("?q=10.9.8", ["pc-1"]),
        ("?q=AB:12", ["pc-1"]),
        ("?sort=-name", ["ps-1", "pc-3", "pc-2", "pc-1", "cs-1", "as-1"]),
        ("?q=pc&sort=contact", ["pc-2", "pc-1", "pc-3"]),
        ("?sort=counter", ["as-1", "cs-1", "pc-1", "pc-2", "pc-3", "ps-1"]),
    ],
)
def test_devices_are_searched_filtered_and_sorted(client, devices, query, names):
    assert list_names(client, query) == names


def test_filters_count_devices_by_role_and_contact(client, devices):
    chips = {chip["key"]: chip["n"] for chip in client.get("/devices/").context["chips"]}
    assert chips == {
        "": 6,
        "primary": 1,
        "authentication-satellite": 1,
        "content-satellite": 1,
        "managed": 3,
        "no-contact": 2,
        "waiting": 0,
        "unknown-root": 0,
        "older-agent": 0,
    }


def test_the_filter_marks_and_home_agree_about_recent_contact(client):
    """The first Home page of a new zone named devices that the list did not mark."""
    factories.authority(factories.server("ps-1"))
    refresh = timedelta(seconds=60)
    for name, since in (("pc-late", 2 * refresh + timedelta(seconds=30)), ("pc-gone", 4 * refresh)):
        factories.device(name, last_contact=factories.now() - since)
    assert list_names(client, "?state=no-contact") == ["pc-gone"]
    assert client.get("/devices/").content.decode().count("no recent contact") == 1
    assert "1 without recent contact" in client.get("/").content.decode()


def test_the_summary_shows_contact_certificates_and_updates(client):
    server = factories.server("ps-1")
    ca = factories.authority(server)
    factories.certificate(server, ca, superseded_at=factories.now())
    factories.certificate(server, ca)
    operation = factories.operation(ca)
    factories.future(operation, server)
    factories.assignment(operation.update, server, AssignmentState.FAILED, reason="Disk full.")
    page = client.get(f"/devices/{server.pk}/").content.decode()
    for text in (
        "Online",
        "New",
        "Current",
        "Previous",
        "Disk full.",
        "New certificate pending",
    ):
        assert text in page, text


def test_a_managed_device_has_no_certificates_pane(client):
    page = client.get(f"/devices/{factories.device().pk}/").content.decode()
    assert 'id="d-certs"' not in page


def save(client, server, text):
    """Save names. The page has shown the new ones."""
    confirmed = {"confirmed": " ".join(text.lower().split())}
    return client.post(f"/devices/{server.pk}/settings/", {"dns_names": text, **confirmed})


@pytest.mark.manual("R039")
def test_additional_dns_names_are_saved_one_per_line(client):
    server = factories.server("ps-1")
    assert (
        save(
            client, server, " Mail.acme.example \n\nwww.acme.example\nwww.acme.example"
        ).status_code
        == 302
    )
    assert Device.objects.get().dns_names == ["mail.acme.example", "www.acme.example"]
    entry = Entry.objects.get()
    assert entry.action == "device-settings"
    assert entry.actor == "admin"
    assert entry.address == "127.0.0.1"
    assert entry.detail["dns_names"]["after"] == ["mail.acme.example", "www.acme.example"]


def test_saving_unchanged_names_adds_no_audit_entry(client):
    server = factories.server("ps-1", dns_names=["a.example"])
    save(client, server, "a.example")
    assert not Entry.objects.exists()


@pytest.mark.parametrize(
    "text", ["a_b.example", "ok.example\n-bad.example", "10.0.0.1", "x" * 300, "<b>.example"]
)
def test_an_invalid_dns_name_is_shown_and_the_text_is_kept(client, text):
    server = factories.server("ps-1", dns_names=["old.example"])
    response = save(client, server, text)
    assert response.status_code == 422
    assert "Nothing was changed." in response.content.decode()
    assert response.context["form"]["dns_names"].value() == text
    assert Device.objects.get().dns_names == ["old.example"]


def test_names_are_read_only_without_the_right(client):
    server = factories.server("ps-1", dns_names=["old.example"])
    reader = Client()
    reader.force_login(factories.user("reader"))
    page = reader.get(f"/devices/{server.pk}/settings/").content.decode()
    assert "old.example" in page
    assert "<textarea" not in page
    assert save(reader, server, "").status_code == 403
    assert Device.objects.get().dns_names == ["old.example"]


def test_the_page_of_a_server_shows_its_previous_current_and_new_certificates(client):
    server = factories.server("ps-1")
    ca = factories.authority(server)
    pem = factories.leaf_pem(server, ca)
    factories.certificate(server, ca, pem=pem, superseded_at=factories.now())
    factories.certificate(server, ca, pem=pem)
    factories.future(factories.operation(ca), server, "created", chain_pem=pem)
    factories.server("as-1", Role.AUTHENTICATION_SATELLITE, parent=server)
    response = client.get(f"/devices/{server.pk}/")
    page = response.content.decode()
    for text in ("New", "Current", "Previous", "New certificate created", "Associated satellites"):
        assert text in page, text
    assert page.count(details.get_details(pem).sha256) >= 3
    assert ">as-1</a>" in page
    for path in ("/future/", "/certificates/"):
        assert f"/configuration/certificates/servers/{server.pk}{path}" in page


def test_the_page_of_a_satellite_shows_its_failure(client):
    server = factories.server("as-1", Role.AUTHENTICATION_SATELLITE)
    ca = factories.authority(factories.server("ps-1"))
    operation = factories.operation(ca, kind="remint-server")
    factories.future(operation, server, "csr-failed", reason="The disk is full.")
    factories.assignment(operation.update, server, AssignmentState.FAILED, reason="No space left.")
    page = client.get(f"/devices/{server.pk}/").content.decode()
    for text in ("CSR generation Failed", "Failure Details", "No space left.", "Last contact"):
        assert text in page, text
