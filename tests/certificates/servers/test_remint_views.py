"""Remint Certificate: snapshot of the selection, pages, and errors.

See: manual 1.3.2
"""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from certificates.models import Authority, Draft, Operation
from certificates.operations.states import FutureState, OperationState
from devices.models import Device, Role
from tests.certificates.clients import PAGE, entered, events, local
from tests.support import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enqueued")]
SELECTED = f"{PAGE}servers/selected/"
KINDS = Operation.Kind


@pytest.fixture
def ca(ca):
    Device.objects.update(dns_names=["www.acme.example"])
    factories.certificate(factories.server("ps-02"), ca)
    return ca


@pytest.fixture
def client(ca):
    return entered(factories.admin())


def external():
    Authority.objects.update(kind=Authority.Kind.EXTERNAL, certificate_server=None)


def begin(client, *names):
    ids = [str(Device.objects.get(name=name).pk) for name in names]
    return client.post(SELECTED, {"do": "remint-certificate", "ids": ids})


def step(key="servers"):
    return f"{PAGE}remint-certificate/{Draft.objects.get().pk}/{key}/"


def values_with(**changes):
    values = {
        "confirm": "on",
        "common_name": "ps-01.acme.example",
        "key_length": "256",
        "activates_at": local(days=2),
        "name": "Autumn remint",
    }
    return {name: v for name, v in {**values, **changes}.items() if v is not None}


def errors(response):
    return set(response.context["form"].errors)


@pytest.mark.manual("R171", "R172", "R173", "R174")
def test_it_opens_with_the_manuals_labels_for_a_single_server(client):
    response = begin(client, "ps-01")
    page = response.content.decode()
    for label in (
        *("Remint Certificate", "Yes, I want to remint the certificate for this server"),
        *("Common name", "Key length", "Certificate activation date and time"),
        *("Include any additional DNS names for each server", "www.acme.example"),
    ):
        assert label in page, label
    form = response.context["form"]
    assert form["common_name"].value() == "ps-01.acme.example"
    assert re.fullmatch(r"Remint Certificate ps-01 .+, \d\d:\d\d:\d\d \S+", form["name"].value()), (
        "two operations of one minute have different names"
    )


@pytest.mark.manual("R172")
def test_common_name_is_hidden_for_several_servers_and_for_one_with_satellites(client):
    assert "common_name" not in begin(client, "ps-01", "ps-02").context["form"].fields
    parent = Device.objects.get(name="ps-01")
    factories.server("sat-1", Role.AUTHENTICATION_SATELLITE, parent=parent)
    assert "common_name" not in begin(client, "ps-01").context["form"].fields


@pytest.fixture
def satellites(ca):
    """sat-1 and sat-2 belong to ps-01, and so do two devices without server certificates."""
    parent = Device.objects.get(name="ps-01")
    found = [factories.server(n, Role.AUTHENTICATION_SATELLITE, parent=parent) for n in SATELLITES]
    for satellite in found:
        factories.certificate(satellite, ca)
    factories.server("cs-1", Role.CONTENT_SATELLITE, parent=parent)
    factories.device("pc-1", parent=parent)
    return [str(satellite.pk) for satellite in found]


SATELLITES = ("sat-1", "sat-2")


def reminted():
    return sorted(Operation.objects.get().futures.values_list("device__name", flat=True))


def test_associated_satellites_are_listed_and_included(client, satellites):
    response = begin(client, "ps-01")
    form = response.context["form"]
    assert form["satellites"].value() == satellites
    assert "Associated satellites" in response.content.decode()
    for name in SATELLITES:
        assert f"{name} ({name}.acme.example)" in response.content.decode()
    client.post(step(), values_with(common_name=None, satellites=satellites))
    assert reminted() == ["ps-01", *SATELLITES]


def test_satellites_can_be_excluded(client, satellites):
    begin(client, "ps-01")
    client.post(step(), values_with(common_name=None, satellites=satellites[1:]))
    assert reminted() == ["ps-01", "sat-2"]


