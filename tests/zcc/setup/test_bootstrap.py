"""The command create_zone creates a zone with an internal or external CA (manual, 1.2; R006)."""

import io
import json
import platform
import re
import stat
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates.future_ca import subordinate
from certificates.models import Authority, Operation, ServerCertificate
from certificates.operations import preparation
from devices.models import Device, RegistrationKey, Zone
from pki.chains import chains
from tests.support import public_ca
from tests.support.public_ca import PublicCA
from wire.messages import FEATURE_CSR

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
    """Write the CA's chain, and a certificate, to files; return the options."""
    (tmp_path / "ca.p7b").write_bytes(public_ca.written([*ca.chain, ca.root.pem], "p7b"))
    options = ["--external-ca", str(tmp_path / "ca.p7b")]
    if certificate is not None:
        (tmp_path / "server.pem").write_bytes(certificate)
        options += ["--server-certificate", str(tmp_path / "server.pem")]
    return options


def served(tmp_path):
    """Return the key and the chain of the first server."""
    return (tmp_path / "ps-01" / "security" / "current" / "server.pem").read_text()


@pytest.mark.manual("R006", "R007", "R010")
def test_an_internal_ca_is_on_the_first_server_and_issues_its_certificate(create, tmp_path):
    output = create("--subject", "ACME Root", "--key-length", "384", "--years", "3")
    ca = Authority.objects.current()
    assert (ca.is_internal, ca.subject, ca.key_length) == (True, "CN=ACME Root", 384)
    assert ca.certificate_server == Device.objects.get(name="ps-01")
    assert ca.certificate_server.os.startswith(platform.system())
    assert FEATURE_CSR in ca.certificate_server.features, "the first server can create CSRs"
    assert ServerCertificate.objects.current().get().chain_pem in served(tmp_path)
    assert User.objects.get(username="admin").check_password(PASSWORD)
    assert "Created zone ACME." in output
    assert PASSWORD not in output
    access = tmp_path / "access.json"
    assert stat.S_IMODE(access.stat().st_mode) == 0o600
    assert "password" not in json.loads(access.read_text())


def test_a_subordinate_ca_starts_as_an_operation_that_waits_for_its_certificate(create, tmp_path):
    output = create("--subordinate-ca", "--subject", "CN=Zone CA,O=Acme", "--key-length", "384")
    assert "waiting for the certificate of the new zone CA" in output
    ca = Authority.objects.current()
    assert (ca.kind, ca.subject) == ("internal", "CN=Zone CA,O=Acme")
    operation = Operation.objects.get()
    assert operation.requested_by == User.objects.get(username="admin")
    assert operation.parameters["key_length"] == 384
    assert operation.activates_at - timezone.now() > timedelta(days=6)
    operation.check_row_mac()
    preparation.prepare(operation, now=timezone.now())
    operation.refresh_from_db()
    assert operation.awaits_ca_certificate
    chain = PublicCA("Corporate").certify(subordinate.get_csr(operation))
    subordinate.import_file(operation, "".join(chain).encode(), now=timezone.now())
    operation.refresh_from_db()
    assert preparation.prepare(operation, now=timezone.now())
    assert Authority.objects.get(state="future").subject == ca.subject
    assert chains.has_key(chain[0], chains.get_public_key(operation.future_authority.root_pem))


def test_a_subordinate_ca_excludes_an_external_one(create, tmp_path):
    with pytest.raises(CommandError, match="exclude each other"):
        create("--subordinate-ca", *files(tmp_path, PublicCA("Acme")))
    assert not Zone.objects.exists()


LINK = re.compile(r"https://10\.1\.2\.3:8443/setup-link/#([\w-]{43})")


def set_password(text):
    given = {"code": text, "new_password": PASSWORD, "again": PASSWORD}
    return Client().post("/setup-link/", given).status_code


def test_without_a_password_a_setup_link_is_printed_not_stored_and_valid_once(create, tmp_path):
    text = LINK.search(create(password=False))[1]
    owner = User.objects.get(username="admin")
    assert not owner.has_usable_password()
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(text.encode() in data for data in kept)
    assert "password" not in json.loads((tmp_path / "access.json").read_text())
    assert set_password(text) == 302
    assert set_password(text) == 404
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
    assert Entry.objects.filter(action="set-up-link").count() == 1


def test_the_password_of_a_demo_zone_is_in_a_file_that_only_its_owner_can_read(create, tmp_path):
    output = create("--demo", password=False)
    access = json.loads((tmp_path / "access.json").read_text())
    assert User.objects.get(username="admin").check_password(access["password"])
    assert access["password"] not in output
    assert stat.S_IMODE((tmp_path / "access.json").stat().st_mode) == 0o600


def test_the_keys_of_a_demo_zone_approve_its_hosts_only(create):
    create("--demo")
    keys = {key.role: key for key in RegistrationKey.objects.all()}
    assert (keys["managed"].domains, keys["managed"].networks) == ([], [])
    assert keys["primary"].domains == ["acme.example"]
    assert keys["primary"].networks == ["127.0.0.0/8", "10.1.2.0/24"]


def test_an_empty_password_file_is_rejected(create, tmp_path):
    (tmp_path / "password").write_text("\n")
    with pytest.raises(CommandError, match="is empty"):
        create()
    assert not Zone.objects.exists()


