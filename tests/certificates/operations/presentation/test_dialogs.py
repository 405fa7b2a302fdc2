"""The dialogs: View Certificate, Remint CA, Assign Now, Cancel, replication (manual, 1.2)."""

import hashlib
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from certificates.models import Authority, Operation
from certificates.operations.states import FutureState, OperationState
from devices.models import Device, Role
from pki.certificates import details
from systemupdates.models import Replica
from systemupdates.updates.states import AssignmentState, ReplicaState
from tests.certificates.clients import PAGE, entered, events
from tests.support import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enqueued")]
REMINT = f"{PAGE}remint-ca/"
S = OperationState


@pytest.fixture
def client(ca):
    return entered(factories.admin())


def form_data(**changes):
    local = timezone.localtime(timezone.now() + timedelta(days=2))
    values = {
        "confirm": "on",
        "common_name": "TEST-ZONE",
        "key_length": "256",
        "years": "10",
        "activates_at": local.strftime("%Y-%m-%dT%H:%M"),
        "key": str(uuid4()),
    }
    return {name: v for name, v in {**values, **changes}.items() if v is not None}


def test_the_time_of_a_ca_operation_is_changed_without_a_warning_about_selected_servers(client, ca):
    operation = factories.operation(ca, state=S.BLOCKED, activates_in=timedelta(days=1))
    server = factories.server("ps-2")
    factories.certificate(server, ca, until=factories.now() - timedelta(days=1))
    factories.future(operation, server, FutureState.AWAITED)
    page = client.get(f"{PAGE}operations/{operation.pk}/activation/").content.decode()
    assert "Change Activation Time" in page
    assert "All selected servers" not in page


@pytest.mark.manual("R020", "R021", "R022", "R023", "R024", "R025", "R026", "R027")
def test_view_certificate_shows_what_the_manual_lists(client, ca):
    page = client.get(f"{PAGE}view-certificate/").content.decode()
    for label in (
        *("Subject", "Issued by", "Valid from", "Expires", "Key length", "MD5 Fingerprint"),
        *("SHA1 Fingerprint", "SHA256 Fingerprint", "Certificate Status", "Valid"),
    ):
        assert label in page, label
    assert "CN=TEST-ZONE" in page
    assert f'data-copy="{sha256(ca.sha256)}"' in page
    Authority.objects.update(
        root_pem=factories.root_pem("OLD", factories.now() - 2 * factories.YEAR, factories.now())
    )
    assert "Expired" in client.get(f"{PAGE}view-certificate/").content.decode()


def sha256(digest):
    return ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()


def test_the_pem_download_contains_the_certificate(client, ca):
    response = client.get(f"{PAGE}ca.pem")
    assert response.headers["Content-Disposition"] == 'attachment; filename="test-zone-ca.pem"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.content.decode() == ca.root_pem


@pytest.mark.manual("R131", "R132", "R133")
def test_remint_ca_shows_the_defaults_of_the_manual(client):
    response = client.get(REMINT)
    page = response.content.decode()
    form = response.context["form"]
    assert form["common_name"].value() == "TEST-ZONE"
    assert form["years"].value() == 10
    assert form["key_length"].value() == 256
    assert "1 h replication + 2 × 1 min refresh" in page
    assert "Yes, I want to remint the certificate authority" in page
    assert "(UTC" in page
    assert not form.asks_password


