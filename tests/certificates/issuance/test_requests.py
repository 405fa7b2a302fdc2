"""A server with a pending initial certificate and an operation is one row of the table."""

import csv
import io

import pytest
from django.utils import timezone

from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations.states import FutureState, OperationState
from certificates.servers import selection
from devices.models import Device
from pki import keys, names
from pki.formats import csr
from tests.api.conftest import caller
from tests.certificates.clients import PAGE, entered
from tests.support import factories
from wire import messages

pytestmark = pytest.mark.django_db
F = FutureState


def request_of(server):
    return csr.build_csr(
        keys.generate_key(256), names.Subject(server.fqdn), names.Names((server.fqdn,))
    )


@pytest.fixture
def server():
    """ps-02: the initial certificate failed, and that of a change to an external CA is pending."""
    factories.zone()
    authority = factories.authority(factories.server("ps-01"))
    factories.certificate(Device.objects.get(name="ps-01"), authority)
    coming = factories.authority(name="CN=External", kind=Authority.Kind.EXTERNAL, state="future")
    change = factories.operation(
        authority,
        kind=Operation.Kind.CHANGE_CA,
        state=OperationState.ASSIGNED,
        future_authority=coming,
    )
    server = factories.server("ps-02", features=[messages.FEATURE_CSR])
    # The initial certificate is created last, so that the newest row is not the right one.
    factories.future(
        change,
        server,
        F.CSR_GENERATED,
        authority=coming,
        csr_pem=request_of(server),
        csr_parameters={},
    )
    factories.future(
        None,
        server,
        F.CREATE_FAILED,
        authority=authority,
        csr_pem=request_of(server),
        csr_parameters={},
    )
    return server


def of_operation():
    return FutureCertificate.objects.get(operation__isnull=False)


@pytest.fixture
def client(server):
    return entered(factories.admin(), htmx=False)


def shown(client, query=""):
    rows = client.get(PAGE + query).context["rows"]
    return [(row.device.name, row.status[1]) for row in rows]


@pytest.mark.parametrize("query", ["", "?sort=status", "?sort=options", "?sort=-expires", "?q=ps"])
def test_the_pane_shows_the_server_once_with_the_certificate_of_the_operation(client, query):
    assert sorted(shown(client, query)) == [("ps-01", "Active"), ("ps-02", "CSR generated")]


def test_the_filters_count_the_server_once(client):
    chips = {chip["key"]: chip["n"] for chip in client.get(PAGE).context["chips"]}
    assert chips == {"": 2, "expiring": 0, "expired": 0, "failed": 0, "csr": 1, "ready": 0}
    assert shown(client, "?state=csr") == [("ps-02", "CSR generated")]
    assert shown(client, "?state=failed") == []


def test_the_export_contains_the_server_once(client):
    text = client.get(f"{PAGE}?export=csv").content.decode("utf-8-sig")
    lines = {line["Issued To"]: line for line in csv.DictReader(io.StringIO(text))}
    assert len(text.splitlines()) == 1 + len(lines) == 3
    assert lines["ps-02"]["Certificate Status"] == "CSR generated"


def test_the_rest_api_lists_the_server_once(server):
    program = caller("program", "certificates.certificate_authority")
    found = program.get("servers").json()
    assert found["total"] == 2
    assert [one["status"] for one in found["items"] if one["name"] == "ps-02"] == ["CSR generated"]
    assert program.get(f"servers/{server.pk}").json()["future"]["state"] == "csr-generated"
    assert program.get(f"servers/{server.pk}/csr").content.decode() == of_operation().csr_pem


def test_the_device_page_and_downloads_use_the_certificate_of_the_operation(client, server):
    assert client.get(f"/devices/{server.pk}/").context["future"] == of_operation()
    file = client.get(f"{PAGE}servers/{server.pk}/csr/")
    assert file.content.decode() == of_operation().csr_pem


def test_the_initial_certificate_is_shown_after_the_operation(client, server):
    FutureCertificate.objects.filter(pk=of_operation().pk).update(state=F.DISCARDED)
    assert shown(client, "?state=failed") == [("ps-02", "Creating certificate failed")]
    assert client.get(f"/devices/{server.pk}/").context["future"].operation is None
    assert (
        client.get(f"{PAGE}servers/{server.pk}/failure-details/").context["future"].operation
        is None
    )


def test_selecting_all_includes_the_server_once(client, server):
    found = selection.get_selected_servers(
        client.get(f"{PAGE}?scope=all").wsgi_request.GET, timezone.now()
    )
    assert sorted(found.values_list("name", flat=True)) == ["ps-01", "ps-02"]


def test_generate_csr_uses_the_operation_and_an_import_uses_both(server):
    external = of_operation().authority
    FutureCertificate.objects.filter(operation=None).update(
        state=F.CSR_GENERATED, authority=external
    )
    assert selection.get_external_futures([server]) == [of_operation()]
    assert len(selection.get_futures([server])) == 2
    assert selection.get_selection_facts(Device.objects.filter(pk=server.pk)).without_csr.count == 0
