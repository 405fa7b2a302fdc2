"""The Certificates page and Home: panes, updates, export, number of queries.

See: manual 1.1
"""

import csv
import io
import json
import re
from datetime import timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from certificates.models import (
    Authority,
    BackupStatus,
    FutureCertificate,
    Operation,
    ServerCertificate,
)
from certificates.monitoring.checks import registry
from certificates.monitoring.checks.findings import Result
from certificates.operations.states import FutureState, OperationState
from console.pages.formatting import format_fingerprint as fingerprint
from devices.models import Device, Role
from systemupdates.updates.states import AssignmentState, ReplicaState
from tests.support import factories

pytestmark = pytest.mark.django_db
PAGE = "/configuration/certificates/"
S, A = OperationState, AssignmentState
HOSTILE = "<img src=x onerror=1>\"'\u202e"


@pytest.fixture
def client(ca):
    client = Client()
    client.force_login(factories.admin())
    return client


def text(client, path=PAGE, **headers):
    response = client.get(path, **headers)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.manual("R001", "R002", "R003", "R011")
def test_the_page_shows_both_panes_and_all_columns(client):
    page = text(client)
    for label in (
        *("Zone Certificate Authority", "ZENworks Server SSL Certificates", "Certificate server"),
        *("Issued To", "Subject", "Issued By", "Valid From", "Expires On", "MD5 Fingerprint"),
        *("SHA1 Fingerprint", "SHA256 Fingerprint", "Certificate Status", "Options"),
        *("Update Status", "Version", "Change CA", "Move CA Role", "Remint CA", "Backup CA"),
        *("Restore CA", "View Certificate"),
    ):
        assert label in page, label
    assert re.search(r"Key length</dt><dd>256 <span class=.muted.>\(EC P-256\)<", page)


def test_large_counts_have_thousands_separators(client):
    Device.objects.bulk_create(
        Device(name=f"pc-{number}", fqdn=f"pc-{number}.test.example") for number in range(1200)
    )
    home = text(client, "/")
    assert "1,200 devices have not been in contact" in home
    assert "1,200 without recent contact" in home
    cursor = client.get("/devices/").context["page"].next
    devices = text(client, f"/devices/?after={cursor}")
    assert re.search(r"26–50 of 1,2\d\d", devices)
    assert re.search(r"All <b>1,2\d\d</b>", devices)


@pytest.mark.manual("R002")
def test_an_external_ca_has_no_certificate_server(client, ca):
    Authority.objects.update(kind="external", certificate_server=None)
    page = text(client)
    assert "Certificate server" not in page
    assert "The zone CA is external" in page


@pytest.mark.manual("R002")
@pytest.mark.parametrize(
    ("days", "expected", "badge"),
    [(-1, "The zone CA has expired.", "Expired"), (30, "expires <b>in 2", "Valid")],
)
def test_an_expiring_ca_causes_a_warning(client, days, expected, badge):
    Authority.objects.update(not_after=factories.now() + timedelta(days=days))
    page = text(client)
    assert expected in page
    assert badge in page


def test_one_cause_has_one_remedy(client):
    """Remint Certificate is not possible while the CA has expired, so it is not recommended."""
    ended = factories.now() - timedelta(days=1)
    ServerCertificate.objects.update(not_after=ended)
    assert "Use Remint Certificate to replace" in text(client)
    Authority.objects.update(not_after=ended)
    page = text(client)
    assert "The zone CA has expired." in page
    assert "Use Remint Certificate to replace" not in page


def test_a_zone_without_a_ca_is_reported(client):
    ServerCertificate.objects.all().delete()
    Authority.objects.all().delete()
    assert "does not have a certificate authority yet" in text(client)


@pytest.mark.manual("R049", "R090", "R139")
def test_the_message_of_an_operation_has_its_links_and_buttons(client, ca):
    factories.operation(ca)
    page = text(client)
    assert "The Remint CA operation has been initiated." in page
    for label in ("current replication status", "Assign Now", "Cancel", "You can cancel until"):
        assert label in page
    assert page.count("<li class=") >= 5


def test_the_pane_says_from_which_ca_to_which(client, ca):
    new = factories.authority(ca.certificate_server, name="NEW-ZONE", state="future")
    factories.operation(ca, future_authority=new)
    page = text(client)
    for one in (ca, new):
        whole, short = fingerprint(one.sha256), fingerprint(one.sha256[:8])
        assert f'{one.subject} <code title="{whole}">{short}</code>' in page


def test_the_last_operation_is_not_shown_below_a_later_one(client, ca):
    factories.operation(ca, state="canceled", name="Former", ended_at=factories.now())
    assert "Last operation" in text(client)
    factories.operation(ca, state="activated")
    assert "Last operation" not in text(client)