def test_a_second_zone_is_rejected(create, tmp_path):
    create()
    before = (Zone.objects.get().guid, served(tmp_path))
    with pytest.raises(CommandError, match="already contains a zone"):
        create()
    assert (Zone.objects.get().guid, served(tmp_path)) == before


@pytest.mark.manual("R006")
def test_an_external_ca_gets_a_csr_and_then_the_zone_is_created(create, tmp_path):
    ca = PublicCA("Acme")
    output = create(*files(tmp_path, ca))
    assert "ps-01.acme.example.csr" in output
    assert not Zone.objects.exists()
    assert not User.objects.exists()
    csr = (tmp_path / "ps-01.acme.example.csr").read_text()
    answer = ca.answer(csr, "p7b", addresses=["10.1.2.3"])
    output = create(*files(tmp_path, ca, answer))
    found = Authority.objects.current()
    assert not found.is_internal
    assert found.root_pem == ca.root.pem
    assert found.sealed_key == ""
    shown = served(tmp_path)
    assert ca.chain[0] in shown
    assert ca.root.pem not in shown
    assert shown.startswith("-----BEGIN PRIVATE KEY-----")
    assert "Warning" not in output


def test_a_ca_that_cannot_issue_for_the_first_server_gets_no_csr(create, tmp_path, settings):
    files_of_chains = settings.BASE_DIR / "tests" / "pki" / "chains" / "files"
    given = files_of_chains / "ca-chain-name-constraint-leading-dot.pem"
    with pytest.raises(
        CommandError, match=r"name constraints .* do not allow ps-01\.other\.example"
    ):
        create("--external-ca", str(given), fqdn="ps-01.other.example")
    assert list(tmp_path.glob("*.csr")) == []
    assert "The CSR for this server" in create("--external-ca", str(given))


def test_an_address_that_is_not_in_the_certificate_causes_a_warning(create, tmp_path):
    ca = PublicCA("Acme")
    create(*files(tmp_path, ca))
    csr = (tmp_path / "ps-01.acme.example.csr").read_text()
    assert "10.1.2.3" in create(*files(tmp_path, ca, ca.answer(csr, "chain")))


def test_a_certificate_for_another_key_is_rejected_and_the_right_one_accepted(create, tmp_path):
    ca = PublicCA("Acme")
    create(*files(tmp_path, ca))
    csr = (tmp_path / "ps-01.acme.example.csr").read_text()
    wrong = ca.answer(csr, key=public_ca.make_key())
    with pytest.raises(
        CommandError, match="None of the certificates in the file match the key of the CSR"
    ):
        create(*files(tmp_path, ca, wrong))
    assert not Zone.objects.exists()
    create(*files(tmp_path, ca, ca.answer(csr)))
    assert Zone.objects.get().name == "ACME"


def test_key_and_certificate_can_both_come_from_files(create, tmp_path):
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
    ("options", "reason"),
    [
        (["--external-ca", "/nowhere/ca.pem"], "Cannot read /nowhere/ca.pem: No such file"),
        (["--server-certificate", "/nowhere/x"], "can be used only with an external CA"),
        (["--key-length", "1024"], "must be one of"),
        (["--years", "11"], "1 to 10 years"),
        (["--admin", ""], "Enter a name for the first administrator"),
    ],
)
def test_invalid_options_are_rejected_and_nothing_is_created(create, tmp_path, options, reason):
    with pytest.raises(CommandError, match=reason):
        create(*options)
    assert not Zone.objects.exists()
    assert not (tmp_path / "access.json").exists()


def test_a_short_server_name_is_rejected_before_a_key_is_created(create, tmp_path):
    with pytest.raises(CommandError, match="full"):
        create(fqdn="ps-01")
    assert not (tmp_path / "ps-01").exists()


def test_a_common_password_is_rejected(create, tmp_path):
    (tmp_path / "password").write_text("password1234")
    with pytest.raises(CommandError, match="too common"):
        create()
    assert not Zone.objects.exists()


def test_a_host_that_belongs_to_a_zone_is_rejected(create, tmp_path):
    (tmp_path / "ps-01").mkdir()
    (tmp_path / "ps-01" / "device.json").write_text("{}")
    with pytest.raises(CommandError, match="already belongs to a zone"):
        create()


def test_a_missing_option_is_named_without_a_terminal(tmp_path, settings, monkeypatch):
    settings.ZCC_HOME = settings.SERVER_HOME = tmp_path
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match="--server-name is missing"):
        call_command("create_zone", "--name", "ACME")


def test_the_server_can_be_described_by_environment_variables(tmp_path, settings, monkeypatch):
    settings.ZCC_HOME = settings.SERVER_HOME = tmp_path
    monkeypatch.setenv("ZCC_SERVER_NAME", "ps-07")
    monkeypatch.setenv("ZCC_SERVER_FQDN", "ps-07.acme.example")
    monkeypatch.setenv("ZCC_SERVER_ADDRESSES", "10.0.0.7, 10.1.0.7")
    monkeypatch.setenv("ZCC_PORT", "9443")
    call_command("create_zone", "--name", "ACME", "--home", str(tmp_path))
    server = Device.objects.get()
    assert (server.name, server.port) == ("ps-07", 9443)
    assert server.addresses == ["10.0.0.7", "10.1.0.7"]
