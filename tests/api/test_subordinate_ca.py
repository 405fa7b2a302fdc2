"""REST API: change to a subordinate CA, get its CSR, and import its chain."""

import base64
from uuid import uuid4

import pytest
from cryptography import x509

from certificates.models import Authority, Operation
from pki.certificates.constraints import NameConstraints
from tests.api.conftest import problem, refuses, succeeds
from tests.support import walkthrough
from tests.support.public_ca import PublicCA

CORPORATE = PublicCA("Corporate")


@pytest.fixture
def order(zone):
    zone.first.refresh()
    at = walkthrough.soon().isoformat()
    return {"certificate_server_id": zone.first.id, "subject": "CN=Zone CA", "activates_at": at}


@pytest.fixture
def waiting(everybody, zone, order):
    """An operation that waits for the certificate of its new CA."""
    answer = everybody.post("operations/change-ca/subordinate", order)
    assert answer.status_code == 201, answer.content
    walkthrough.prepare(zone, Operation.objects.get())
    return f"operations/{answer.json()['id']}"


@succeeds(
    "POST /operations/change-ca/subordinate",
    "GET /operations/{operation_id}/ca-csr",
    "POST /operations/{operation_id}/ca-certificate",
)
@pytest.mark.parametrize("form", ["pem", "base64"])
def test_change_ca_to_a_subordinate_ca(everybody, zone, waiting, form):
    assert everybody.get(waiting).json()["awaits_ca_certificate"]
    file = everybody.get(f"{waiting}/ca-csr")
    assert file.headers["Content-Type"] == "application/pkcs10"
    chain = "".join(CORPORATE.certify(file.content.decode()))
    text = chain if form == "pem" else base64.b64encode(chain.encode()).decode()
    answer = everybody.post(f"{waiting}/ca-certificate", {"certificates": text})
    assert answer.status_code == 200, answer.content
    assert not answer.json()["awaits_ca_certificate"]
    walkthrough.prepare(zone, Operation.objects.get())
    assert Operation.objects.get().state == "replicating"
    new = everybody.get(f"authorities/{answer.json()['future_authority_id']}").json()
    assert new["kind"] == "subordinate"


@refuses("POST /operations/change-ca/subordinate")
def test_a_wrong_request_is_rejected(everybody, order):
    for wrong in ({"subject": ""}, {"certificate_server_id": str(uuid4())}, {"key_length": 100}):
        told = problem(everybody.post("operations/change-ca/subordinate", order | wrong), 422)
        assert told["detail"]
    assert not Operation.objects.exists()


@refuses("POST /operations/{operation_id}/ca-certificate")
def test_a_chain_that_is_not_for_the_csr_is_rejected(everybody, waiting):
    for wrong in ("", "!", "QUFB", CORPORATE.root.pem, "".join(CORPORATE.chain)):
        told = problem(everybody.post(f"{waiting}/ca-certificate", {"certificates": wrong}), 422)
        assert told["detail"]
    assert Authority.objects.get(state="future").awaits_certificate


@refuses("GET /operations/{operation_id}/ca-csr", "POST /operations/{operation_id}/ca-certificate")
def test_other_operations_wait_for_no_certificate(everybody, zone):
    at = walkthrough.soon().isoformat()
    order = {"common_name": "NEXT", "activates_at": at}
    remint = everybody.post("operations/remint-ca", order).json()
    there = f"operations/{remint['id']}"
    told = problem(everybody.get(f"{there}/ca-csr"), 409)
    assert "is not waiting for the certificate of a CA" in told["detail"]
    body = {"certificates": CORPORATE.root.pem}
    problem(everybody.post(f"{there}/ca-certificate", body), 409)


def test_name_constraints_are_requested_in_the_csr(everybody, zone, order):
    limits = {"domains": ["test.example"], "networks": ["127.9.0.0/24"], "excluded": []}
    answer = everybody.post(
        "operations/change-ca/subordinate", order | {"name_constraints": limits}
    )
    assert answer.status_code == 201, answer.content
    walkthrough.prepare(zone, Operation.objects.get())
    file = everybody.get(f"operations/{answer.json()['id']}/ca-csr").content
    found = x509.load_pem_x509_csr(file).extensions.get_extension_for_class(x509.NameConstraints)
    assert found.value == NameConstraints.of(limits).to_extension()
