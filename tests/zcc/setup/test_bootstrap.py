"""A zone begins with an internal or an external CA, from the command line (manual, 1.2; R006)."""

import io
import json
import platform
import re
import stat

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from audit.models import Entry
from certificates.models import Authority, ServerCertificate
from devices.models import Device, Zone
from pki.chains import chains
from tests.support import public_ca
from tests.support.public_ca import PublicCA

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-pass-phrase"


@pytest.fixture
def create(tmp_path, settings, capsys):
    """Run create_zone for a server in an empty folder."""
    settings.ZCC_HOME = tmp_path
    settings.SERVER_HOME = tmp_path / "ps-01"
    (tmp_path / "password").write_text(PASSWORD + "\n")

    def run(*more, fqdn="ps-01.acme.example", password=True):
        place = ["--server-name", "ps-01", "--fqdn", fqdn, "--address", "10.1.2.3"]
        home = ["--home", str(tmp_path / "ps-01")]
        given = ["--admin-password-file", str(tmp_path / "password")] if password else []
        call_command("create_zone", "--name", "ACME", *place, *home, *given, *more)
        return capsys.readouterr().out

    return run


def files(tmp_path, ca, certificate=None):
    """Write the CA's chain, and a certificate, as an administrator has them; returns options."""
    (tmp_path / "ca.p7b").write_bytes(public_ca.written([*ca.chain, ca.root.pem], "p7b"))
    options = ["--external-ca", str(tmp_path / "ca.p7b")]
    if certificate is not None:
        (tmp_path / "server.pem").write_bytes(certificate)
        options += ["--server-certificate", str(tmp_path / "server.pem")]
    return options


def served(tmp_path):
    """Return key and chain that the first server will show."""
    return (tmp_path / "ps-01" / "security" / "current" / "server.pem").read_text()


def test_an_internal_ca_is_on_the_first_server_which_has_a_certificate_of_it(create, tmp_path):
    said = create("--subject", "ACME Root", "--key-length", "384", "--years", "3")
    ca = Authority.objects.current()
    assert (ca.is_internal, ca.subject, ca.key_length) == (True, "CN=ACME Root", 384)
    assert ca.certificate_server == Device.objects.get(name="ps-01")
    assert ca.certificate_server.os.startswith(platform.system())
    assert ServerCertificate.objects.current().get().chain_pem in served(tmp_path)
    assert User.objects.get(username="admin").check_password(PASSWORD)
    assert "ACME created" in said
    assert PASSWORD not in said
    access = tmp_path / "access.json"
    assert stat.S_IMODE(access.stat().st_mode) == 0o600
    assert "password" not in json.loads(access.read_text())


LINK = re.compile(r"https://10\.1\.2\.3:8443(/set-up/([\w-]{43})/)")


def choose(path):
    given = {"new_password": PASSWORD, "again": PASSWORD}
    return Client().post(path, given).status_code


def test_without_a_password_a_link_is_printed_that_is_kept_nowhere_and_opens_once(create, tmp_path):
    path, text = LINK.search(create(password=False)).groups()
    owner = User.objects.get(username="admin")
    assert not owner.has_usable_password()
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(text.encode() in data for data in kept)
    assert "password" not in json.loads((tmp_path / "access.json").read_text())
    assert choose(path) == 302
    assert choose(path) == 404
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
    assert Entry.objects.filter(action="set-up-link").count() == 1


def test_a_demo_zone_has_its_password_in_a_file_for_its_owner_alone(create, tmp_path):
    said = create("--demo", password=False)
    access = json.loads((tmp_path / "access.json").read_text())
    assert User.objects.get(username="admin").check_password(access["password"])
    assert access["password"] not in said
    assert stat.S_IMODE((tmp_path / "access.json").stat().st_mode) == 0o600


def test_an_empty_file_is_no_password(create, tmp_path):
    (tmp_path / "password").write_text("\n")
    with pytest.raises(CommandError, match="is empty"):
        create()
    assert not Zone.objects.exists()


def test_a_second_zone_is_refused_and_the_first_stays(create, tmp_path):
    create()
    before = (Zone.objects.get().guid, served(tmp_path))
    with pytest.raises(CommandError, match="already holds a zone"):
        create()
    assert (Zone.objects.get().guid, served(tmp_path)) == before


