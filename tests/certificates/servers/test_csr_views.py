"""The Actions menu: Generate CSR, Import Certificate, Download CSRs to Zip File.

See: manual 1.3.2
"""

import io
import re
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from certificates.issuance import requests as issuance_requests
from certificates.models import Authority, Draft, Operation
from certificates.operations import requests as operations_requests
from certificates.operations.states import FutureState, OperationState
from devices.models import Device
from faults import Conflict
from pki import keys, names, validity
from pki.certificates import issuance
from pki.formats import csr
from tests.certificates.clients import PAGE, entered, events
from tests.support import factories
from wire import messages

pytestmark = pytest.mark.django_db
SELECTED = f"{PAGE}servers/selected/"
GENERATE, IMPORT, ZIP = "generate-csr", "import-certificate", "csr-zip"
KEYS = {name: keys.generate_key(256) for name in ("ps-01", "ps-02", "ps-03")}
S = FutureState


@pytest.fixture(autouse=True)
def enqueued(enqueued, monkeypatch):
    """Collect also that the agents would be notified."""
    monkeypatch.setattr("certificates.tasks.notify_agents", lambda: enqueued.append("agents"))
    return enqueued


@pytest.fixture
def operation():
    """A change to an external CA. ps-01 and ps-02 have a CSR, ps-03 does not."""
    factories.zone()
    holder = factories.server("ps-01", features=[messages.FEATURE_CSR])
    authority = factories.authority(holder)
    coming = factories.authority(name="CN=External", kind=Authority.Kind.EXTERNAL, state="future")
    running = factories.operation(
        authority,
        kind=Operation.Kind.CHANGE_CA,
        state=OperationState.ASSIGNED,
        future_authority=coming,
    )
    for name in KEYS:
        server = Device.objects.filter(name=name).first()
        server = server or factories.server(name, features=[messages.FEATURE_CSR])
        factories.certificate(server, authority)
        has_csr = name != "ps-03"
        factories.future(
            running,
            server,
            S.CSR_GENERATED if has_csr else S.AWAITED,
            authority=coming,
            csr_parameters={},
            csr_pem=build_csr_of(server) if has_csr else "",
        )
    return running


@pytest.fixture
def client(operation):
    return entered(factories.admin())


def build_csr_of(server):
    return csr.build_csr(
        KEYS[server.name], names.Subject(server.fqdn), names.Names((server.fqdn,), ())
    )


def issued(name, *, by=None):
    """Return a certificate of the external CA for the key of a server."""
    server = Device.objects.get(name=name)
    root = by or Authority.objects.get(state="future").root_pem
    signer = issuance.Issuer.open(root, factories._key(0), factories.now())
    prepared = signer.prepare(
        public_key=keys.get_public_key(KEYS[name]),
        subject=names.Subject(server.fqdn),
        names=names.Names((server.fqdn,), tuple(server.addresses)),
        validity=validity.get_server_validity(factories.now(), 365, root),
        serial=issuance.generate_serial(),
    )
    return signer.issue(prepared)


def begin(client, do, *chosen):
    ids = [str(Device.objects.get(name=name).pk) for name in chosen]
    return client.post(SELECTED, {"do": do, "ids": ids})


def dialog_url(do):
    return f"{PAGE}{do}/{Draft.objects.get().pk}/"


def file(name, data):
    return SimpleUploadedFile(name, data.encode() if isinstance(data, str) else data)


def state(name):
    return Device.objects.get(name=name).futures.get().state


def fault(response):
    return events(response)["zcc:fault"]["explanation"]


@pytest.mark.manual("R200", "R201", "R202", "R203", "R204", "R205", "R206")
def test_generate_csr_has_the_labels_of_its_own_dialog(client):
    page = begin(client, GENERATE, "ps-03").content.decode()
    for label in (
        *("Generate CSR", "Common Name (CN)", "Organization (O)", "Organizational Unit (OU)"),
        *("City or Locality (L)", "State or Province (ST)", "Country or Region", "Key length"),
    ):
        assert label in page, label
    assert "replace the certificates" not in page
    Draft.objects.all().delete()
    page = begin(client, GENERATE, "ps-02", "ps-03").content.decode()
    assert "Common Name (CN)" not in page


def test_generate_csr_begins_with_what_the_last_csrs_have_in_common(client):
    """A CA often rejects one field. The others should not have to be entered again."""
    for name, unit in (("ps-02", "Web"), ("ps-03", "Mail")):
        future = Device.objects.get(name=name).futures.get()
        future.csr_parameters = {
            "organization": "Acme",
            "organizational_unit": unit,
            "country": "US",
            "key_length": 3072,
        }
        future.save()
    page = begin(client, GENERATE, "ps-02", "ps-03").content.decode()
    assert 'value="Acme"' in page
    assert re.search(r'<option value="3072"\s+selected', page)
    assert 'value="Web"' not in page
    Draft.objects.all().delete()
    assert 'value="Web"' in begin(client, GENERATE, "ps-02").content.decode()


