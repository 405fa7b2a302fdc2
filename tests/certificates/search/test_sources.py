"""What the search finds, for whom, and with how many queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from certificates.models import AcmeAccountKey, IssuedCertificate, MaintenanceWindow
from certificates.search import results, sources
from devices.models import Device, RegistrationKey
from notifications.models import Target
from pki.certificates import details
from systemupdates.models import Stage
from tests.support import factories

pytestmark = pytest.mark.django_db


def found(user, text):
    return {
        group.label: [one.name for one in group.results] for group in sources.search(user, text)
    }


@pytest.fixture
def admin():
    return factories.admin()


@pytest.mark.parametrize(
    "text", ["ps-01", "PS-0", "ps-01.acme.example", "s-01", "10.0.0."], ids=lambda text: text
)
def test_devices_are_found_by_name_and_address(ca, admin, text):
    assert found(admin, text)["Devices and Servers"] == ["ps-01"]


def test_a_device_is_found_by_its_id(ca, admin):
    assert found(admin, str(ca.certificate_server_id))["Devices and Servers"] == ["ps-01"]


def test_names_that_begin_with_the_text_come_first(admin):
    for name in ("a-web", "b-web", "web-2", "web-1"):
        factories.device(name)
    assert found(admin, "web")["Devices and Servers"] == ["web-1", "web-2", "a-web", "b-web"]


def test_certificates_are_found_by_fingerprints_with_and_without_colons(ca, admin):
    certificate = ca.certificates.get()
    for text in (
        *(certificate.sha256, certificate.digest, certificate.sha1, certificate.md5),
        *(certificate.digest[:12].upper(), certificate.sha1.lower().replace(":", " ")),
    ):
        assert found(admin, text)["Server Certificates"] == [certificate.subject], text


def test_certificates_and_roots_are_found_by_serial_number(ca, admin):
    certificate = ca.certificates.get()
    serials = {}
    for name, pem in (("Server Certificates", certificate.chain_pem), ("Roots", ca.root_pem)):
        facts = details.get_details(pem)
        IssuedCertificate.objects.create(
            authority=ca, serial=facts.serial_hex, purpose="server", sha256=facts.digest
        )
        serials[name] = facts.serial_hex
    for name, serial in serials.items():
        assert name in found(admin, serial)
        assert name in found(admin, f"00{serial}")
        assert name in found(admin, str(int(serial, 16)))


def test_previous_certificates_link_to_their_own_page(ca, admin):
    server = ca.certificate_server
    old = ca.certificates.get()
    old.superseded_at = factories.now()
    old.save()
    new = factories.certificate(
        server, ca, pem=factories.root_pem("new", old.not_before, old.not_after)
    )
    (group,) = (g for g in sources.search(admin, old.digest) if g.label == "Server Certificates")
    assert group.results[0].url.endswith(f"/certificates/{old.pk}/")
    (group,) = (g for g in sources.search(admin, new.digest) if g.label == "Server Certificates")
    assert group.results[0].url.endswith(f"/servers/{server.pk}/")


def test_roots_are_found_by_subject_and_fingerprint(ca, admin):
    assert found(admin, "test-zone")["Roots"] == [ca.subject]
    assert found(admin, ca.sha256)["Roots"] == [ca.subject]
    discarded = factories.authority(name="DISCARDED", state="discarded")
    assert "Roots" not in found(admin, discarded.sha256)


def test_operations_and_updates_are_found_by_name_kind_and_id(ca, admin):
    operation = factories.operation(ca, name="Remint CA 2026-11-23")
    assert found(admin, "2026-11")["Operations"] == [operation.name]
    assert found(admin, "remint ca")["Operations"] == [operation.name]
    assert found(admin, str(operation.pk))["Operations"] == [operation.name]
    assert found(admin, "2026-11")["System Updates"] == [operation.name]
    operation.update.deleted_at = factories.now()
    operation.update.save()
    assert "System Updates" not in found(admin, "2026-11")


def test_pages_of_the_menu_are_found(admin):
    assert found(admin, "zone set")["Pages"] == ["Zone Settings"]


@pytest.mark.parametrize(
    ("right", "label"),
    [("people.administer", "Administrators"), ("devices.approve_device", "Registration Keys")],
)
def test_only_what_the_rights_show_is_found(right, label):
    RegistrationKey.objects.create(label="needle key", digest="x")
    factories.user("needle")
    reader, holder = factories.user("reader"), factories.user("holder", right)
    assert found(reader, "needle") == {}
    assert list(found(holder, "needle")) == [label]
    # The page of the menu, too.
    assert label not in found(reader, label).get("Pages", [])
    assert label in found(holder, label)["Pages"]


def test_each_kind_is_limited_and_links_to_all_of_them(admin):
    for number in range(8):
        factories.device(f"pc-{number}")
    (group,) = (g for g in sources.search(admin, "pc-") if g.label == "Devices and Servers")
    assert len(group.results) == results.MAX_OF_KIND
    assert group.more_url == "/devices/?q=pc-"


def test_the_configuration_is_found_by_those_who_may_see_it(ca):
    host = factories.acme_certificate("needle.acme.example", ca, serial="abcdef")
    AcmeAccountKey.objects.update(label="needle hosts")
    Target.objects.create(name="needle chat", kind="slack", host="hooks.example", events=[])
    MaintenanceWindow.objects.create(name="needle night", rule="")
    Stage.objects.create(name="needle lab", position=1, timeout_seconds=60)
    reader = factories.user("reader")
    holder = factories.user("holder", "certificates.certificate_authority")
    notifier = factories.user("notifier", "notifications.manage")
    everyone = {"Maintenance Windows": ["needle night"], "Deployment Stages": ["needle lab"]}
    assert found(reader, "needle") == everyone
    assert found(notifier, "needle") == {"Notifications": ["needle chat"], **everyone}
    hosts = {
        "ACME Accounts": ["needle hosts"],
        "Host Certificates": ["needle.acme.example"],
    }
    assert found(holder, "needle") == {**hosts, **everyone}
    for text in (host.digest, host.serial):
        assert found(holder, text)["Host Certificates"] == ["needle.acme.example"]


def test_the_number_of_queries_does_not_depend_on_the_results(ca, admin):
    def count():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sources.search(admin, "abcd")
        return len(queries)

    admin.has_perm("people.administer")
    few = count()
    for number in range(4):
        factories.device(f"abcd-{number}")
        factories.user(f"abcd-{number}")
        RegistrationKey.objects.create(label=f"abcd-{number}", digest=str(number))
        factories.operation(
            ca, name=f"abcd {number}", state="completed", activates_in=timedelta(days=1)
        )
    many = count()
    assert few == many <= 14


def test_a_wildcard_is_text(admin):
    Device.objects.all().delete()
    factories.device("pc-001")
    assert found(admin, "p%1") == {}
    assert found(admin, "pc_0") == {}