def test_an_external_ca_gets_a_csr_first_and_its_answer_in_any_order_founds_the_zone(
    create, tmp_path
):
    ca = PublicCA("Acme")
    said = create(*files(tmp_path, ca))
    assert "ps-01.acme.example.csr" in said
    assert not Zone.objects.exists()
    assert not User.objects.exists()
    csr = (tmp_path / "ps-01.acme.example.csr").read_text()
    answer = ca.answer(csr, "p7b", addresses=["10.1.2.3"])
    said = create(*files(tmp_path, ca, answer))
    found = Authority.objects.current()
    assert not found.is_internal
    assert found.root_pem == ca.root.pem
    assert found.sealed_key == ""
    shown = served(tmp_path)
    assert ca.chain[0] in shown
    assert ca.root.pem not in shown
    assert shown.startswith("-----BEGIN PRIVATE KEY-----")
    assert "Warning" not in said


def test_an_address_that_the_certificate_lacks_is_a_warning(create, tmp_path):
    ca = PublicCA("Acme")
    create(*files(tmp_path, ca))
    csr = (tmp_path / "ps-01.acme.example.csr").read_text()
    assert "10.1.2.3" in create(*files(tmp_path, ca, ca.answer(csr, "chain")))


def test_a_certificate_for_another_key_is_refused_and_the_right_one_still_fits(create, tmp_path):
    ca = PublicCA("Acme")
    create(*files(tmp_path, ca))
    csr = (tmp_path / "ps-01.acme.example.csr").read_text()
    wrong = ca.answer(csr, key=public_ca.make_key())
    with pytest.raises(CommandError, match="belongs to the key of the CSR"):
        create(*files(tmp_path, ca, wrong))
    assert not Zone.objects.exists()
    create(*files(tmp_path, ca, ca.answer(csr)))
    assert Zone.objects.get().name == "ACME"


def test_key_and_certificate_may_both_come_from_files(create, tmp_path):
    ca, key = PublicCA("Acme"), public_ca.make_key("rsa2048")
    certificate = ca.answer(public_ca.make_csr(key, "ps-01.acme.example"))
    pem = public_ca.serialization.Encoding.DER
    (tmp_path / "key.der").write_bytes(
        key.private_bytes(
            pem,
            public_ca.serialization.PrivateFormat.PKCS8,
            public_ca.serialization.NoEncryption(),
        )
    )
    create(*files(tmp_path, ca, certificate), "--server-key", str(tmp_path / "key.der"))
    own = ServerCertificate.objects.current().get()
    assert own.key_length == 2048
    assert chains.has_key(own.chain_pem, public_ca_key(key))


def public_ca_key(key):
    """Return a public key as PEM."""
    form = public_ca.serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(public_ca.PEM, form).decode()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--external-ca", "/nowhere/ca.pem"], "cannot be read: No such file"),
        (["--server-certificate", "/nowhere/x"], "belong to an external CA"),
        (["--key-length", "1024"], "must be one of"),
        (["--years", "11"], "1 to 10 years"),
        (["--admin", ""], "needs a name"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_made(create, tmp_path, options, why):
    with pytest.raises(CommandError, match=why):
        create(*options)
    assert not Zone.objects.exists()
    assert not (tmp_path / "access.json").exists()


def test_a_short_server_name_is_refused_before_a_key_is_made(create, tmp_path):
    with pytest.raises(CommandError, match="full"):
        create(fqdn="ps-01")
    assert not (tmp_path / "ps-01").exists()


def test_a_common_password_is_refused(create, tmp_path):
    (tmp_path / "password").write_text("password1234")
    with pytest.raises(CommandError, match="too common"):
        create()
    assert not Zone.objects.exists()


def test_a_host_that_belongs_to_a_zone_keeps_it(create, tmp_path):
    (tmp_path / "ps-01").mkdir()
    (tmp_path / "ps-01" / "device.json").write_text("{}")
    with pytest.raises(CommandError, match="belongs to a zone already"):
        create()


def test_what_is_missing_is_named_where_nobody_can_be_asked(tmp_path, settings, monkeypatch):
    settings.ZCC_HOME = settings.SERVER_HOME = tmp_path
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match="--server-name is missing"):
        call_command("create_zone", "--name", "ACME")


def test_the_place_of_the_server_comes_from_the_environment(tmp_path, settings, monkeypatch):
    settings.ZCC_HOME = settings.SERVER_HOME = tmp_path
    monkeypatch.setenv("ZCC_SERVER_NAME", "ps-07")
    monkeypatch.setenv("ZCC_SERVER_FQDN", "ps-07.acme.example")
    monkeypatch.setenv("ZCC_SERVER_ADDRESSES", "10.0.0.7, 10.1.0.7")
    monkeypatch.setenv("ZCC_PORT", "9443")
    call_command("create_zone", "--name", "ACME", "--home", str(tmp_path))
    server = Device.objects.get()
    assert (server.name, server.port) == ("ps-07", 9443)
    assert server.addresses == ["10.0.0.7", "10.1.0.7"]