@pytest.mark.parametrize("left", [timedelta(days=7), None], ids=["scheduled", "immediate"])
def test_a_reader_sees_progress_but_no_action_buttons(ca, left):
    factories.operation(ca, activates_in=left)
    client = Client()
    client.force_login(factories.user("reader"))
    page = text(client)
    assert "The Remint CA operation has been initiated." in page
    for label in (
        "Assign Now",
        "You can cancel until",
        'id="b-cancel',
        "b-remint-ca",
        "b-backup-ca",
    ):
        assert label not in page


def get_revision(page):
    return re.search(r"zone-ca/\?rev=([^\"]+)", page).group(1)


def test_an_unchanged_pane_returns_no_content(client, ca):
    factories.operation(ca)
    rev = get_revision(text(client))
    assert client.get(f"{PAGE}zone-ca/?rev={rev}").status_code == 204


def test_a_new_stage_is_announced_and_reloads_the_rows(client, ca):
    operation = factories.operation(ca)
    rev = get_revision(text(client))
    Operation.objects.filter(pk=operation.pk).update(state=S.ACTIVATED)
    response = client.get(f"{PAGE}zone-ca/?rev={rev}", HTTP_HX_REQUEST="true")
    assert response.status_code == 200
    assert response.content.decode().lstrip().startswith('<section class="pane" id="zone-ca"')
    triggers = json.loads(response.headers["HX-Trigger"])
    assert triggers["zcc:announce"]["text"] == "Activated. 0 devices outstanding."
    assert "zcc:rows" in triggers


def test_a_count_is_shown_but_not_announced(client, ca):
    operation = factories.operation(ca)
    rev = get_revision(text(client))
    factories.replica(
        operation.update, factories.server("cs", Role.CONTENT_SATELLITE), ReplicaState.PENDING
    )
    response = client.get(f"{PAGE}zone-ca/?rev={rev}", HTTP_HX_REQUEST="true")
    assert response.status_code == 200
    assert "HX-Trigger" not in response.headers


def test_only_an_open_operation_is_polled_frequently(client, ca):
    assert "zcc:slow from:body" in text(client).split('id="servers-pane"')[0]
    factories.operation(ca)
    assert "zcc:tick from:body" in text(client).split('id="servers-pane"')[0]


@pytest.mark.manual("R098", "R178")
def test_a_server_remint_is_shown_in_the_server_pane(client, ca):
    factories.operation(ca, kind=Operation.Kind.REMINT_SERVER, name="Two servers")
    above, below = text(client).split('id="servers-pane"')
    assert "Remint Certificate operation has been initiated" in below
    assert "Remint Certificate operation has been initiated" not in above
    assert "Remint Certificate is in progress" in above, "the CA buttons are unavailable too"


def test_an_empty_filter_can_be_cleared(client):
    page = text(client, f"{PAGE}?q=nothing")
    assert "No server certificates match this filter." in page
    assert "Clear Filter" in page


def test_filter_sort_and_size_stay_in_every_link(client, ca):
    for number in range(12):
        factories.certificate(factories.server(f"srv-{number:02}"), ca)
    address = f"{PAGE}?q=srv&sort=-issued_to&per_page=5"
    first = client.get(address).context["page"].next
    response = client.get(f"{address}&after={first}")
    page = response.content.decode()
    links = re.findall(r'rel="next" id="next" href="([^"]+)"', page)
    cursor = response.context["page"].next
    assert links == [f"?q=srv&amp;sort=-issued_to&amp;per_page=5&amp;after={cursor}"]
    sort = re.search(r'id="sort-expires" href="([^"]+)"', page).group(1)
    assert "after=" not in sort
    assert "q=srv" in sort
    assert 'aria-sort="descending"' in page


