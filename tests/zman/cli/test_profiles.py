"""Which console zman calls, how it trusts it, and where its token comes from."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

from faults import Fault, Forbidden, Invalid
from zman.cli import exit_codes, main, profiles
from zman.cli.profiles import Place
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


def decide(folder, environment=None, **options):
    return profiles.decide(options, {"XDG_CONFIG_HOME": str(folder), **(environment or {})})


def test_the_default_profile_names_console_trust_and_token(folder):
    place = decide(folder)
    assert place == Place("https://zcc.example:8443", folder / "ca.pem", SECRET)
    assert SECRET not in repr(place)


def test_an_option_wins_over_the_environment_and_that_over_a_profile(folder):
    assert decide(folder, profile="other").url == "https://other.example"
    said = {"ZMAN_PROFILE": "other", "ZMAN_TOKEN": "zcct_env"}
    assert decide(folder, said).token == "zcct_env"
    assert decide(folder, {"ZMAN_URL": "https://env"}).url == "https://env"
    assert decide(folder, {"ZMAN_URL": "https://env"}, url="https://option").url == "https://option"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_not_used(folder, mode):
    (folder / "token").chmod(mode)
    with pytest.raises(Forbidden, match="can be read by others") as caught:
        decide(folder)
    assert "chmod 600" in caught.value.action
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("nonsense", "cannot be read"),
        ('default = "gone"', "no profile gone"),
        ('default = "a"\n[profiles.a]\ntoken = "zcct_x"', "holds a token itself"),
        ('default = "a"\n[profiles.a]\nurl = "http://plain"', "address of the console"),
        ('default = "a"\n[profiles.a]\nurl = "https://a"\nca_file = "/gone"', "no file /gone"),
        ('default = "a"\n[profiles.a]\nurl = "https://a"', "No token"),
        ('default = "a"\n[profiles.a]\nurl = "https://a"\ntoken_file = "/gone"', "cannot be read"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(folder, written, message):
    (folder / "zman" / "profiles.toml").write_text(written)
    with pytest.raises(Invalid, match=message):
        decide(folder)


def test_the_access_file_of_an_embedded_zone_is_enough(folder):
    path = folder / "access.json"
    path.write_text(
        f'{{"url": "https://z:1", "ca_file": "{folder}/ca.pem", "api_token": "zcct_a"}}'
    )
    path.chmod(0o600)
    empty = {"XDG_CONFIG_HOME": "/nowhere"}
    assert profiles.decide({"access": str(path)}, empty).token == "zcct_a"
    path.write_text("[]")
    with pytest.raises(Invalid, match=r"not the access\.json"):
        profiles.decide({"access": str(path)}, empty)


def test_a_token_is_never_an_argument():
    for text in main.make_parser().format_help(), main.EPILOG:
        assert "--token " not in text
    with pytest.raises(Fault):
        main.make_parser().parse_args(["list", "servers", "--token", "x"])


class Answer(BaseHTTPRequestHandler):
    """Answers every call with something that is no document of the API."""

    seen: list[str] = []  # noqa: RUF012 - of one test

    def do_GET(self):
        self.seen.append(self.headers["Authorization"])
        self.send_response(200 if self.path.endswith("zone") else 502)
        self.end_headers()
        self.wfile.write(b'{"name": "Z"}' if self.path.endswith("zone") else b"<html>")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A TLS server, its CA in a file, and a stranger's CA."""
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ours.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    web = HTTPServer(("127.0.0.1", 0), Answer)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, args=(0.05,))
    thread.start()
    Answer.seen.clear()
    yield f"https://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("zman.client.client.PAUSE_SECONDS", 0.0)


def test_a_console_that_is_trusted_answers(server, tmp_path):
    with Console(Place(server, tmp_path / "ours.pem", SECRET)) as api:
        assert api.get("zone") == {"name": "Z"}
    assert Answer.seen == [f"Bearer {SECRET}"]


def test_a_console_that_is_not_trusted_hears_no_token(server, tmp_path):
    api = Console(Place(server, tmp_path / "other.pem", SECRET))
    with api, pytest.raises(exit_codes.NotVerified, match="not trusted") as caught:
        api.get("zone")
    assert exit_codes.code_of(caught.value) == exit_codes.NOT_VERIFIED
    assert Answer.seen == []


def test_an_answer_that_is_no_document_is_told_after_all(server, tmp_path, quick):
    api = Console(Place(server, tmp_path / "ours.pem", SECRET))
    with api, pytest.raises(Fault, match="answered 502"):
        api.get("devices")


def test_a_console_that_is_away_is_asked_again_and_told(tmp_path, quick, monkeypatch):
    from tests.harness.places import free_port

    api = Console(Place(f"https://127.0.0.1:{free_port()}", None, SECRET))
    with api, pytest.raises(Fault, match="does not answer") as caught:
        api.get("zone")
    assert exit_codes.code_of(caught.value) == exit_codes.UNREACHABLE


def test_a_ca_file_that_is_none_is_told(tmp_path):
    (tmp_path / "ca.pem").write_text("x")
    with pytest.raises(exit_codes.NotVerified, match="no certificate"):
        Console(Place("https://x", tmp_path / "ca.pem", SECRET))
