"""Accepting a finding of a health check: page, REST API, audit log, and what it applies to.

See: D-185
"""

import pytest
from django.test import Client

from audit.models import Entry
from certificates.models import Authority, HealthAcceptance
from certificates.monitoring.checks import acceptance
from console.pages.formatting import format_fingerprint
from devices.models import Device
from faults import Invalid, Refused
from tests.support import factories

pytestmark = pytest.mark.django_db
PAGE = "/health-checks/"


@pytest.fixture
def client(ca):
    client = Client()
    client.force_login(factories.admin())
    return client


def accept(client, ca, **values):
    url = f"{PAGE}ca-backup/accept/?subject={ca.sha256}"
    return client.post(
        url,
        {"reason": "The key is in the safe.", "password": factories.PASSWORD, **values},
        headers={"HX-Request": "true"},
    )


def test_an_accepted_finding_is_listed_with_its_reason_and_not_on_home(client, ca):
    text = "The zone CA " + ca.subject
    assert text in client.get("/").content.decode()
    assert accept(client, ca).status_code == 204
    assert text not in client.get("/").content.decode()
    page = client.get(PAGE).content.decode()
    assert text in page
    assert "Accepted by admin: The key is in the safe." in page
    entry = Entry.objects.get(action="accept-finding")
    assert entry.actor == "admin"
    assert "The key is in the safe." in entry.note


def test_an_acceptance_applies_to_one_subject(client, ca):
    accept(client, ca)
    Authority.objects.filter(pk=ca.pk).update(state="grace")
    new = factories.authority(Device.objects.primaries().first(), name="NEW")
    assert format_fingerprint(new.sha256[:16]) in client.get("/").content.decode()


def test_a_withdrawn_acceptance_opens_the_finding(client, ca):
    accept(client, ca)
    pk = HealthAcceptance.objects.get().pk
    response = client.post(
        f"{PAGE}acceptances/{pk}/withdraw/",
        {"password": factories.PASSWORD},
        headers={"HX-Request": "true"},
    )
    assert response.status_code == 204
    assert "The zone CA " + ca.subject in client.get("/").content.decode()
    assert Entry.objects.filter(action="withdraw-acceptance").count() == 1


def test_accepting_asks_for_the_password(client, ca):
    assert accept(client, ca, password="wrong").status_code == 422
    assert not HealthAcceptance.objects.exists()


def test_a_reason_is_required(client, ca):
    response = accept(client, ca, reason="  ")
    assert response.status_code == 422
    assert "Enter a reason." in response.content.decode()
    assert not HealthAcceptance.objects.exists()


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_the_service_checks_the_reason(ca, reason):
    with pytest.raises(Invalid):
        acceptance.accept("ca-backup", ca.sha256, reason, by="admin")


def test_a_fault_cannot_be_accepted(ca):
    with pytest.raises(Refused):
        acceptance.accept("disk", "", "no matter", by="admin")


def test_what_was_not_found_has_no_dialog(client, ca):
    assert client.get(f"{PAGE}ca-backup/accept/?subject=other").status_code == 404
    assert client.get(f"{PAGE}unknown/accept/").status_code == 404


def test_accepting_needs_the_right(ca):
    viewer = Client()
    user = factories.admin("viewer")
    user.is_superuser = False
    user.save()
    viewer.force_login(user)
    page = viewer.get(PAGE).content.decode()
    assert "ca-backup" not in page
    response = viewer.post(f"{PAGE}ca-backup/accept/?subject={ca.sha256}", {"reason": "x"})
    assert response.status_code == 403
    assert not HealthAcceptance.objects.exists()