def test_a_satellite_that_was_not_offered_is_ignored(client, satellites):
    begin(client, "ps-02")
    sent = values_with(common_name="ps-02.acme.example", satellites=satellites)
    assert client.post(step(), sent).status_code == 204
    assert reminted() == ["ps-02"]


def test_a_satellite_with_a_pending_certificate_is_not_offered(client, ca, satellites):
    other = factories.operation(ca, kind=KINDS.REMINT_SERVER)
    factories.future(other, Device.objects.get(name="sat-1"), FutureState.AWAITED)
    assert begin(client, "ps-01").context["form"]["satellites"].value() == satellites[1:]


def test_a_selected_satellite_is_not_offered_again(client, satellites):
    assert begin(client, "ps-01", "sat-1").context["form"]["satellites"].value() == satellites[1:]


@pytest.mark.manual("R188")
def test_under_an_external_ca_satellites_are_offered_on_the_first_page(client, satellites):
    external()
    assert "common_name" not in begin(client, "ps-01").context["form"].fields
    client.post(step("csr"), {"manual_csr": "manual", "satellites": satellites[:1]})
    page = client.get(step("activation")).content.decode()
    assert "sat-1" in page
    assert "sat-2" not in page
    client.post(step("activation"), {"activates_at": local(days=2), "name": "x"})
    assert reminted() == ["ps-01", "sat-1"]


def test_devices_that_belong_to_a_server_do_not_hide_its_common_name(client):
    factories.device("pc-1", parent=Device.objects.get(name="ps-01"))
    assert "common_name" in begin(client, "ps-01").context["form"].fields


@pytest.mark.manual("R174")
def test_dns_names_cannot_be_chosen_where_there_are_none(client):
    form = begin(client, "ps-02").context["form"]
    assert form.fields["include_dns"].disabled
    assert "No additional DNS names are configured" in str(form.fields["include_dns"].help_text)
    client.post(step(), values_with(common_name="ps-02.acme.example", include_dns="on"))
    assert Operation.objects.get().parameters["include_dns"] is False


@pytest.mark.manual("R170", "R176", "R177", "R178")
def test_it_starts_the_operation_for_the_selected_servers(
    client, enqueued, django_capture_on_commit_callbacks
):
    begin(client, "ps-01")
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(step(), values_with(include_dns="on"))
    assert response.status_code == 204
    message = "The Remint Certificate operation has been initiated."
    assert events(response)["zcc:announce"]["text"] == message
    operation = Operation.objects.get()
    assert operation.name == "Autumn remint"
    assert [future.device.name for future in operation.futures.all()] == ["ps-01"]
    assert "www.acme.example" in operation.futures.get().csr_parameters["dns_names"]
    assert enqueued == [str(operation.pk)]


def test_a_second_click_does_not_start_a_second_operation(client):
    begin(client, "ps-01")
    url = step()
    assert [client.post(url, values_with()).status_code for _n in range(2)] == [204, 204]
    assert Operation.objects.count() == 1


