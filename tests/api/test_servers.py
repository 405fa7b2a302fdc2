"""REST API: servers, their CSRs and certificates, and CA key operations."""

import base64
import io
import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from administrators.models import Policies
from certificates.authority import key_jobs
from certificates.models import Authority, FutureCertificate, Operation, VaultJob
from certificates.operations.states import FutureState
from devices.models import Device
from tests.api.conftest import CA, caller, problem, refuses, succeeds
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from wire import messages

PHRASE = "seven quiet lakes"
EXTERNAL = PublicCA()


@pytest.fixture
def waiting(everybody, zone):
    """A change to an external CA. The server has generated its CSR."""
    operation = walkthrough.to_external(EXTERNAL)
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    zone.first.refresh()
    zone.first.request_certificate(str(operation.update_id))
    return f"servers/{zone.first.id}"


def answer_to_the_csr(form="chain", **bad):
    future = FutureCertificate.objects.get()
    names = {"dns": ["ps-01.test.example"], "addresses": ["127.9.0.1"], **bad}
    return EXTERNAL.answer(future.csr_pem, form, **names)


@succeeds(
    "GET /servers",
    "GET /servers/{server_id}",
    "GET /servers/{server_id}/certificate",
    "GET /servers/{server_id}/certificate/details",
)
def test_servers_are_listed_with_their_certificates(everybody, zone):
    zone.join("pc-1")
    found = everybody.get("servers").json()
    assert [server["name"] for server in found["items"]] == ["ps-01"]
    server = found["items"][0]
    assert everybody.get(f"servers/{server['id']}").json() == server
    file = everybody.get(f"servers/{server['id']}/certificate")
    assert file.headers["Content-Type"] == "application/x-pem-file"
    details = everybody.get(f"servers/{server['id']}/certificate/details").json()
    assert details["dns_names"] == ["ps-01.test.example"]
    assert details["sha256"] == server["certificate"]["sha256"]
    assert everybody.get("servers?q=nobody").json()["total"] == 0


@refuses(
    "GET /servers/{server_id}",
    "GET /servers/{server_id}/certificate",
    "GET /servers/{server_id}/certificate/details",
    "GET /servers/{server_id}/csr",
    "GET /servers/{server_id}/future-certificate",
    "GET /csrs",
    "POST /csrs",
)
def test_missing_certificates_are_not_found(everybody, zone):
    pc, first = zone.join("pc-1"), zone.first
    for part in ("", "/certificate", "/certificate/details", "/csr", "/future-certificate"):
        problem(everybody.get(f"servers/{pc.id}{part}"), 404)
    for part in ("csr", "future-certificate"):
        answer_body = problem(everybody.get(f"servers/{first.id}/{part}"), 404)
        assert "ps-01" in answer_body["detail"]
    answer_body = problem(everybody.get(f"csrs?server_ids={first.id}"), 404)
    assert "not waiting for a new certificate" in answer_body["detail"]
    problem(everybody.post("csrs", {"server_ids": [first.id]}), 404)
    problem(everybody.post("csrs", {"server_ids": []}), 422)


@succeeds("GET /servers/{server_id}/csr", "GET /csrs", "POST /csrs")
def test_csrs_are_downloaded_and_generated_again(everybody, zone, waiting):
    file = everybody.get(f"{waiting}/csr")
    assert file.content.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    packed = everybody.get(f"csrs?server_ids={zone.first.id}")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.namelist() == ["ps-01.test.example.csr"]
    data = {"server_ids": [zone.first.id], "subject": {"organization": "ACME"}}
    problem(everybody.post("csrs", data), 409)  # its agent is too old
    Device.objects.filter(pk=zone.first.id).update(features=[messages.FEATURE_CSR])
    answer = everybody.post("csrs", data)
    assert answer.status_code == 200, answer.content
    answer_body = answer.json()
    assert answer_body[0]["future"]["state"] == FutureState.AWAITED
    assert FutureCertificate.objects.get().csr_parameters["organization"] == "ACME"


@succeeds(
    "PUT /servers/{server_id}/future-certificate",
    "GET /servers/{server_id}/future-certificate",
)
@pytest.mark.parametrize("form", ["chain", "der", "p7b"])
def test_a_certificate_is_imported_as_text(everybody, waiting, form):
    data = answer_to_the_csr(form)
    text = data.decode() if form == "chain" else base64.b64encode(data).decode()
    answer = everybody.put(f"{waiting}/future-certificate", {"certificate": text})
    assert answer.status_code == 200, answer.content
    assert answer.json()["server"]["future"]["state"] == "uploaded"
    file = everybody.get(f"{waiting}/future-certificate")
    assert file.content.startswith(b"-----BEGIN CERTIFICATE-----")


@succeeds("POST /servers/{server_id}/future-certificate")
def test_a_certificate_is_imported_as_a_file(everybody, waiting):
    file = SimpleUploadedFile("answer.p7b", answer_to_the_csr("p7b"))
    answer = everybody.upload(f"{waiting}/future-certificate", {"file": file})
    assert answer.status_code == 200, answer.content


