"""The wizard of Change CA: pages, Back, errors, and starting one operation (manual, 1.2.4)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography import x509
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from certificates.models import Authority, Draft, Operation
from certificates.operations.states import OperationState
from devices.models import Device, Role
from pki import keys
from pki.chains import chains
from tests.certificates.clients import PAGE, entered, events, external_root, local
from tests.pki import factories as pki_make
from tests.support import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enqueued")]
CHANGE = f"{PAGE}change-ca/"


@pytest.fixture
def client(ca):
    return entered(factories.admin())


def internal(**changes):
    values = {
        "confirm": "on",
        "change_to": "internal",
        "certificate_server": str(Device.objects.get(name="ps-01").pk),
        "subject": "New CA",
        "key_length": "384",
        "years": "5",
        "include_dns": "on",
    }
    return {name: v for name, v in {**values, **changes}.items() if v is not None}


def external(pem, name="root.pem", **changes):
    data = pem if isinstance(pem, bytes) else pem.encode()
    given = {"confirm": "on", "change_to": "external", "file": SimpleUploadedFile(name, data)}
    return {**given, **changes}


def step(key):
    return f"{CHANGE}{Draft.objects.get().pk}/{key}/"


def fields(response):
    return set(response.context["form"].errors)


@pytest.mark.manual("R030", "R031", "R033", "R035")
def test_change_ca_shows_the_labels_and_defaults_of_the_manual(client):
    response = client.get(CHANGE)
    page = response.content.decode()
    for label in (
        *("Change Certificate Authority", "Yes, I want to change the certificate authority"),
        *("Change to internal certificate authority", "Change to external certificate authority"),
        *("Certificate server", "Subject", "Key Length", "Valid for (years)", "Next"),
        "Include any additional DNS names for each server",
    ):
        assert label in page, label
    form = response.context["form"]
    assert form["subject"].value() == "TEST-ZONE"
    assert form["years"].value() == 10
    assert not Draft.objects.exists(), "a GET makes nothing"


@pytest.mark.manual("R034")
def test_only_online_primary_servers_are_offered(client):
    factories.server("quiet", last_contact=timezone.now() - timedelta(days=1))
    factories.server("satellite", Role.AUTHENTICATION_SATELLITE)
    factories.server("ps-02")
    choices = client.get(CHANGE).context["form"].fields["certificate_server"].choices
    assert [label.split()[0] for _value, label in choices] == ["ps-01", "ps-02"]


@pytest.mark.manual("R031", "R036", "R037", "R038", "R040", "R041", "R045", "R046")
def test_change_to_internal_through_all_pages(client, enqueued, django_capture_on_commit_callbacks):
    page = client.post(CHANGE, internal()).content.decode()
    assert "Certificate activation date and time" in page
    assert "Finish" in page
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(step("activation"), {"activates_at": local(days=2)})
    assert response.status_code == 204
    operation = Operation.objects.get()
    message = "The Change CA operation has been initiated."
    assert events(response)["zcc:announce"]["text"] == message
    assert operation.parameters == {
        "certificate_server": str(Device.objects.get().pk),
        "subject": "New CA",
        "key_length": 384,
        "years": 5,
        "include_dns": True,
        "external": False,
        "name_constraints": None,
    }
    assert enqueued == [str(operation.pk)]
    assert not Draft.objects.exists()


def test_submitting_twice_shows_the_existing_operation(client):
    client.post(CHANGE, internal())
    url, given = step("activation"), {"activates_at": local(days=2)}
    answers = [client.post(url, given) for _n in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert "has already been submitted" in events(answers[1])["zcc:announce"]["text"]
    assert Operation.objects.count() == 1
    page = client.get(url, headers={"HX-Request": ""}, follow=True).content.decode()
    assert "has already been submitted" in page


def test_a_draft_expires_after_a_day_and_belongs_to_its_user(client):
    client.post(CHANGE, internal())
    url = step("activation")
    assert entered(factories.admin("other")).get(url).status_code == 404
    Draft.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    response = client.post(url, {"activates_at": local(days=2)})
    assert response.status_code == 404
    assert "expired" in events(response)["zcc:fault"]["explanation"]
    client.post(CHANGE, internal())
    assert Draft.objects.count() == 1, "the old draft is dropped"


@pytest.mark.manual("R060", "R064", "R065", "R066")
def test_the_uploaded_root_is_shown(client):
    root = external_root()
    page = client.post(CHANGE, external(root)).content.decode()
    assert "CN=Acme Root" in page
    assert "I will generate a CSR for each server manually" in page
    assert "Let ZENworks generate a CSR automatically for each server" in page
    for label in ("Organization Unit", "City/Locality", "State/Province", "Country/region"):
        assert label in page, label
    assert "before ZENworks 11 SP4" not in page
    assert Draft.objects.get().data["root_pem"] == root


@pytest.mark.manual("R061", "R063")
def test_an_uploaded_chain_shows_root_intermediates_and_a_warning(client):
    family = pki_make.family()
    data = chains.join(family.middle, family.root)
    response = client.post(CHANGE, external(data, "chain.p7b"))
    page = response.content.decode()
    assert "before ZENworks 11 SP4" in page
    draft = Draft.objects.get()
    assert draft.data["root_pem"] == family.root
    assert draft.data["intermediates_pem"] == family.middle


@pytest.mark.manual("R066")
def test_change_to_external_with_automatic_csrs(client):
    client.post(CHANGE, external(external_root()))
    given = {
        "manual_csr": "automatic",
        "organization": "Acme",
        "country": "us",
        "key_length": "3072",
    }
    page = client.post(step("csr"), given).content.decode()
    assert "The external CA" in page
    assert client.post(step("activation"), {"activates_at": local(days=2)}).status_code == 204
    operation = Operation.objects.get()
    assert operation.parameters["external"] is True
    assert operation.parameters["manual_csr"] is False
    order = operation.futures.get().csr_parameters
    assert (order["organization"], order["country"], order["key_length"]) == ("Acme", "US", 3072)


@pytest.mark.manual("R080")
def test_the_page_shows_which_folders_the_agents_read(client):
    page = client.post(CHANGE, external(external_root())).content.decode()
    assert "/opt/novell/zenworks/remint-repo" in page
    assert "The agents read these folders now" not in page, "agents of the previous version"
    Device.objects.certified().update(remint_repository="/etc/zac/remint-repo")
    page = client.post(CHANGE, external(external_root())).content.decode()
    names = ", ".join(Device.objects.certified().order_by("name").values_list("name", flat=True))
    assert f'<span class="mono">/etc/zac/remint-repo</span> ({names}).' in page


@pytest.mark.manual("R065")
def test_change_to_external_with_manual_csrs_needs_no_subject(client):
    client.post(CHANGE, external(external_root()))
    client.post(step("csr"), {"manual_csr": "manual", "country": "nonsense"})
    assert client.post(step("activation"), {"activates_at": local(days=2)}).status_code == 204
    assert Operation.objects.get().futures.get().manual_csr


@pytest.mark.manual("R032", "R036", "R037")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"confirm": None}, "confirm"),
        ({"change_to": "sideways"}, "change_to"),
        ({"certificate_server": ""}, "certificate_server"),
        ({"certificate_server": str(uuid4())}, "certificate_server"),
        ({"subject": ""}, "subject"),
        ({"subject": "C=USA,CN=x"}, "subject"),
        ({"key_length": "1024"}, "key_length"),
        ({"years": "0"}, "years"),
        ({"years": "11"}, "years"),
        ({"years": ""}, "years"),
    ],
)
def test_an_error_on_the_first_page_is_shown_at_its_field(client, changes, field):
    response = client.post(CHANGE, internal(**changes))
    assert response.status_code == 422
    assert fields(response) == {field}
    page = response.content.decode()
    assert "Nothing was changed." in page
    assert 'name="years"' in page
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (keys.generate_key(256).encode(), "private key"),
        (b"", "The file is empty"),
        (b"hello", "No certificate was found"),
        (b"x" * (256 * 1024 + 1), "exceeds the 256 KiB limit"),
        (pki_make.family().middle.encode(), ""),
    ],
    ids=["key", "empty", "text", "large", "no root"],
)
def test_an_unusable_file_is_rejected_with_a_reason(client, data, message):
    response = client.post(CHANGE, external(data))
    assert response.status_code == 422
    assert fields(response) == {"file"}
    assert message in str(response.context["form"].errors["file"])
    assert "root_pem" not in Draft.objects.get().data
    assert b"PRIVATE KEY" not in response.content


@pytest.mark.manual("R060")
def test_a_missing_file_is_an_error(client):
    response = client.post(CHANGE, {"confirm": "on", "change_to": "external"})
    assert fields(response) == {"file"}


def test_the_current_root_and_an_expired_root_are_rejected(client, ca):
    response = client.post(CHANGE, external(ca.root_pem))
    assert "already trusts this root" in str(response.context["form"].errors["file"])
    old = factories.root_pem(
        "CN=Old", factories.now() - 2 * factories.YEAR, factories.now() - factories.YEAR
    )
    response = client.post(CHANGE, external(old))
    assert "only" in str(response.context["form"].errors["file"])


@pytest.mark.manual("R074")
def test_a_root_that_expires_before_activation_is_an_error_on_the_first_page(client):
    client.post(CHANGE, external(external_root("CN=Short", days=2)))
    client.post(step("csr"), {"manual_csr": "manual"})
    response = client.post(step("activation"), {"activates_at": local(days=4)})
    assert response.status_code == 422
    assert fields(response) == {"file"}
    assert not Operation.objects.exists()


@pytest.mark.manual("R064")
def test_the_uploaded_file_is_kept_if_another_field_is_invalid(client):
    client.post(CHANGE, external(external_root(), confirm=""))
    page = client.get(step("authority")).content.decode()
    assert "CN=Acme Root" in page
    response = client.post(step("authority"), {"confirm": "on", "change_to": "external"})
    assert response.status_code == 200
    assert "Generate CSR" in response.content.decode()


def test_cancel_leads_to_the_certificates_page_without_javascript(client):
    client.post(CHANGE, internal())
    client.defaults.pop("HTTP_HX_REQUEST")
    page = client.get(step("activation")).content.decode()
    assert 'name="back"' in page
    assert '<a class="btn" href="/configuration/certificates/">Cancel</a>' in page


def test_back_keeps_valid_and_invalid_values(client):
    client.post(CHANGE, external(external_root()))
    response = client.post(
        step("csr"),
        {"back": "1", "manual_csr": "automatic", "organization": "Kept", "country": "???"},
    )
    assert response.status_code == 200
    assert response.context["form"]["change_to"].value() == "external"
    form = client.get(step("csr")).context["form"]
    assert form["organization"].value() == "Kept"
    assert form["country"].value() == "???"
    client.post(step("activation"), {"back": "1", "activates_at": "2031-01-01T10:00"})
    form = client.get(f"{step('csr')[:-4]}activation/").context["form"]
    assert form["activates_at"].value() == "2031-01-01T10:00"


def test_the_first_incomplete_page_is_shown(client):
    client.post(CHANGE, external(external_root()))
    response = client.get(step("activation"))
    assert "manual_csr" in response.context["form"].fields
    assert client.get(step("nonsense")).status_code == 404


@pytest.mark.parametrize("changes", [{"country": "USA"}, {"organization": "x" * 65}])
def test_an_invalid_subject_is_an_error_at_its_field(client, changes):
    client.post(CHANGE, external(external_root()))
    response = client.post(step("csr"), {"manual_csr": "automatic", **changes})
    assert response.status_code == 422
    assert fields(response) == set(changes)


@pytest.mark.parametrize("moment", ["2020-01-01T10:00", "2199-01-01T10:00", "", "tomorrow"])
def test_an_activation_time_outside_the_limits_is_rejected(client, moment):
    client.post(CHANGE, internal())
    response = client.post(step("activation"), {"activates_at": moment})
    assert response.status_code == 422
    assert fields(response) == {"activates_at"}
    assert not Operation.objects.exists()


@pytest.mark.manual("R044")
def test_an_expired_ca_is_activated_immediately(client):
    Authority.objects.update(not_after=factories.now() - timedelta(days=1))
    page = client.post(CHANGE, internal()).content.decode()
    assert "Immediate" in page
    assert client.post(step("activation")).status_code == 204
    assert Operation.objects.get().immediate


def test_an_offline_server_is_an_error_on_the_first_page(client):
    client.post(CHANGE, internal())
    Device.objects.update(last_contact=timezone.now() - timedelta(days=1))
    response = client.post(step("activation"), {"activates_at": local(days=2)})
    assert response.status_code == 422
    assert fields(response) == {"certificate_server"}
    assert not Operation.objects.exists()


def test_the_password_is_required_on_the_last_page_and_never_stored(ca):
    client = entered(factories.admin(), reauthenticated=False)
    client.post(CHANGE, internal())
    given = {"activates_at": local(days=2)}
    response = client.post(step("activation"), {**given, "password": "wrong-one"})
    assert response.status_code == 422
    assert fields(response) == {"password"}
    assert "wrong-one" not in str(Draft.objects.get().data)
    response = client.post(step("activation"), {**given, "password": factories.PASSWORD})
    assert response.status_code == 204


def test_another_operation_is_a_conflict(client, ca):
    client.post(CHANGE, internal())
    factories.operation(ca, state=OperationState.REPLICATING)
    response = client.post(step("activation"), {"activates_at": local(days=2)})
    assert response.status_code == 409
    assert b"already in progress" in response.content
    assert client.get(CHANGE).status_code == 409
    assert client.post(CHANGE, internal()).status_code == 409


@pytest.mark.manual("R013")
def test_an_external_ca_can_be_changed(client, ca):
    Authority.objects.update(kind=Authority.Kind.EXTERNAL, certificate_server=None)
    assert client.get(CHANGE).status_code == 200


def test_without_javascript_each_page_has_a_url(ca):
    client = entered(factories.admin(), htmx=False)
    response = client.post(CHANGE, internal())
    assert response.status_code == 302
    assert response.url == step("activation")
    assert "<!doctype html>" in client.get(response.url).content.decode()
    response = client.post(response.url, {"back": "1", "activates_at": local(days=3)})
    assert response.url == step("authority")
    response = client.post(step("activation"), {"activates_at": local(days=2)})
    assert response.url == PAGE


def root_with(extensions, **dates):
    """Return a root with the basic constraint CA, without key usage, and with more extensions."""
    own = pki_make.private(pki_make.key(256, 70))
    constraint = (x509.BasicConstraints(ca=True, path_length=None), False)
    return pki_make.certificate("Plain", own, "Plain", own, [constraint, *extensions], **dates)


def limited_to(domain):
    return [(x509.NameConstraints([x509.DNSName(domain)], None), True)]


@pytest.mark.parametrize("is_limited", [False, True])
def test_a_ca_under_which_devices_accept_servers_is_accepted(client, is_limited):
    domain = Device.objects.get(name="ps-01").fqdn.partition(".")[2]
    root = root_with(limited_to(f".{domain}") if is_limited else [])
    client.post(CHANGE, external(root))
    client.post(step("csr"), {"manual_csr": "automatic", "key_length": "256"})
    assert client.post(step("activation"), {"activates_at": local(days=2)}).status_code == 204
    assert Operation.objects.get().parameters["root_pem"] == root


def test_a_ca_that_cannot_sign_for_a_server_is_rejected(client):
    response = client.post(CHANGE, external(root_with(limited_to("elsewhere.example"))))
    (message,) = response.context["form"].errors["file"]
    fqdn = Device.objects.get(name="ps-01").fqdn
    assert f"do not allow {fqdn}" in message
    assert '"CN=Plain" (certificate 1, serial number ' in message
    assert "root_pem" not in Draft.objects.get().data


def test_a_ca_whose_renewed_intermediate_is_valid_is_accepted(client):
    family, now = pki_make.family(), pki_make.NOW
    expired = pki_make.certificate(
        "Ext Sub",
        family.middle_key,
        "Ext Root",
        family.root_key,
        pki_make.ca_extensions(family.middle_key, family.root_key),
        ends=now - timedelta(hours=1),
    )
    client.post(CHANGE, external("".join([expired, family.middle, family.root])))
    assert Draft.objects.get().data["intermediates_pem"] == family.middle


def test_a_root_that_expires_soon_is_marked(client):
    root = root_with([], ends=timezone.now() + timedelta(days=4, hours=1))
    page = client.post(CHANGE, external(root)).content.decode()
    assert '<span class="sub soon">in 4 days' in page


@pytest.mark.manual("R067", "R068", "R069", "R070", "R071", "R072", "R073", "R074")
def test_the_pages_for_an_external_ca_have_the_labels_of_the_manual(client):
    page = client.post(CHANGE, external(external_root())).content.decode()
    for label in (
        *("Generate CSR", "Organization", "Organization Unit", "City/Locality", "State/Province"),
        *("Country/region", "Key Length"),
    ):
        assert f">{label}" in page, label
    assert "Include any additional DNS names for each server" in page
    page = client.post(step("csr"), {"manual_csr": "manual"}).content.decode()
    assert "Certificate activation date and time" in page
    assert "Finish" in page


@pytest.mark.manual("R075")
def test_an_expired_ca_is_changed_to_an_external_ca_immediately(client):
    Authority.objects.update(not_after=factories.now() - timedelta(days=1))
    client.post(CHANGE, external(external_root()))
    page = client.post(step("csr"), {"manual_csr": "manual"}).content.decode()
    assert "Immediate" in page
    assert client.post(step("activation")).status_code == 204
    operation = Operation.objects.get()
    assert operation.immediate
    assert operation.parameters["external"] is True


def test_change_to_a_subordinate_ca(client):
    values = internal(change_to="subordinate", years="", subject="CN=Sub CA")
    response = client.post(CHANGE, values)
    assert "A new subordinate CA <b>CN=Sub CA</b> becomes the zone CA" in response.content.decode()
    client.post(step("activation"), {"activates_at": local(hours=3)})
    operation = Operation.objects.get()
    assert operation.parameters["subordinate"]
    assert "years" not in operation.parameters


def test_a_subordinate_ca_needs_a_server_and_a_subject(client):
    values = internal(change_to="subordinate", certificate_server=None, subject="")
    assert fields(client.post(CHANGE, values)) == {"certificate_server", "subject"}
    assert not Operation.objects.exists()