@pytest.mark.manual("R134", "R135", "R138", "R139")
def test_remint_ca_starts_the_operation(client, enqueued, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(REMINT, form_data(years="3", include_dns="on"))
    assert response.status_code == 204
    operation = Operation.objects.get()
    assert operation.parameters["years"] == 3
    assert operation.parameters["include_dns"] is True
    assert operation.requested_by.username == "admin"
    assert enqueued == [str(operation.pk)]
    said = "The Remint CA operation has been initiated."
    assert events(response)["zcc:announce"]["text"] == said
    assert {"zcc:close", "zcc:changed"} <= set(events(response))


def test_without_javascript_the_dialog_redirects_to_the_page(ca):
    client = entered(factories.admin())
    response = client.post(REMINT, form_data(), headers={"HX-Request": ""})
    assert response.status_code == 302
    assert response.url == PAGE
    assert (
        "<!doctype html>"
        in client.get(f"{PAGE}view-certificate/", headers={"HX-Request": ""}).content.decode()
    )


def test_submitting_twice_starts_one_operation(client):
    given = form_data()
    assert [client.post(REMINT, given).status_code for _n in range(2)] == [204, 204]
    assert Operation.objects.count() == 1


def test_another_operation_is_a_conflict(client):
    client.post(REMINT, form_data())
    response = client.post(REMINT, form_data())
    assert response.status_code == 409
    message = response.content.decode()
    assert "Remint CA is already in progress." in message
    assert f"It was started by {Operation.objects.get().requested_by.username}." in message
    assert message.count("Nothing was changed.") == 1
    assert Operation.objects.count() == 1


@pytest.mark.manual("R131", "R133", "R134")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"confirm": None}, "confirm"),
        ({"years": "0"}, "years"),
        ({"years": "11"}, "years"),
        ({"key_length": "1024"}, "key_length"),
        ({"common_name": ""}, "common_name"),
        ({"common_name": "x" * 65}, "common_name"),
        ({"activates_at": "2020-01-01T10:00"}, "activates_at"),
        ({"activates_at": "2199-01-01T10:00"}, "activates_at"),
        ({"activates_at": ""}, "activates_at"),
        ({"activates_at": "tomorrow"}, "activates_at"),
        ({"key": "nonsense"}, "key"),
    ],
)
def test_an_error_is_shown_at_its_field_and_values_are_kept(client, changes, field):
    response = client.post(REMINT, form_data(**{"common_name": "Kept name", **changes}))
    assert response.status_code == 422
    form = response.context["form"]
    assert list(form.errors) == [field]
    page = response.content.decode()
    assert "Nothing was changed." in page
    if "common_name" not in changes:
        assert "Kept name" in page
    assert not Operation.objects.exists()


@pytest.mark.manual("R136")
def test_the_limit_is_shown_with_its_reason(client, ca):
    page = client.post(REMINT, form_data(activates_at="2199-01-01T10:00")).content.decode()
    assert "expires" in page
    assert "CN=TEST-ZONE" in page


def test_a_nonexistent_local_time_is_rejected(client):
    Authority.objects.update(not_after=factories.now() + 9 * factories.YEAR)
    client.cookies["tz"] = "Europe/Berlin"
    response = client.post(REMINT, form_data(activates_at="2027-03-28T02:30"))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["activates_at"]


def test_the_time_is_parsed_in_the_time_zone_of_the_user(client):
    client.cookies["tz"] = "Asia/Tokyo"
    client.post(REMINT, form_data(activates_at="2028-06-01T09:00"))
    assert Operation.objects.get().activates_at.isoformat() == "2028-06-01T00:00:00+00:00"


@pytest.mark.manual("R137")
def test_an_expired_ca_is_activated_immediately(client):
    Authority.objects.update(not_after=factories.now() - timedelta(days=1))
    page = client.get(REMINT)
    assert b"Immediate" in page.content
    assert "activates_at" not in page.context["form"].fields
    assert client.post(REMINT, form_data(activates_at=None)).status_code == 204
    assert Operation.objects.get().immediate


def test_the_password_is_required_after_five_minutes(ca):
    client = entered(factories.admin(), reauthenticated=False)
    assert b'type="password"' in client.get(REMINT).content
    for wrong in ("", "wrong"):
        response = client.post(REMINT, form_data(password=wrong))
        assert response.status_code == 422
        assert list(response.context["form"].errors) == ["password"]
    assert not Operation.objects.exists()
    assert client.post(REMINT, form_data(password=factories.PASSWORD)).status_code == 204
    assert client.session["authenticated_at"] > 0