@pytest.mark.manual("R086", "R206", "R207")
def test_generate_csr_requests_a_new_csr_from_each_server(
    client, enqueued, django_capture_on_commit_callbacks
):
    begin(client, GENERATE, "ps-02", "ps-03")
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(dialog_url(GENERATE), {"organization": "Acme", "key_length": "3072"})
    assert response.status_code == 204
    for name in ("ps-02", "ps-03"):
        future = Device.objects.get(name=name).futures.get()
        assert (future.state, future.generation, future.csr_pem) == (S.AWAITED, 2, "")
        assert (future.csr_parameters["organization"], future.csr_parameters["key_length"]) == (
            "Acme",
            3072,
        )
    assert enqueued == ["agents"]


@pytest.mark.manual("R086")
def test_an_imported_certificate_is_discarded_only_after_confirmation(client):
    Device.objects.get(name="ps-02").futures.update(state=S.UPLOADED, chain_pem="x")
    begin(client, GENERATE, "ps-02")
    values = {"common_name": "ps-02.acme.example", "key_length": "256"}
    response = client.post(dialog_url(GENERATE), values)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["replaces"]
    assert state("ps-02") == S.UPLOADED
    assert client.post(dialog_url(GENERATE), {**values, "replaces": "on"}).status_code == 204
    assert state("ps-02") == S.AWAITED


@pytest.mark.manual("R205")
@pytest.mark.parametrize("changes", [{"country": "USA"}, {"organization": "x" * 65}])
def test_an_invalid_subject_is_an_error_of_its_field(client, changes):
    begin(client, GENERATE, "ps-03")
    values = {"common_name": "ps-03.acme.example", "key_length": "256"}
    response = client.post(dialog_url(GENERATE), {**values, **changes})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == list(changes)


@pytest.mark.manual("R199")
def test_an_agent_that_is_too_old_is_reported_by_name(client):
    begin(client, GENERATE, "ps-03")
    draft = dialog_url(GENERATE)
    Device.objects.filter(name="ps-03").update(features=[])
    assert "The agent on ps-03 is too old" in fault(begin(client, GENERATE, "ps-02", "ps-03"))
    values = {"common_name": "ps-03.acme.example", "key_length": "256"}
    assert "The agent on ps-03 is too old" in fault(client.post(draft, values))
    assert Device.objects.get(name="ps-03").futures.get().generation == 1


def test_a_common_name_of_another_server_is_an_error_of_its_field(client):
    begin(client, GENERATE, "ps-03")
    response = client.post(
        dialog_url(GENERATE), {"common_name": "else.example", "key_length": "256"}
    )
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["common_name"]
    assert Device.objects.get(name="ps-03").futures.get().generation == 1


def test_an_additional_dns_name_can_be_the_common_name(client):
    Device.objects.filter(name="ps-03").update(dns_names=["mail.acme.example"])
    begin(client, GENERATE, "ps-03")
    values = {"common_name": "mail.acme.example", "key_length": "256"}
    assert client.post(dialog_url(GENERATE), values).status_code == 204
    parameters = Device.objects.get(name="ps-03").futures.get().csr_parameters
    assert parameters["common_name"] == "mail.acme.example"
    assert parameters["dns_names"] == ["ps-03.acme.example", "mail.acme.example"]


def test_an_imported_certificate_is_not_replaced_after_the_activation_order(client):
    Device.objects.get(name="ps-02").futures.update(state=S.UPLOADED, chain_pem="x")
    begin(client, GENERATE, "ps-02")
    Operation.objects.update(state=OperationState.ACTIVATING)
    values = {"common_name": "ps-02.acme.example", "key_length": "256", "replaces": "on"}
    assert "might already be activating" in fault(client.post(dialog_url(GENERATE), values))
    with pytest.raises(Conflict, match="might already be activating"):
        issuance_requests.request_csrs(
            list(Device.objects.get(name="ps-02").futures.all()),
            key_length=256,
            subject=operations_requests.SubjectFields(),
        )
    assert state("ps-02") == S.UPLOADED


def test_a_certificate_imported_in_the_meantime_is_not_replaced_without_review(client):
    begin(client, GENERATE, "ps-02")
    Device.objects.get(name="ps-02").futures.update(state=S.UPLOADED)
    values = {"common_name": "ps-02.acme.example", "key_length": "256"}
    response = client.post(dialog_url(GENERATE), values)
    assert response.status_code == 409
    assert "The new certificate for ps-02 has changed in the meantime." in response.content.decode()
    assert state("ps-02") == S.UPLOADED