def test_the_export_contains_the_rows_of_all_pages(client, ca):
    for number in range(12):
        factories.certificate(factories.server(f"srv-{number:02}"), ca)
    response = client.get(f"{PAGE}?q=srv&sort=-issued_to&per_page=5&page=2&export=csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["Issued To"] for row in rows] == [f"srv-{n:02}" for n in range(11, -1, -1)]
    assert rows[0]["SHA256 Fingerprint"].count(":") == 31
    assert rows[0]["Certificate Status"] == "Active"
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_htmx_prepares_no_link_of_a_row_or_of_a_heading(client, ca):
    def count():
        return len(re.findall(r"\shx-(?:get|post)=", text(client)))

    one = count()
    for number in range(12):
        factories.certificate(factories.server(f"srv-{number:02}"), ca)
    assert count() == one
    table = text(client).partition("<table>")[2].partition("</table>")[0]
    assert table.count("data-load") > 12
    assert "hx-get" not in table


def test_the_export_of_selected_servers_contains_no_others(client, ca):
    made = [factories.server(f"srv-{number:02}") for number in range(4)]
    path = f"{PAGE}?sort=-issued_to&export=csv"
    assert f'formaction="{path.removeprefix(PAGE)}"'.replace("&", "&amp;") in text(
        client, f"{PAGE}?q=nothing&state=expired&sort=-issued_to"
    )

    def read(**selected):
        response = client.post(path, selected)
        rows = csv.DictReader(io.StringIO(response.content.decode("utf-8-sig")))
        return [row["Issued To"] for row in rows]

    assert read(ids=f"{made[0].pk},{made[2].pk}") == ["srv-02", "srv-00"]
    others = {"scope": "all", "q": "srv", "state": "", "except": str(made[1].pk)}
    assert read(**others) == ["srv-03", "srv-02", "srv-00"]
    response = client.post(path, {"ids": ""})
    assert response.status_code == 422
    assert "Select at least one row. No file was created." in response.content.decode()


def test_only_selected_columns_are_shown_and_exported(client):
    client.post("/preferences/columns/servers/", {"column": ["md5"]})
    page = text(client)
    assert 'class="c-md5"' in page
    assert 'class="c-version"' not in page
    export = client.get(f"{PAGE}?export=csv").content.decode("utf-8-sig")
    assert export.splitlines()[0] == "Issued To,MD5 Fingerprint"


def test_external_text_is_escaped(client, ca):
    server = factories.server("zz-hostile", os=HOSTILE, version=HOSTILE, dns_names=[HOSTILE])
    made = factories.certificate(server, ca)
    Device.objects.filter(pk=server.pk).update(name=HOSTILE, fqdn=HOSTILE)
    ServerCertificate.objects.filter(pk=made.pk).update(issuer=HOSTILE, subject=HOSTILE)
    Authority.objects.update(subject=HOSTILE)
    operation = factories.operation(ca, state=S.BLOCKED, name=HOSTILE, reason=HOSTILE)
    factories.future(operation, server, FutureState.CREATE_FAILED, reason=HOSTILE, action=HOSTILE)
    factories.assignment(operation.update, server, A.FAILED, reason=HOSTILE)
    for path in (
        *(PAGE, "/", "/devices/", f"/devices/{server.pk}/", f"/devices/{server.pk}/settings/"),
        *("/system-updates/", f"/system-updates/{operation.update_id}/devices/"),
        *(f"{PAGE}servers/{server.pk}/failure-details/", f"{PAGE}servers/{server.pk}/"),
    ):
        assert "<img src=x" not in text(client, path), path


# Home has one query for each kind of item that needs attention. Each page has two for the line
# about running operations.
@pytest.mark.parametrize(
    ("path", "most"), [(PAGE, 28), ("/", 60), ("/devices/", 25), ("/system-updates/", 25)]
)
def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(
    client, ca, django_assert_max_num_queries, path, most
):
    many(ca, 5)
    client.get(path)
    with django_assert_max_num_queries(60) as few:
        client.get(f"{path}?per_page=100")
    many(ca, 80)
    with django_assert_max_num_queries(60) as more:
        client.get(f"{path}?per_page=100")
    assert len(more) == len(few), [q["sql"] for q in more.captured_queries]
    assert len(more) <= most


def many(ca, count):
    Operation.objects.filter(state__in=("replicating", "assigned")).update(state=S.ACTIVATED)
    operation = factories.operation(ca, state=S.ASSIGNED, name=f"Remint {count}")
    pem = ServerCertificate.objects.first().chain_pem
    for _number in range(count):
        server = factories.server(f"s-{uuid4().hex[:12]}")
        factories.certificate(server, ca, pem=pem)
        factories.future(operation, server, FutureState.CREATED)
        factories.assignment(operation.update, server, A.APPLIED)
        factories.replica(operation.update, server, ReplicaState.AVAILABLE)


def test_home_lists_what_needs_attention(client, ca):
    server = factories.server("old")
    factories.certificate(server, ca, until=factories.now() - timedelta(days=2))
    factories.device("quiet", last_contact=factories.now() - timedelta(days=1))
    factories.operation(ca, state=S.BLOCKED)
    page = text(client, "/")
    assert "1 server certificate has expired." in page
    assert "1 device has not been in contact for more than two refresh intervals." in page
    assert "Blocked:" in page


def test_home_lists_the_most_severe_first(client, ca):
    update = factories.update(factories.server("ps-2"))
    factories.assignment(update, factories.device(), A.FAILED)
    items = client.get("/").context["attention_items"]
    tones = [item.tone for item in items]
    assert set(tones) == {"bad", "warn"}
    assert tones == sorted(tones)
    (failed,) = (item for item in items if item.text.startswith("An update has failed"))
    page = text(client, "/")
    assert failed.correction in page
    accept = f"/health-checks/failed-updates/accept/?subject={update.pk}"
    assert f'hx-get="{accept}"' in page


def test_home_is_content_only_if_every_check_has_passed(client, ca, monkeypatch):
    """A zone without a backup must not look healthy, even if nothing has failed."""
    assert "found no problem" not in text(client, "/")
    assert "has no backup" in text(client, "/")
    monkeypatch.setattr(registry, "run_checks", lambda *_: [Result(registry.CHECKS[0], [], [])])
    assert "1 health check found no problem." in text(client, "/")


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("internal", "Use Remint CA, or Change CA. The new CA is activated immediately."),
        ("external", "Use Change CA. The new CA is activated immediately."),
    ],
)
def test_one_remedy_is_named_if_the_ca_has_expired(client, ca, kind, remedy):
    """All servers are without contact then. None of them should be retired because of it."""
    past = factories.now() - timedelta(days=2)
    Authority.objects.update(kind=kind, not_after=past)
    server = factories.server("old", last_contact=past)
    factories.certificate(server, ca, until=past)
    page = text(client, "/")
    assert f"Servers and devices cannot connect. {remedy}" in page
    for symptom in ("retire it", "has expired on", "server certificate has", "has not been in"):
        assert symptom not in page
    pane = text(client, PAGE)
    assert f"Devices cannot establish SSL connections. {remedy}" in pane
    assert ("Remint the CA" in pane) == (kind == "internal")
    factories.operation(ca, state=S.PREPARING, activates_in=None)
    assert "They recover automatically" in text(client, "/")