def test_wrong_passwords_lock_the_account(ca):
    client = entered(factories.admin(), reauthenticated=False)
    answers = [client.post(REMINT, form_data(password="wrong")) for _n in range(5)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 429]
    assert "15 minutes" in events(answers[-1])["zcc:fault"]["action"]


def test_a_disabled_action_is_rejected_by_the_server(client, ca):
    factories.operation(ca)
    response = client.get(REMINT)
    assert response.status_code == 409
    assert "in progress" in events(response)["zcc:fault"]["explanation"]


@pytest.mark.manual("R091", "R096")
def test_cancel_requires_confirmation(client, ca, enqueued, django_capture_on_commit_callbacks):
    operation = factories.operation(ca)
    url = f"{PAGE}operations/{operation.pk}/cancel/"
    page = client.get(url).content.decode()
    assert "Keep Operation" in page
    assert "You can cancel until" in page
    assert Operation.objects.get().state == S.REPLICATING
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(url).status_code == 204
    assert Operation.objects.get().state == S.CANCELING
    assert enqueued == [str(operation.pk)]


def test_cancel_in_the_freeze_period_is_rejected_with_the_time(client, ca):
    operation = factories.operation(ca, state=S.ASSIGNED, activates_in=timedelta(minutes=5))
    url = f"{PAGE}operations/{operation.pk}/cancel/"
    assert "could be canceled until" in client.get(url).content.decode()
    response = client.post(url)
    assert response.status_code == 409
    assert "Ignore Device" in events(response)["zcc:fault"]["action"]
    assert Operation.objects.get().state == S.ASSIGNED


@pytest.mark.manual("R094", "R096")
def test_a_failed_cancellation_can_be_cleared_and_retried(client, ca):
    operation = factories.operation(ca, state=S.CANCEL_FAILED, reason="The CA key cannot be read.")
    page = client.get(PAGE, headers={"HX-Request": ""}).content.decode()
    assert "The CA key cannot be read." in page
    assert "Clear Message" in page
    assert client.post(f"{PAGE}operations/{operation.pk}/clear/").status_code == 204
    page = client.get(PAGE, headers={"HX-Request": ""}).content.decode()
    assert "Clear Message" not in page
    assert "Cancel Again" in page


@pytest.mark.manual("R051", "R052", "R140")
def test_assign_now_lists_servers_without_content(client, ca):
    operation = factories.operation(ca)
    factories.replica(operation.update, factories.server("slow-1"), ReplicaState.PENDING)
    url = f"{PAGE}operations/{operation.pk}/assign/"
    page = client.get(url).content.decode()
    assert "The content has not reached 1 content server yet." in page
    assert "slow-1" in page
    assert client.post(url).status_code == 204
    assert Operation.objects.get().state == S.ASSIGNED
    assert client.post(url).status_code == 409


@pytest.mark.manual("R180")
def test_assign_now_of_a_server_remint_lists_the_selected_servers(client, ca):
    operation = factories.operation(ca, kind=Operation.Kind.REMINT_SERVER)
    factories.future(operation, factories.server("chosen-1"), FutureState.AWAITED)
    page = client.get(f"{PAGE}operations/{operation.pk}/assign/").content.decode()
    assert "selected servers" in page
    assert "chosen-1" in page


@pytest.mark.manual("R049")
def test_replication_status_lists_servers_and_excludes_offline_ones(client, ca):
    operation = factories.operation(ca)
    dead = factories.server("dead", last_contact=factories.now() - timedelta(days=3))
    busy = factories.server("busy", Role.CONTENT_SATELLITE)
    replica = factories.replica(operation.update, dead, ReplicaState.PENDING)
    factories.replica(operation.update, busy, ReplicaState.REPLICATING, progress=40)
    url = f"{PAGE}operations/{operation.pk}/replication/"
    page = client.get(url).content.decode()
    assert "Offline" in page
    assert "Replicating (40%)" in page
    assert "3 days ago" in page
    asked = client.get(f"{url}{replica.pk}/exclude/").content.decode()
    assert "Exclude dead?" in asked
    assert Replica.objects.get(pk=replica.pk).state == ReplicaState.PENDING
    assert client.post(f"{url}{replica.pk}/exclude/").status_code == 204
    assert Replica.objects.get(pk=replica.pk).state == ReplicaState.EXCLUDED
    other = factories.operation(ca, state=S.ACTIVATED)
    stranger = factories.replica(other.update, dead, ReplicaState.PENDING)
    assert client.post(f"{url}{stranger.pk}/exclude/").status_code == 404