@pytest.mark.manual("R197")
def test_servers_that_block_an_action_are_reported_by_name(client):
    response = begin(client, IMPORT, "ps-01", "ps-02", "ps-03")
    assert response.status_code == 409
    assert fault(response).startswith("1 of 3 selected servers does not have a CSR yet: ps-03.")
    response = begin(client, ZIP, "ps-01", "ps-03")
    assert "ps-03" in fault(response)
    factories.certificate(factories.server("ps-04"), Authority.objects.get(state="current"))
    response = begin(client, GENERATE, "ps-01", "ps-04")
    assert "ps-04" in fault(response)
    assert not Draft.objects.exists()


@pytest.mark.manual("R083", "R208")
def test_import_of_one_certificate(client, operation, enqueued, django_capture_on_commit_callbacks):
    begin(client, IMPORT, "ps-01")
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(dialog_url(IMPORT), {"file": file("ps-01.pem", issued("ps-01"))})
    assert response.status_code == 200
    assert "1 certificate was imported." in response.content.decode()
    assert "zcc:changed" in events(response)
    assert state("ps-01") == S.UPLOADED
    assert enqueued == [str(operation.pk)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: issued("ps-02"), ""),
        (lambda: KEYS["ps-01"], "private key"),
        (lambda: "hello", "No certificate was found"),
        (lambda: b"", "empty"),
        (lambda: issued("ps-01", by=other_root()), ""),
        (lambda: b"x" * (300 * 1024), "exceeds the 256 KiB limit"),
    ],
    ids=["other server", "key", "text", "empty", "other root", "large"],
)
def test_a_certificate_that_does_not_match_is_rejected_with_the_reason(client, data, message):
    begin(client, IMPORT, "ps-01")
    response = client.post(dialog_url(IMPORT), {"file": file("x.pem", data())})
    assert response.status_code == 422
    assert message in str(response.context["form"].errors)
    assert "Nothing was changed." in response.content.decode()
    assert state("ps-01") == S.CSR_GENERATED


def other_root():
    return factories.root_pem(
        "CN=Stranger", factories.now() - timedelta(days=2), factories.now() + factories.YEAR
    )


@pytest.mark.manual("R208")
def test_a_file_is_required(client):
    begin(client, IMPORT, "ps-01")
    response = client.post(dialog_url(IMPORT), {})
    assert list(response.context["form"].errors) == ["file"]


def test_several_files_are_matched_by_key_and_others_are_reported(client):
    begin(client, IMPORT, "ps-01", "ps-02")
    sent = [
        file("a.pem", issued("ps-02")),
        file("b.pem", issued("ps-03")),
        file("c.txt", "no certificate"),
    ]
    page = client.post(dialog_url(IMPORT), {"file": sent}).content.decode()
    assert "1 certificate was imported." in page
    assert "b.pem" in page
    assert "The certificate does not match the CSR of any selected server." in page
    assert "c.txt" in page
    assert (state("ps-01"), state("ps-02")) == (S.CSR_GENERATED, S.UPLOADED)


def test_a_zip_of_certificates_is_imported(client):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("ps-01", "ps-02"):
            archive.writestr(f"{name}.crt", issued(name))
    begin(client, IMPORT, "ps-01", "ps-02")
    page = client.post(dialog_url(IMPORT), {"file": file("all.zip", packed.getvalue())})
    assert "2 certificates were imported." in page.content.decode()


@pytest.mark.manual("R198")
def test_csrs_are_downloaded_as_a_zip_file(client):
    response = begin(client, ZIP, "ps-01", "ps-02")
    assert response.status_code == 204
    file = client.get(events(response)["zcc:download"]["url"])
    assert 'filename="csrs_test-zone_' in file.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert sorted(archive.namelist()) == ["ps-01.acme.example.csr", "ps-02.acme.example.csr"]


@pytest.mark.manual("R198")
def test_a_zip_file_requires_several_servers(client):
    response = begin(client, ZIP, "ps-01")
    assert response.status_code == 409
    assert "Select two or more servers." in fault(response)


@pytest.mark.parametrize("do", [GENERATE, IMPORT])
def test_an_expired_dialog_says_so(client, do):
    response = client.post(f"{PAGE}{do}/{uuid4()}/", {})
    assert response.status_code == 404
    assert "expired" in fault(response)


@pytest.mark.manual("R196")
def test_actions_are_unavailable_without_a_pending_external_certificate(client, operation):
    page = client.get(PAGE, headers={"HX-Request": ""}).content.decode()
    assert 'value="generate-csr"' in page
    operation.futures.update(state=S.DISCARDED)
    page = client.get(PAGE, headers={"HX-Request": ""}).content.decode()
    assert 'value="generate-csr"' not in page
    assert "No servers are waiting for a certificate from an external CA." in page


def test_without_javascript_each_action_is_a_page(operation):
    client = entered(factories.admin(), htmx=False)
    response = begin(client, IMPORT, "ps-01")
    assert response.url == dialog_url(IMPORT)
    page = client.post(response.url, {"file": file("x.pem", issued("ps-01"))})
    assert "<!doctype html>" in page.content.decode()
    response = begin(client, ZIP, "ps-01", "ps-02")
    assert client.get(response.url).content.startswith(b"PK")