@pytest.mark.manual("R171", "R173", "R175", "R176")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"confirm": None}, "confirm"),
        ({"common_name": ""}, "common_name"),
        ({"common_name": "other.example"}, "common_name"),
        ({"key_length": "1024"}, "key_length"),
        ({"activates_at": "2020-01-01T10:00"}, "activates_at"),
        ({"activates_at": "2199-01-01T10:00"}, "activates_at"),
        ({"activates_at": ""}, "activates_at"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_an_error_is_shown_at_its_field(client, changes, field):
    begin(client, "ps-01")
    response = client.post(step(), values_with(**changes))
    assert response.status_code == 422
    assert errors(response) == {field}
    assert "Nothing was changed." in response.content.decode()
    assert not Operation.objects.exists()


def test_an_additional_name_can_be_the_common_name(client):
    begin(client, "ps-01")
    client.post(step(), values_with(common_name="www.acme.example"))
    parameters = Operation.objects.get().futures.get().csr_parameters
    assert parameters["common_name"] == "www.acme.example"
    assert "www.acme.example" in parameters["dns_names"], (
        "a common name must also be a subject alternative name"
    )


@pytest.mark.parametrize("ids", [[], ["nonsense"], [str(uuid4())]])
def test_an_invalid_selection_is_rejected(client, ids):
    response = client.post(SELECTED, {"do": "remint-certificate", "ids": ids})
    assert response.status_code in (409, 422)
    assert not Draft.objects.exists()


def test_an_unknown_action_is_rejected(client):
    ids = [str(Device.objects.get(name="ps-01").pk)]
    assert client.post(SELECTED, {"do": "explode", "ids": ids}).status_code == 422


@pytest.mark.manual("R170")
def test_it_is_unavailable_during_a_ca_operation(client, ca):
    factories.operation(ca)
    response = begin(client, "ps-01")
    assert response.status_code == 409
    assert "Remint CA is in progress" in events(response)["zcc:fault"]["explanation"]
    page = client.get(PAGE, headers={"HX-Request": ""}).content.decode()
    assert 'id="why-remint-certificate">Remint CA is in progress' in page


def test_server_remints_can_run_at_the_same_time_on_different_servers(client, ca):
    other = factories.operation(ca, kind=KINDS.REMINT_SERVER)
    factories.future(other, Device.objects.get(name="ps-02"), FutureState.AWAITED)
    assert begin(client, "ps-01").status_code == 200
    response = begin(client, "ps-01", "ps-02")
    assert response.status_code == 409
    message = "1 of 2 selected servers is already waiting for a new certificate: ps-02."
    assert message in events(response)["zcc:fault"]["explanation"]


def test_an_expired_internal_ca_must_be_reminted_first(client):
    Authority.objects.update(not_after=factories.now() - timedelta(days=1))
    response = begin(client, "ps-01")
    assert "Remint the CA first." in events(response)["zcc:fault"]["explanation"]


def test_an_expired_certificate_is_activated_immediately(client):
    holder = Device.objects.get(name="ps-01")
    holder.certificates.update(not_after=factories.now() - timedelta(days=1))
    assert "Immediate" in begin(client, "ps-01").content.decode()
    assert client.post(step(), values_with(activates_at=None)).status_code == 204
    assert Operation.objects.get().immediate


def test_an_expired_certificate_makes_the_activation_immediate_for_all(client):
    Device.objects.get(name="ps-01").certificates.update(
        not_after=factories.now() - timedelta(days=1)
    )
    page = begin(client, "ps-01", "ps-02").content.decode()
    assert "Already expired: ps-01. All selected servers will therefore be activated" in page
    assert "Already expired" not in begin(client, "ps-01").content.decode()


def test_a_selected_server_without_contact_is_reported_by_name(client):
    factories.device("pc-1", last_contact=None)
    assert "No contact for" not in begin(client, "ps-01", "ps-02").content.decode()
    Device.objects.filter(name="ps-02").update(last_contact=factories.now() - timedelta(days=2))
    page = begin(client, "ps-01", "ps-02").content.decode()
    assert "No contact for more than two refresh intervals: ps-02." in page


def test_a_selected_certificate_that_expires_before_activation_causes_a_warning(client):
    soon = factories.now() + timedelta(minutes=30)
    Device.objects.get(name="ps-02").certificates.update(not_after=soon)
    assert "The certificate for ps-02 expires" in begin(client, "ps-02").content.decode()
    assert "The certificate for ps-02 expires" not in begin(client, "ps-01").content.decode()


def test_changes_since_the_list_was_shown_are_reported_and_nothing_is_started(client, ca):
    begin(client, "ps-01", "ps-02")
    Device.objects.filter(name="ps-01").update(dns_names=["new.acme.example"])
    Device.objects.get(name="ps-02").certificates.update(digest="0" * 64)
    response = client.post(step(), values_with(common_name=None))
    assert response.status_code == 409
    page = response.content.decode()
    assert "The DNS names of ps-01 have changed in the meantime." in page
    assert "The certificate for ps-02 has been replaced in the meantime." in page
    assert not Operation.objects.exists()
    assert client.post(step(), values_with(common_name=None)).status_code == 204


def test_a_server_that_has_left_the_zone_is_reported_and_removed(client):
    begin(client, "ps-01", "ps-02")
    Device.objects.filter(name="ps-02").update(state="unregistered")
    response = client.post(step(), values_with())
    assert response.status_code == 409
    assert "ps-02 is no longer a server in this zone." in response.content.decode()
    Device.objects.filter(name="ps-01").update(state="unregistered")
    response = client.post(step(), values_with())
    assert response.status_code == 409
    assert "zcc:fault" in events(response)


@pytest.mark.manual("R187", "R188", "R189", "R190", "R192", "R193")
def test_an_external_ca_has_a_csr_page_and_an_activation_page(client):
    external()
    page = begin(client, "ps-01").content.decode()
    for label in (
        *("I will generate a CSR for each server manually", "Common name", "Organization unit"),
        *("Let ZENworks generate a CSR automatically for each server", "Country/region"),
        *("City/Locality", "State/Province", "Key Length", "Next"),
    ):
        assert label in page, label
    sent = {"manual_csr": "automatic", "organization": "Acme", "country": "de", "key_length": "256"}
    page = client.post(step("csr"), sent).content.decode()
    assert "Finish" in page
    last = {"activates_at": local(days=2), "name": "External remint"}
    assert client.post(step("activation"), last).status_code == 204
    parameters = Operation.objects.get().futures.get().csr_parameters
    assert (parameters["organization"], parameters["country"]) == ("Acme", "DE")


@pytest.mark.manual("R191")
def test_the_earliest_certificate_sets_the_limit_under_an_external_ca(client):
    external()
    holder = Device.objects.get(name="ps-02")
    holder.certificates.update(not_after=factories.now() + timedelta(days=5))
    begin(client, "ps-01", "ps-02")
    client.post(step("csr"), {"manual_csr": "manual"})
    response = client.post(step("activation"), {"activates_at": local(days=6), "name": "x"})
    assert errors(response) == {"activates_at"}
    assert "the certificate for ps-02 expires" in response.content.decode()


def test_back_keeps_what_was_entered(client):
    external()
    begin(client, "ps-01")
    client.post(step("csr"), {"manual_csr": "automatic", "organization": "Acme"})
    response = client.post(step("activation"), {"back": "1", "name": "Kept name"})
    assert response.context["form"]["organization"].value() == "Acme"
    assert client.get(step("activation")).context["form"]["name"].value() == "Kept name"


def test_a_rejected_common_name_is_shown_on_its_page(client):
    external()
    begin(client, "ps-01")
    client.post(step("csr"), {"manual_csr": "automatic", "common_name": "other.example"})
    response = client.post(step("activation"), {"activates_at": local(days=2), "name": "x"})
    assert response.status_code == 422
    assert errors(response) == {"common_name"}


def test_drafts_of_others_and_pages_of_the_other_kind_are_not_found(client):
    begin(client, "ps-01")
    assert client.get(step("csr")).status_code == 404
    assert entered(factories.admin("other")).get(step()).status_code == 404


@pytest.mark.manual("R180")
def test_assign_now_lists_the_selected_servers(client, ca):
    operation = factories.operation(ca, kind=KINDS.REMINT_SERVER, state=OperationState.REPLICATING)
    factories.future(operation, Device.objects.get(name="ps-01"), FutureState.AWAITED)
    page = client.get(f"{PAGE}operations/{operation.pk}/assign/").content.decode()
    assert 'popovertarget="selected-servers"' in page
    assert "<li>ps-01</li>" in page


def test_readers_can_select_servers_only_for_a_file(ca):
    reader = entered(factories.user("reader"), htmx=False).get(PAGE).content.decode()
    admin = entered(factories.admin(), htmx=False).get(PAGE).content.decode()
    for page in (reader, admin):
        assert 'name="ids"' in page
        assert "Export Selected" in page
    action = reverse("certificates:open_action")
    assert action not in reader
    assert action in admin


def test_without_javascript_the_dialog_is_a_page(ca):
    client = entered(factories.admin(), htmx=False)
    response = begin(client, "ps-01")
    assert response.url == step()
    assert "<!doctype html>" in client.get(response.url).content.decode()
    assert client.post(response.url, values_with()).url == PAGE
    assert Operation.objects.get().requested_by.username == "admin"
    assert Operation.objects.get().created_at <= timezone.now()