@pytest.mark.manual("R163", "R165")
def test_failure_details_show_reason_action_and_redeploy(client, ca):
    operation = factories.operation(ca, state=S.ASSIGNED)
    server = factories.server("sad")
    factories.future(
        operation, server, FutureState.CREATE_FAILED, reason="No FQDN.", action="Set it."
    )
    assignment = factories.assignment(
        operation.update, server, AssignmentState.FAILED, reason="Disk full."
    )
    page = client.get(f"{PAGE}servers/{server.pk}/failure-details/").content.decode()
    for words in ("No FQDN.", "Set it.", "Disk full.", "Redeploy"):
        assert words in page
    assert f"/system-updates/assignments/{assignment.pk}/redeploy/" in page
    well = factories.server("well")
    assert client.get(f"{PAGE}servers/{well.pk}/failure-details/").status_code == 404


@pytest.mark.manual("R165")
@pytest.mark.parametrize("state", [FutureState.CREATE_FAILED, FutureState.CSR_FAILED])
def test_retrying_a_csr_uses_the_current_names(
    client, ca, monkeypatch, state, django_capture_on_commit_callbacks
):
    notified = []
    monkeypatch.setattr("certificates.tasks.notify_agents", lambda: notified.append("notified"))
    operation = factories.operation(ca, state=S.ASSIGNED, parameters={"include_dns": True})
    server = factories.server("sad", dns_names=["www.sad.example"])
    order = {"common_name": "old.example", "key_length": 384, "organization": "Acme"}
    factories.future(
        operation, server, state, reason="No FQDN.", csr_parameters=order, csr_pem="csr"
    )
    assert "Try Again" in client.get(f"{PAGE}servers/{server.pk}/failure-details/").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"{PAGE}servers/{server.pk}/try-again/")
    assert answer.status_code == 204
    future = server.futures.get()
    assert (future.state, future.generation, future.csr_pem) == (FutureState.AWAITED, 2, "")
    assert future.reason == ""
    assert future.csr_parameters["common_name"] == "sad.acme.example", (
        "the old name is none of its own"
    )
    assert future.csr_parameters["dns_names"] == ["sad.acme.example", "www.sad.example"]
    assert (future.csr_parameters["key_length"], future.csr_parameters["organization"]) == (
        384,
        "Acme",
    )
    assert notified == ["notified"]
    assert client.post(f"{PAGE}servers/{server.pk}/try-again/").status_code == 409


def test_retrying_an_initial_certificate_uses_the_existing_csr(client, ca):
    server = factories.server("fresh")
    factories.future(
        None, server, FutureState.CREATE_FAILED, authority=ca, csr_pem="csr", csr_parameters={}
    )
    client.post(f"{PAGE}servers/{server.pk}/try-again/")
    future = server.futures.get()
    assert (future.state, future.generation, future.csr_pem) == (FutureState.AWAITED, 1, "csr")


