"""The CSR of a subordinate CA on the page of its operation, and the dialog for its certificate."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from certificates.models import Authority, Operation
from tests.certificates.clients import PAGE, entered, events
from tests.support import factories, walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import TestZone

CA = "certificates.certificate_authority"


@pytest.fixture
def operation(zone: TestZone) -> Operation:
    """An operation that waits for the certificate of its new CA."""
    zone.first.refresh()
    found = walkthrough.to_subordinate(zone.first)
    walkthrough.prepare(zone, found)
    return walkthrough.fresh(found)


@pytest.fixture
def client(operation: Operation) -> Any:
    return entered(factories.user("admin", CA))


def url(operation: Operation, name: str) -> str:
    return f"{PAGE}operations/{operation.pk}/{name}"


def upload(client: Client, operation: Operation, data: str, **more: str) -> Any:
    file = SimpleUploadedFile("chain.pem", data.encode())
    return client.post(url(operation, "import-ca/"), {"file": file, **more})


def test_the_page_says_what_to_do(client: Client, operation: Operation) -> None:
    for page in (PAGE, url(operation, "")):
        text = client.get(page, headers={"HX-Request": "false"}).content.decode()
        assert "Waiting for the certificate of the new zone CA" in text
        assert f"b-ca-csr-{operation.pk}" in text
        assert f"b-import-ca-{operation.pk}" in text


def test_home_lists_the_csr_until_the_chain_is_imported(
    client: Client, operation: Operation
) -> None:
    item = "The CSR of the new zone CA must be signed"
    assert item in client.get("/", headers={"HX-Request": "false"}).content.decode()
    walkthrough.import_ca(operation, PublicCA())
    assert item not in client.get("/", headers={"HX-Request": "false"}).content.decode()


def test_the_chain_is_imported(client: Client, zone: TestZone, operation: Operation) -> None:
    file = client.get(url(operation, "ca.csr"))
    assert file.headers["Content-Disposition"].startswith("attachment; ")
    chain = PublicCA().certify(file.content.decode())
    assert "CN=Zone CA" in client.get(url(operation, "import-ca/")).content.decode()
    done = upload(client, operation, "".join(chain))
    assert done.status_code == 204, done.content
    assert events(done)
    assert not walkthrough.fresh(operation).awaits_ca_certificate
    text = client.get(PAGE, headers={"HX-Request": "false"}).content.decode()
    assert f"b-import-ca-{operation.pk}" not in text
    walkthrough.prepare(zone, operation)
    assert walkthrough.fresh(operation).state == "replicating"


def test_errors_are_shown_at_the_file(client: Client, operation: Operation) -> None:
    ca = PublicCA()
    for wrong, reason in (
        ("", "empty"),
        ("no certificate", "certificate"),
        (ca.root.pem, "None of the certificates in the file match the key of the new zone CA"),
    ):
        answer = upload(client, operation, wrong)
        assert answer.status_code == 422
        assert reason in " ".join(answer.context["form"].errors["file"])
    assert walkthrough.fresh(operation).awaits_ca_certificate


def test_the_password_is_required_again_later(operation: Operation) -> None:
    client = entered(factories.user("admin", CA), reauthenticated=False)
    chain = PublicCA().certify(client.get(url(operation, "ca.csr")).content.decode())
    answer = upload(client, operation, "".join(chain), password="wrong")
    assert set(answer.context["form"].errors) == {"password"}
    assert walkthrough.fresh(operation).awaits_ca_certificate


def test_the_dialog_is_closed_to_other_operations(client: Client, operation: Operation) -> None:
    Authority.objects.filter(pk=operation.future_authority_id).update(csr_pem="")
    for name in ("ca.csr", "import-ca/"):
        assert client.get(url(operation, name)).status_code == 409


def test_the_pane_names_the_issuer(client: Client, zone: TestZone, operation: Operation) -> None:
    walkthrough.import_ca(operation, PublicCA("Corporate"))
    walkthrough.prepare(zone, operation)
    current = Authority.objects.current()
    new = walkthrough.fresh(operation).future_authority
    assert new is not None
    rows = Authority.objects.filter(pk=current.pk)
    rows.update(kind="subordinate", intermediates_pem=new.intermediates_pem)
    text = client.get(PAGE, headers={"HX-Request": "false"}).content.decode()
    assert "CN=Corporate Issuing 1" in text
    assert "devices trust only the zone CA" in text
