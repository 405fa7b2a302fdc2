"""The fields for name constraints in Remint CA and Change CA."""

from __future__ import annotations

import pytest

from certificates.approvals.descriptions import describe_operation
from certificates.models import Authority, Draft, Operation
from certificates.name_constraints import proposal
from pki.certificates.constraints import NameConstraints
from tests.certificates.clients import PAGE, entered, events, local
from tests.certificates.operations.presentation.test_change_ca import internal, step
from tests.certificates.operations.presentation.test_dialogs import REMINT, form_data
from tests.support import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enqueued")]


@pytest.fixture
def client(ca):
    return entered(factories.admin())


@pytest.fixture
def limits(monkeypatch):
    """The proposal, which depends on the names of the servers in the factories."""
    found = proposal.propose()
    return {name: "\n".join(texts) for name, texts in found.serialize().items()}


def started():
    return Operation.objects.get().parameters["name_constraints"]


def test_the_fields_are_collapsed_with_a_proposal_and_do_not_apply(client, limits):
    page = client.get(REMINT)
    form = page.context["form"]
    assert '<details class="callout note" id="name-constraints" >' in page.content.decode()
    assert form["domains"].value() == limits["domains"] != ""
    assert not form["constrain"].value()
    assert client.post(REMINT, form_data(**limits)).status_code == 204
    assert started() is None


def test_remint_ca_with_constraints(client, limits):
    response = client.post(REMINT, form_data(constrain="on", **limits))
    assert events(response)
    assert NameConstraints.of(started()) == proposal.propose()
    facts = {str(name): str(value) for name, value in describe_operation(Operation.objects.get())}
    assert facts["Permitted domains"] == limits["domains"].replace("\n", ", ")
    assert facts["Permitted networks"] == limits["networks"].replace("\n", ", ")
    assert "Excluded domains and networks" not in facts


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("domains", "", "at least one domain"),
        ("domains", "com", "top-level domain"),
        ("domains", "elsewhere.example", "do not permit"),
        ("networks", "", "do not permit"),
        ("networks", "10.0.0.1/8", "not a network"),
        ("excluded", "a_b.example", "underscore"),
    ],
)
def test_errors_are_shown_at_their_field_and_nothing_starts(client, limits, field, value, reason):
    response = client.post(REMINT, form_data(constrain="on", **{**limits, field: value}))
    assert response.status_code == 422
    form = response.context["form"]
    assert list(form.errors) == [field]
    assert reason in str(form.errors[field])
    assert form.shows_name_constraints
    assert not Operation.objects.exists()


def test_the_constraints_of_the_zone_ca_are_suggested_again(client):
    found = NameConstraints.parse(["zone.example"], ["10.0.0.0/8"])
    now = factories.now()
    root = factories.root_pem("LIMITED", now, now + factories.YEAR, found)
    Authority.objects.update(root_pem=root)
    page = client.get(REMINT)
    form = page.context["form"]
    assert form["constrain"].value()
    assert form["domains"].value() == "zone.example"
    assert 'id="name-constraints" open' in page.content.decode()
    shown = client.get(f"{PAGE}view-certificate/").content.decode()
    assert "Permitted names" in shown
    assert "DNS zone.example, IP 10.0.0.0/8, IPv6 (none), Email (none), URI (none)" in shown


def test_change_ca_keeps_the_input_of_its_first_page(client, limits):
    url = f"{PAGE}change-ca/"
    client.post(url, internal(constrain="on", **limits))
    assert Draft.objects.get().data["authority"]["constrain"]
    assert client.post(step("activation"), {"activates_at": local(days=2)}).status_code == 204
    assert NameConstraints.of(started()) == proposal.propose()


def test_change_ca_shows_errors_on_its_first_page(client, limits):
    given = internal(constrain="on", **{**limits, "domains": "com"})
    response = client.post(f"{PAGE}change-ca/", given)
    assert set(response.context["form"].errors) == {"domains"}
