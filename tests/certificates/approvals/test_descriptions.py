"""What a second administrator sees before approving a request."""

import pytest

from audit.chain.actor import Actor, acting_as
from certificates.approvals import descriptions
from certificates.authority import key_operations
from certificates.models import Authority, Operation
from console.pages.formatting import format_fingerprint, stamp
from pki.certificates import details
from tests.certificates.clients import PAGE, entered
from tests.support import walkthrough
from tests.support.public_ca import PublicCA

PHRASE = "seven quiet lakes"


def describe(operation):
    return {str(name): str(value) for name, value in descriptions.describe_operation(operation)}


@pytest.fixture
def operation(two):
    with acting_as(Actor("first", "192.0.2.7")):
        operation = walkthrough.remint_ca(common_name="NEXT", key_length=384)
    Operation.objects.filter(pk=operation.pk).update(requested_by=two[0])
    return walkthrough.fresh(operation)


def test_an_operation_is_described_with_labels_origin_and_consequences(operation):
    facts = describe(operation)
    assert facts["Requested by"] == "first"
    assert facts["Requested"] == stamp(operation.created_at)
    assert facts["Requested from"] == "192.0.2.7"
    assert facts["Subject of the new CA"] == "NEXT"
    assert facts["Key length"] == "384 (EC P-384)"
    assert facts["Include any additional DNS names for each server"] == "no"
    assert facts["New CA type"] == "Internal"
    assert format_fingerprint(Authority.objects.current().sha256) in facts["Current zone CA"]
    assert facts["Consequences"].startswith("1 server gets a new certificate.")


def test_the_dialog_shows_no_names_of_fields_and_no_secrets(two, operation):
    Operation.objects.get().save()
    dialog = entered(two[1]).get(f"{PAGE}operations/{operation.pk}/confirm/").content.decode()
    assert "Include any additional DNS names for each server" in dialog
    for name in ("include_dns", "include dns", "sealed", "BEGIN", "external False"):
        assert name not in dialog


def test_the_root_of_a_new_external_ca_is_described_by_its_fingerprint(two):
    ca = PublicCA()
    operation = walkthrough.to_external(ca)
    facts = describe(operation)
    assert facts["New CA type"] == "External"
    assert format_fingerprint(details.get_digest(ca.root.pem)) in facts["New zone CA"]


def test_a_new_subordinate_ca_is_described_without_a_validity(zone, two):
    Authority.objects.update(kind="subordinate")
    facts = describe(walkthrough.remint_ca(common_name="NEXT"))
    assert facts["New CA type"] == "Subordinate"
    assert "Valid for (years)" not in facts


def test_a_backup_is_described_with_the_ca_and_what_it_gives_away(two):
    with acting_as(Actor("first", "192.0.2.7")):
        job = key_operations.back_up(PHRASE, by=two[0])
    facts = {str(name): str(value) for name, value in descriptions.describe_job(job)}
    assert facts["Requested from"] == "192.0.2.7"
    assert format_fingerprint(job.authority.sha256) in facts["CA"]
    assert "can download the private key of the zone CA" in facts["Consequences"]
    assert (
        facts["Consequences"]
        in entered(two[1]).get(f"{PAGE}jobs/{job.pk}/confirm/").content.decode()
    )
