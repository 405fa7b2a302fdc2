"""The connection to a console: profile, environment, options, and TLS."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

from faults import Fault, Forbidden, Invalid
from zman.cli import exit_codes, main, profiles
from zman.cli.profiles import Connection
from zman.client.client import Console

SECRET = "zcct_secret"


@pytest.fixture
def folder(tmp_path):
    """A folder with a CA file, a token and a profile."""
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "zman").mkdir()
    (tmp_path / "zman" / "profiles.toml").write_text(
        f"""
        default = "zone"
        [profiles.zone]
        url = "https://zcc.example:8443/"
        ca_file = "{tmp_path}/ca.pem"
        token_file = "{tmp_path}/token"
        [profiles.other]
        url = "https://other.example"
        token_file = "{tmp_path}/token"
        """
    )
    return tmp_path


def get_connection(folder, environment=None, **options):
    return profiles.get_connection(options, {"XDG_CONFIG_HOME": str(folder), **(environment or {})})


def test_the_default_profile_is_used(folder):
    connection = get_connection(folder)
    assert connection == Connection("https://zcc.example:8443", folder / "ca.pem", SECRET)
    assert SECRET not in repr(connection)


def test_options_take_precedence_over_the_environment_and_the_profile(folder):
    assert get_connection(folder, profile="other").url == "https://other.example"
    environment = {"ZMAN_PROFILE": "other", "ZMAN_TOKEN": "zcct_env"}
    assert get_connection(folder, environment).token == "zcct_env"
    assert get_connection(folder, {"ZMAN_URL": "https://env"}).url == "https://env"
    assert (
        get_connection(folder, {"ZMAN_URL": "https://env"}, url="https://option").url
        == "https://option"
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_file_that_others_can_read_is_rejected(folder, mode):
    (folder / "token").chmod(mode)
    with pytest.raises(Forbidden, match="readable by other users") as caught:
        get_connection(folder)
    assert "chmod 600" in caught.value.action
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("nonsense", "Cannot read"),
        ('default = "gone"', "Profile gone not found"),
        ('default = "a"\n[profiles.a]\ntoken = "zcct_x"', "contains a token"),
        ('default = "a"\n[profiles.a]\nurl = "http://plain"', "Invalid console URL"),
        ('default = "a"\n[profiles.a]\nurl = "https://a"\nca_file = "/gone"', "not found: /gone"),
        ('default = "a"\n[profiles.a]\nurl = "https://a"', "No API token"),
        ('default = "a"\n[profiles.a]\nurl = "https://a"\ntoken_file = "/gone"', "Cannot read"),
    ],
)
def test_an_invalid_profile_is_rejected(folder, written, message):
    (folder / "zman" / "profiles.toml").write_text(written)
    with pytest.raises(Invalid, match=message):
        get_connection(folder)


def test_the_access_file_of_a_demo_zone_is_used(folder):
    path = folder / "access.json"
    path.write_text(
        f'{{"url": "https://z:1", "ca_file": "{folder}/ca.pem", "api_token": "zcct_a"}}'
    )
    path.chmod(0o600)
    empty = {"XDG_CONFIG_HOME": "/nowhere"}
    assert profiles.get_connection({"access": str(path)}, empty).token == "zcct_a"
    path.write_text("[]")
    with pytest.raises(Invalid, match=r"not an access\.json"):
        profiles.get_connection({"access": str(path)}, empty)


def test_a_token_cannot_be_an_option():
    for text in main.make_parser().format_help(), main.EPILOG:
        assert "--token " not in text
    with pytest.raises(Fault):
        main.make_parser().parse_args(["list", "servers", "--token", "x"])


class Responder(BaseHTTPRequestHandler):
    """Returns a zone for one path, and an invalid response for all others."""

    seen: list[str] = []  # noqa: RUF012 - cleared for each test

    def do_GET(self):
        self.seen.append(self.headers["Authorization"])
        self.send_response(200 if self.path.endswith("zone") else 502)
        self.end_headers()
        self.wfile.write(b'{"name": "Z"}' if self.path.endswith("zone") else b"<html>")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A TLS server with the files of its CA and of another CA."""
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ours.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    web = HTTPServer(("127.0.0.1", 0), Responder)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, args=(0.05,))
    thread.start()
    Responder.seen.clear()
    yield f"https://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("zman.client.client.PAUSE_SECONDS", 0.0)


def test_a_trusted_console_is_called(server, tmp_path):
    with Console(Connection(server, tmp_path / "ours.pem", SECRET)) as api:
        assert api.get("zone") == {"name": "Z"}
    assert Responder.seen == [f"Bearer {SECRET}"]


def test_no_token_is_sent_to_a_console_that_is_not_trusted(server, tmp_path):
    api = Console(Connection(server, tmp_path / "other.pem", SECRET))
    with api, pytest.raises(exit_codes.NotVerified, match="could not be verified") as caught:
        api.get("zone")
    assert exit_codes.code_of(caught.value) == exit_codes.NOT_VERIFIED
    assert Responder.seen == []


def test_an_invalid_response_is_reported(server, tmp_path, quick):
    api = Console(Connection(server, tmp_path / "ours.pem", SECRET))
    with api, pytest.raises(Fault, match="status 502"):
        api.get("devices")


def test_an_unreachable_console_is_reported(tmp_path, quick, monkeypatch):
    from tests.harness.places import free_port

    api = Console(Connection(f"https://127.0.0.1:{free_port()}", None, SECRET))
    with api, pytest.raises(Fault, match="Cannot connect") as caught:
        api.get("zone")
    assert exit_codes.code_of(caught.value) == exit_codes.UNREACHABLE


def test_an_invalid_ca_file_is_reported(tmp_path):
    (tmp_path / "ca.pem").write_text("x")
    with pytest.raises(exit_codes.NotVerified, match="does not contain a valid certificate"):
        Console(Connection("https://x", tmp_path / "ca.pem", SECRET))
