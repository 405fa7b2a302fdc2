"""The setup pages of a console without a zone require the setup token (S-83, R006)."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from certificates.models import Authority, Operation
from devices.models import Zone
from tests.support import public_ca
from tests.support.public_ca import PublicCA
from zcc.setup import first_run

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-pass-phrase"
ZONE = {
    "name": "ACME",
    "server_name": "ps-01",
    "fqdn": "ps-01.acme.example",
    "addresses": "10.1.2.3",
    "kind": "internal",
    "subject": "",
    "key_length": "256",
    "years": "10",
    "username": "anna",
    "password": PASSWORD,
    "confirm_password": PASSWORD,
}


@pytest.fixture
def token(tmp_path, settings, caplog):
    """Open the setup; return the token from the log."""
    settings.ZCC_HOME, settings.SERVER_HOME = tmp_path, tmp_path / "server"
    assert first_run.find_obstacle(settings.SERVER_HOME) == ""
    first_run.open_setup(settings.SERVER_HOME, 8443, timezone.now())
    return re.search(r"setup token (\S+) \.", caplog.text).group(1)


@pytest.fixture
def visitor(token):
    """A client that has entered the token."""
    client = Client()
    client.post("/setup/", {"token": token}, secure=True)
    return client


def test_every_page_redirects_to_the_setup_which_requests_only_the_token(token):
    client = Client()
    for path in ("/", "/login/", "/configuration/certificates/", "/zac/v1/register"):
        assert client.get(path, secure=True).headers["Location"] == "/setup/"
    page = client.get("/setup/", secure=True).content.decode()
    assert "Setup token" in page
    assert "Zone name" not in page
    assert token not in page


def test_hidden_fields_are_not_required_by_the_browser(visitor):
    page = visitor.get("/setup/", secure=True).content.decode()
    assert " required" not in page[page.index("<form") :]


def test_nothing_is_created_without_the_token(token):
    client = Client()
    response = client.post("/setup/", {"token": token[:-1] + "!"}, secure=True)
    assert response.status_code == 422
    assert "The setup token is incorrect." in response.content.decode()
    client.post("/setup/", ZONE, secure=True)
    assert client.get("/setup/server.csr", secure=True).status_code == 200
    assert "Setup token" in client.get("/setup/server.csr", secure=True).content.decode()
    assert not Zone.objects.exists()


def test_the_token_is_not_stored_as_plain_text(token, visitor, tmp_path):
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert all(token.encode() not in data for data in stored)
    assert token not in str(dict(visitor.session))


@pytest.mark.manual("R006")
def test_an_internal_ca_and_the_first_administrator_are_created_and_the_setup_is_closed(visitor):
    response = visitor.post("/setup/", ZONE, secure=True)
    assert "The zone ACME has been created" in response.content.decode()
    ca = Authority.objects.current()
    assert ca.is_internal
    assert ca.subject == "CN=ACME"
    assert User.objects.get().username == "anna"
    assert visitor.get("/setup/", secure=True).status_code in (302, 404)
    assert Client().get("/", secure=True).headers["Location"].startswith("/login/")
    client = Client()
    response = client.post("/login/", {"username": "anna", "password": PASSWORD}, secure=True)
    assert response.status_code == 302


def test_a_subordinate_ca_is_requested_for_the_new_zone(visitor):
    assert "Subordinate: this server" in visitor.get("/setup/", secure=True).content.decode()
    given = {**ZONE, "kind": "subordinate", "subject": "Zone CA"}
    page = visitor.post("/setup/", given, secure=True).content.decode()
    assert "The zone ACME has been created" in page
    assert "have it signed by your corporate CA" in page
    operation = Operation.objects.get()
    assert (operation.state, operation.parameters["subject"]) == ("preparing", "Zone CA")
    assert operation.parameters["subordinate"]
    assert operation.requested_by == User.objects.get()


@pytest.mark.manual("R006")
def test_an_external_ca_gets_a_csr_and_then_the_zone_is_created(visitor):
    ca = PublicCA("Acme")
    chain = public_ca.written([*ca.chain, ca.root.pem], "p7b")
    given = {**ZONE, "kind": "external", "authority": SimpleUploadedFile("ca.p7b", chain)}
    for name in ("username", "password", "confirm_password"):
        given.pop(name)
    response = visitor.post("/setup/", given, secure=True)
    assert response.headers["Location"] == "/setup/"
    page = visitor.get("/setup/", secure=True).content.decode()
    assert "Acme Root" in page
    assert "Acme Issuing 1" in page
    csr = visitor.get("/setup/server.csr", secure=True)
    assert csr.headers["Content-Disposition"] == 'attachment; filename="ps-01.acme.example.csr"'
    assert not Zone.objects.exists()

    admin = {name: ZONE[name] for name in ("username", "password", "confirm_password")}
    wrong = SimpleUploadedFile("x.pem", ca.answer(csr.content, key=public_ca.make_key()))
    response = visitor.post("/setup/", {**admin, "certificate": wrong}, secure=True)
    assert (
        "None of the certificates in the file match the key of the CSR" in response.content.decode()
    )
    assert not Zone.objects.exists()

    right = SimpleUploadedFile("x.der", ca.answer(csr.content, "p7b"))
    response = visitor.post("/setup/", {**admin, "certificate": right}, secure=True)
    assert "The zone ACME has been created" in response.content.decode()
    assert Authority.objects.current().root_pem == ca.root.pem


def test_the_input_for_an_external_ca_can_be_discarded(visitor):
    ca = PublicCA("Acme")
    file = SimpleUploadedFile("ca.pem", "".join([*ca.chain, ca.root.pem]).encode())
    visitor.post("/setup/", {**ZONE, "kind": "external", "authority": file}, secure=True)
    assert "Download CSR" in visitor.get("/setup/", secure=True).content.decode()
    visitor.post("/setup/again/", secure=True)
    assert "Zone name" in visitor.get("/setup/", secure=True).content.decode()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"fqdn": "ps-01"}, "full"),
        ({"addresses": "somewhere"}, "is not a valid IP address"),
        ({"password": "short", "confirm_password": "short"}, "too short"),
        ({"confirm_password": "another"}, "passwords do not match"),
        ({"years": "11"}, "less than or equal to 10"),
        ({"kind": "external"}, "Select the file"),
    ],
)
def test_an_invalid_value_is_named_and_nothing_is_created(visitor, wrong, reason):
    response = visitor.post("/setup/", {**ZONE, **wrong}, secure=True)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert not Zone.objects.exists()
    assert not User.objects.exists()


@pytest.mark.usefixtures("zone")
def test_a_console_with_a_zone_has_no_setup_page(tmp_path):
    client = Client()
    assert client.get("/setup/", secure=True).status_code == 404
    assert first_run.find_obstacle(tmp_path) == "the database contains a zone"


def test_a_registered_server_creates_no_zone(tmp_path):
    (tmp_path / "device.json").write_text("{}")
    assert first_run.find_obstacle(tmp_path) == "this server is registered"


def test_an_unavailable_database_is_an_obstacle(tmp_path, monkeypatch):
    def fail(_manager):
        raise OperationalError("connection refused")

    monkeypatch.setattr(type(Zone.objects), "exists", fail)
    assert first_run.find_obstacle(tmp_path).endswith("connection refused")