@refuses(
    "PUT /servers/{server_id}/future-certificate",
    "POST /servers/{server_id}/future-certificate",
)
def test_a_certificate_that_does_not_match_is_not_imported(everybody, waiting):
    wrong = {
        "does not cover": answer_to_the_csr(dns=["else.example"], common_name="else.example"),
        "is empty": b" ",
        "contains a private key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "exceeds the 256 KiB limit": b"A" * (256 * 1024 + 1),
    }
    for message, data in wrong.items():
        file = SimpleUploadedFile("answer.pem", data)
        answer = everybody.upload(f"{waiting}/future-certificate", {"file": file})
        assert message in problem(answer, answer.status_code)["detail"]
        assert answer.status_code in (409, 422)
    problem(everybody.put(f"{waiting}/future-certificate", {"certificate": "!"}), 422)
    problem(everybody.upload(f"{waiting}/future-certificate", {}), 422)
    assert FutureCertificate.objects.get().state == FutureState.CSR_GENERATED


@succeeds("POST /certificates")
def test_files_are_matched_by_key(everybody, waiting):
    files = [
        SimpleUploadedFile("good.pem", answer_to_the_csr()),
        SimpleUploadedFile("other.pem", PublicCA("Other").root.pem.encode()),
        SimpleUploadedFile("rubbish.txt", b"rubbish"),
    ]
    answer_body = everybody.upload("certificates", {"file": files}).json()
    assert answer_body["done"] == ["ps-01"], answer_body
    assert "No certificate was found" in answer_body["refused"]["rubbish.txt"]
    assert FutureCertificate.objects.get().state == FutureState.UPLOADED


@refuses("POST /certificates")
def test_an_import_without_a_file_or_of_a_zip_bomb_is_rejected(everybody, waiting):
    problem(everybody.upload("certificates", {}), 422)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pem", bytes(5 << 20))
    file = SimpleUploadedFile("bomb.zip", buffer.getvalue())
    problem(everybody.upload("certificates", {"file": [file]}), 422)


def done(everybody, answer):
    """Run a CA key operation on its server, and return the result."""
    assert answer.status_code == 202, answer.content
    path = f"jobs/{answer.json()['id']}"
    assert everybody.get(path).json()["state"] == "waiting"
    key_jobs.run(VaultJob.objects.get(pk=answer.json()["id"]), now=timezone.now())
    return everybody.get(path).json()


@succeeds(
    "POST /authority/backup",
    "POST /authority/restore",
    "GET /jobs/{job_id}",
    "GET /jobs/{job_id}/result",
)
def test_the_ca_is_backed_up_and_restored(everybody, zone):
    job = done(everybody, everybody.post("authority/backup", {"passphrase": PHRASE}))
    assert (job["state"], job["has_result"]) == ("done", True)
    file = everybody.get(f"jobs/{job['id']}/result")
    assert file.headers["Content-Type"] == "application/zip"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    zone.first.refresh()
    data = {
        "server_id": zone.first.id,
        "passphrase": PHRASE,
        "file": SimpleUploadedFile("backup.zip", file.content),
    }
    assert done(everybody, everybody.upload("authority/restore", data))["state"] == "done"


@refuses("POST /authority/backup", "POST /authority/restore", "GET /jobs/{job_id}/result")
def test_weak_passphrases_foreign_backups_and_early_downloads_are_rejected(everybody, zone):
    answer_body = problem(everybody.post("authority/backup", {"passphrase": "short"}), 422)
    assert "short" not in json.dumps(answer_body).replace("too short", "")
    for content in (b"", b"PK\x03\x04rubbish"):
        file = SimpleUploadedFile("backup.zip", content)
        data = {"server_id": zone.first.id, "passphrase": PHRASE, "file": file}
        answer = everybody.upload("authority/restore", data)
        problem(answer, answer.status_code)
        assert answer.status_code in (409, 422)
    assert not VaultJob.objects.exists()
    answer = everybody.post("authority/backup", {"passphrase": PHRASE})
    problem(everybody.get(f"jobs/{answer.json()['id']}/result"), 409)
    answer_body = problem(everybody.post("authority/backup", {"passphrase": PHRASE}), 409)
    assert "is in progress" in answer_body["detail"]
    problem(caller("other", CA).get(f"jobs/{answer.json()['id']}"), 404)


@succeeds("POST /jobs/{job_id}/confirm")
@refuses("POST /jobs/{job_id}/confirm")
def test_a_backup_requires_approval_by_a_second_administrator(everybody, zone):
    Policies.objects.update(two_administrators=True)
    job = everybody.post("authority/backup", {"passphrase": PHRASE}).json()
    assert job["state"] == "proposed"
    answer_body = problem(everybody.post(f"jobs/{job['id']}/confirm"), 409)
    assert "second administrator" in answer_body["detail"]
    second = caller("second", CA)
    assert second.post(f"jobs/{job['id']}/confirm").json()["state"] == "waiting"


@succeeds("POST /authority/move")
def test_the_ca_role_moves(everybody, zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    second.refresh()
    job = done(everybody, everybody.post("authority/move", {"server_id": second.id}))
    assert job["state"] == "done"
    assert str(Authority.objects.current().certificate_server_id) == second.id


@refuses("POST /authority/move")
def test_the_ca_role_cannot_move_to_its_server_or_during_an_operation(everybody, zone):
    zone.first.refresh()
    answer_body = problem(everybody.post("authority/move", {"server_id": zone.first.id}), 422)
    assert "already has the CA role" in answer_body["detail"]
    walkthrough.remint_ca()
    answer_body = problem(everybody.post("authority/move", {"server_id": zone.first.id}), 409)
    assert "in progress" in answer_body["detail"]
    assert Operation.objects.count() == 1