@pytest.mark.manual("R057")
def test_the_new_certificate_is_shown_beside_the_current_one(client, ca):
    server = factories.server("srv")
    shown = factories.certificate(server, ca)
    Device.objects.filter(pk=server.pk).update(fqdn="new.acme.example")
    server = Device.objects.get(pk=server.pk)
    pem = factories.leaf_pem(server, ca)
    factories.future(factories.operation(ca), server, FutureState.CREATED, chain_pem=pem)
    response = client.get(f"{PAGE}servers/{server.pk}/future/")
    new = details.get_details(pem)
    lines = {str(line.label): line for line in response.context["rows"]}
    assert (lines["SHA256 Fingerprint"].current, lines["SHA256 Fingerprint"].new) == (
        shown.sha256,
        new.sha256,
    )
    assert [label for label, line in lines.items() if line.differs] == [
        "Subject",
        "Subject alternative names",
    ]
    page = response.content.decode()
    assert f"<code>{shown.sha1.replace(':', ':<wbr>')}</code>" in page
    page = page.replace("<wbr>", "")
    for words in (
        *("Current certificate", "New certificate", "differs", shown.sha256, new.sha256),
        *(shown.md5, new.md5, shown.sha1, new.sha1, "Download Certificate", "Download Chain"),
    ):
        assert words in page, words


def test_uncovered_names_of_a_certificate_are_shown(client, ca):
    server = factories.server("srv", addresses=["10.0.0.5"])
    pem = factories.leaf_pem(server, ca)
    factories.certificate(server, ca, pem=pem)
    page = client.get(f"{PAGE}servers/{server.pk}/").content.decode()
    assert "does not cover" not in page
    Device.objects.filter(pk=server.pk).update(addresses=["10.0.0.5", "10.0.0.6"])
    page = client.get(f"{PAGE}servers/{server.pk}/").content.decode()
    assert "This certificate does not cover <b>10.0.0.6</b>." in page
    factories.future(factories.operation(ca), server, FutureState.CREATED, chain_pem=pem)
    assert "10.0.0.6" in client.get(f"{PAGE}servers/{server.pk}/future/").content.decode()


def test_a_certificate_can_be_downloaded_with_or_without_its_chain(client, ca):
    server = factories.server("srv")
    pem = factories.leaf_pem(server, ca)
    now = factories.certificate(server, ca, pem=pem + ca.root_pem)
    before = factories.certificate(server, ca, pem=pem + ca.root_pem, superseded_at=factories.now())
    factories.future(
        factories.operation(ca), server, FutureState.CREATED, chain_pem=pem + ca.root_pem
    )
    base = f"{PAGE}servers/{server.pk}"
    for url in ("certificate.pem", "future.pem", f"certificates/{before.pk}.pem"):
        assert client.get(f"{base}/{url}").content.decode() == pem + ca.root_pem
        alone = client.get(f"{base}/{url}?part=certificate")
        assert alone.content.decode().strip() == pem.strip()
        assert alone.headers["Content-Disposition"].endswith('-certificate.pem"')
    page = client.get(f"{base}/certificates/{before.pk}/").content.decode()
    assert "Previous certificate of srv" in page
    stranger = factories.server("other").pk
    assert client.get(f"{PAGE}servers/{stranger}/certificates/{now.pk}/").status_code == 404
    assert client.get(f"{PAGE}servers/{stranger}/certificates/{now.pk}.pem").status_code == 404


@pytest.mark.manual("R078")
def test_the_new_certificate_can_be_shown_and_downloaded(client, ca):
    operation = factories.operation(ca)
    server = factories.server("srv")
    pem = factories.leaf_pem(server, ca)
    factories.future(operation, server, FutureState.CREATED, chain_pem=pem, csr_pem="csr")
    page = client.get(f"{PAGE}servers/{server.pk}/future/").content.decode()
    assert "New certificate of srv" in page
    assert "takes effect at" in page
    assert client.get(f"{PAGE}servers/{server.pk}/future.pem").content.decode() == pem
    csr = client.get(f"{PAGE}servers/{server.pk}/csr/")
    assert csr.headers["Content-Disposition"] == 'attachment; filename="srv.acme.example.csr"'
    assert hashlib.sha256(csr.content).hexdigest() == hashlib.sha256(b"csr").hexdigest()


def test_a_managed_device_has_no_certificate_pages(client):
    device = factories.device("pc-1")
    for page in ("", "future/", "why/", "csr/", "certificate.pem", "future.pem"):
        assert client.get(f"{PAGE}servers/{device.pk}/{page}").status_code == 404
