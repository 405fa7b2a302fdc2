"""A console without a zone offers to make one to whoever holds the set-up token (S-83, R006)."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from certificates.models import Authority
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
    """A listener that offers its first run; returns the token that it printed."""
    settings.ZCC_HOME, settings.SERVER_HOME = tmp_path, tmp_path / "server"
    assert first_run.can_create_zone(settings.SERVER_HOME)
    first_run.open_setup(settings.SERVER_HOME, 8443, timezone.now())
    return re.search(r"set-up token (\S+) \.", caplog.text).group(1)


@pytest.fixture
def visitor(token):
    """Somebody who has given the token."""
    client = Client()
    client.post("/setup/", {"token": token}, secure=True)
    return client


def test_every_page_leads_to_the_setup_which_asks_for_the_token_alone(token):
    client = Client()
    for path in ("/", "/login/", "/configuration/certificates/", "/zac/v1/register"):
        assert client.get(path, secure=True).headers["Location"] == "/setup/"
    page = client.get("/setup/", secure=True).content.decode()
    assert "Setup token" in page
    assert "Zone name" not in page
    assert token not in page


def test_no_field_that_the_choice_hides_holds_the_form_back(visitor):
    page = visitor.get("/setup/", secure=True).content.decode()
    assert " required" not in page[page.index("<form") :]


def test_without_the_token_nothing_is_made(token):
    client = Client()
    answer = client.post("/setup/", {"token": token[:-1] + "!"}, secure=True)
    assert answer.status_code == 422
    assert "This is not the set-up token" in answer.content.decode()
    client.post("/setup/", ZONE, secure=True)
    assert client.get("/setup/server.csr", secure=True).status_code == 200
    assert "Setup token" in client.get("/setup/server.csr", secure=True).content.decode()
    assert not Zone.objects.exists()


def test_the_token_is_nowhere_in_the_clear(token, visitor, tmp_path):
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert all(token.encode() not in data for data in kept)
    assert token not in str(dict(visitor.session))


def test_an_internal_ca_and_the_first_administrator_are_made_and_the_page_is_gone(visitor):
    answer = visitor.post("/setup/", ZONE, secure=True)
    assert "The zone ACME is there" in answer.content.decode()
    ca = Authority.objects.current()
    assert ca.is_internal
    assert ca.subject == "CN=ACME"
    assert User.objects.get().username == "anna"
    assert visitor.get("/setup/", secure=True).status_code in (302, 404)
    assert Client().get("/", secure=True).headers["Location"].startswith("/login/")
    client = Client()
    said = client.post("/login/", {"username": "anna", "password": PASSWORD}, secure=True)
    assert said.status_code == 302


def test_an_external_ca_gets_its_csr_first_and_then_the_zone_is_made(visitor):
    ca = PublicCA("Acme")
    chain = public_ca.written([*ca.chain, ca.root.pem], "p7b")
    given = {**ZONE, "kind": "external", "authority": SimpleUploadedFile("ca.p7b", chain)}
    for name in ("username", "password", "confirm_password"):
        given.pop(name)
    answer = visitor.post("/setup/", given, secure=True)
    assert answer.headers["Location"] == "/setup/"
    page = visitor.get("/setup/", secure=True).content.decode()
    assert "Acme Root" in page
    assert "Acme Issuing 1" in page
    csr = visitor.get("/setup/server.csr", secure=True)
    assert csr.headers["Content-Disposition"] == 'attachment; filename="ps-01.acme.example.csr"'
    assert not Zone.objects.exists()

    admin = {name: ZONE[name] for name in ("username", "password", "confirm_password")}
    wrong = SimpleUploadedFile("x.pem", ca.answer(csr.content, key=public_ca.make_key()))
    answer = visitor.post("/setup/", {**admin, "certificate": wrong}, secure=True)
    assert "belongs to the key of the CSR" in answer.content.decode()
    assert not Zone.objects.exists()

    right = SimpleUploadedFile("x.der", ca.answer(csr.content, "p7b"))
    answer = visitor.post("/setup/", {**admin, "certificate": right}, secure=True)
    assert "The zone ACME is there" in answer.content.decode()
    assert Authority.objects.current().root_pem == ca.root.pem


def test_what_was_entered_for_an_external_ca_can_be_dropped(visitor):
    ca = PublicCA("Acme")
    file = SimpleUploadedFile("ca.pem", "".join([*ca.chain, ca.root.pem]).encode())
    visitor.post("/setup/", {**ZONE, "kind": "external", "authority": file}, secure=True)
    assert "Download CSR" in visitor.get("/setup/", secure=True).content.decode()
    visitor.post("/setup/again/", secure=True)
    assert "Zone name" in visitor.get("/setup/", secure=True).content.decode()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"fqdn": "ps-01"}, "full"),
        ({"addresses": "somewhere"}, "is no IP address"),
        ({"password": "short", "confirm_password": "short"}, "too short"),
        ({"confirm_password": "another"}, "two passwords differ"),
        ({"years": "11"}, "less than or equal to 10"),
        ({"kind": "external"}, "Choose the file"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_made(visitor, wrong, why):
    answer = visitor.post("/setup/", {**ZONE, **wrong}, secure=True)
    assert answer.status_code == 422
    assert why in answer.content.decode()
    assert not Zone.objects.exists()
    assert not User.objects.exists()


def test_a_console_with_a_zone_has_no_setup_page(zone):
    client = Client()
    assert client.get("/setup/", secure=True).status_code == 404
    assert not first_run.can_create_zone(zone.home)