@pytest.mark.parametrize(
    ("kind", "act"), [("internal", "Remint it early"), ("external", "Use Change CA early")]
)
def test_the_pane_names_the_act_for_a_ca_that_expires_soon(client, ca, kind, act):
    Authority.objects.update(kind=kind, not_after=factories.now() + timedelta(days=20))
    assert f"{act} enough for every device to apply the update" in text(client, PAGE)


@pytest.mark.parametrize(("kind", "listed"), [("external", True), ("internal", False)])
def test_home_lists_csrs_that_an_external_ca_must_sign(client, ca, kind, listed):
    Authority.objects.update(kind=kind)
    server = factories.server("new")
    FutureCertificate.objects.create(
        device=server, authority=ca, state=FutureState.CSR_GENERATED, csr_pem="x"
    )
    assert ("1 CSR must be signed by the external CA." in text(client, "/")) == listed


def test_a_page_is_compressed_and_small(client, ca):
    many(ca, 30)
    response = client.get(PAGE, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(response.content) < 20 * 1024


def test_home_shows_the_last_proven_restore(client, ca):
    assert "No backups of the zone are scheduled." in text(client, "/")
    now = factories.now()
    BackupStatus.objects.create(server=ca.certificate_server, created_at=now)
    assert "No backup has been restored in a drill yet." in text(client, "/")
    BackupStatus.objects.update(proven_at=now - timedelta(days=2), drill_seconds=12.34)
    page = text(client, "/")
    assert "The restore took 12.3 seconds." in page
    assert re.search(r"Last proven restore</small><b>.*2\sdays", page)


@pytest.mark.manual("R001")
def test_the_menu_leads_to_the_certificates_page(client):
    home = text(client, "/")
    assert "Configuration" in home
    assert re.search(rf'<a [^>]*href="{PAGE}"[^>]*>(?:\s|<[^>]+>)*Certificates', home)


@pytest.mark.manual("R150", "R151", "R152", "R153", "R154", "R155", "R156", "R160")
def test_dates_versions_and_links_of_a_server(client, ca):
    server = factories.server("srv-1", version="11.4.2")
    ends = factories.now().replace(hour=20, minute=30) + timedelta(days=200)
    certificate = factories.certificate(server, ca, until=ends)
    client.cookies["tz"] = "Asia/Tokyo"
    page = text(client, f"{PAGE}?q=srv-1")
    row = page[page.index(f'id="to-{server.pk}"') :].split("</tr>")[0]
    assert f'href="{PAGE}servers/{server.pk}/"' in row
    for words in (
        *("srv-1.acme.example", certificate.issuer, "11.4.2", certificate.md5, certificate.sha1),
        *(certificate.sha256, "05:30 JST", f"{ends + timedelta(days=1):%-d %b %Y}"),
    ):
        assert words in row, words
    begins = timezone.localtime(certificate.not_before, ZoneInfo("Asia/Tokyo"))
    assert f"{begins:%-d %b %Y}" in row
    assert f"{begins:%H:%M} JST" in row
