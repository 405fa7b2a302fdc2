"""What is logged: request and operation in each line, a reference on error pages, no secret."""

from __future__ import annotations

import json
import logging
import sys
from uuid import uuid4

import pytest
from django.test import Client, RequestFactory

from console.middleware import RequestIdMiddleware
from console.requests import logs
from pki import keys
from tests.support import factories

SECRETS = {
    "token": ("wrong token zcct_{s}", "zcct_"),
    "registration key": ("registered with zcc1-{s}-pin", "zcc1-"),
    "header": ("Authorization: Bearer {s}", "Authorization"),
    "agent header": ('headers {{"Authorization": "ZAC device=1,counter=2,mac={s}"}}', "headers"),
    "bearer": ("sent bearer {s} along", "along"),
    "password": ("login password={s} failed", "failed"),
    "quoted": ("passphrase='seven {s} lakes' was taken", "was taken"),
    "json": ('{{"api_token": "{s}", "name": "x"}}', '"name": "x"'),
    "double quoted": ('order.passphrase = "a {s} b"', "order."),
    "dictionary": ("{{'client_secret': '{s}', 'user': 'x'}}", "'user': 'x'"),
    "cookie": ("Cookie: __Host-session={s}", ""),
    "database": ("postgresql://zcc:{s}@db/zcc is away", "@db/zcc is away"),
    "broker": ("redis://:{s}@broker:6379 is away", "is away"),
}


def record(message: str, **more: object) -> logging.LogRecord:
    values = {"name": "zcc", "levelno": logging.INFO, "levelname": "INFO", "msg": message, **more}
    return logging.makeLogRecord(values)


def caught(error: Exception) -> object:
    try:
        raise error
    except type(error):
        return sys.exc_info()


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.LineFormatter("%(message)s")])
def test_a_secret_in_a_message_is_hidden_and_the_rest_stays(kind, formatter):
    secret = "S3cr" + uuid4().hex
    text, stays = SECRETS[kind]
    written = formatter.format(record(text.format(s=secret)))
    assert secret not in written
    told = json.loads(written)["message"] if isinstance(formatter, logs.JsonFormatter) else written
    assert stays in told


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.LineFormatter("%(message)s")])
def test_a_private_key_is_hidden_also_in_a_traceback_and_when_cut(formatter):
    pem = keys.generate_key(256)
    body = pem.splitlines()[1]
    failed = record("It failed: %s", args=(pem,), exc_info=caught(RuntimeError(f"read {pem}")))
    written = formatter.format(failed)
    assert body not in written
    assert "RuntimeError" in written
    assert body not in formatter.format(record(pem[:-40]))
    assert body not in formatter.format(record(repr(pem)))


def test_ordinary_lines_stay_as_they_are():
    for text in (
        "Cancel of 3f2f failed: ps-02 does not answer.",
        "POST /api/v1/tokens 201 12 ms",
        "https://127.0.0.11:8443/ is served from now on",
        "No certificate for device 5: the key is RSA 1024",
    ):
        assert logs.scrub(text) == text


def test_a_message_cannot_begin_another_line():
    line = logs.LineFormatter("%(levelname)s %(message)s").format(
        record("one\nINFO two\x1b[2J\u2028three")
    )
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def test_a_line_of_json_tells_request_operation_and_bug():
    with logs.log_context(request="r-1"):
        logs.add_log_context(operation="o-1")
        line = logs.JsonFormatter().format(record("It failed", exc_info=caught(ValueError("no"))))
    told = json.loads(line)
    assert (told["request"], told["operation"], told["level"]) == ("r-1", "o-1", "INFO")
    assert told["exception"].endswith("ValueError: no")
    assert told["time"].endswith("+00:00")
    assert logs.get_log_context() == {}


@pytest.mark.parametrize(("part", "shown"), [("worker", "worker"), ("", "command")])
def test_a_line_of_json_names_its_component(part, shown):
    written = logs.build_formatter("json", part).format(record("It failed"))
    assert json.loads(written)["part"] == shown


def test_log_context_outside_a_request_is_discarded():
    logs.add_log_context(operation="o-1")
    assert logs.get_log_context() == {}


@pytest.fixture
def lines(monkeypatch):
    """What is written while a test runs, as JSON."""
    found = []

    class Keep(logging.Handler):
        def emit(self, one):
            found.append(json.loads(logs.JsonFormatter().format(one)))

    handler = Keep()
    root = logging.getLogger()
    root.addHandler(handler)
    yield found
    root.removeHandler(handler)


@pytest.mark.django_db
def test_each_request_has_an_id_in_its_lines_and_its_answer(lines, settings):
    factories.zone()
    operation = factories.operation(factories.authority(factories.server()))
    client = Client()
    client.force_login(factories.admin())
    there = f"/configuration/certificates/operations/{operation.pk}/cancel/"
    first, second = client.get(there), client.get("/")
    told = [line for line in lines if line["logger"] == "zcc.requests"]
    assert [line["request"] for line in told] == [
        first.headers["X-Request-ID"],
        second.headers["X-Request-ID"],
    ]
    assert told[0]["request"] != told[1]["request"]
    assert told[0]["operation"] == str(operation.pk)
    assert "operation" not in told[1]
    assert told[0]["message"].startswith(f"GET {there} 200 ")


@pytest.mark.django_db
def test_the_reference_of_an_error_page_finds_every_line_of_the_request(lines, monkeypatch):
    factories.zone()

    def explode(*_, **__):
        logging.getLogger("zcc").warning("about to fail")
        raise RuntimeError("passphrase='seven quiet lakes'")

    monkeypatch.setattr("console.pages.views.PreferencesForm", explode)
    client = Client(raise_request_exception=False)
    client.force_login(factories.admin())
    page = client.get("/preferences/")
    reference = page.headers["X-Request-ID"]
    assert page.status_code == 500
    assert reference in page.content.decode()
    mine = [line for line in lines if line.get("request") == reference]
    assert {line["logger"] for line in mine} >= {"zcc", "zcc.errors", "zcc.requests"}
    bug = next(line for line in mine if line["logger"] == "zcc.errors")
    assert "RuntimeError" in bug["exception"]
    assert "quiet lakes" not in json.dumps(mine)


@pytest.mark.parametrize(
    ("proxy", "given", "taken"),
    [
        (None, "abcd-1234-efgh", False),
        (("HTTP_X_FORWARDED_PROTO", "https"), "abcd-1234-efgh", True),
        (("HTTP_X_FORWARDED_PROTO", "https"), "x" * 65, False),
        (("HTTP_X_FORWARDED_PROTO", "https"), "a\nb-c-d-e-f-g", False),
    ],
)
def test_only_a_trusted_proxy_gives_a_request_its_id(settings, proxy, given, taken):
    settings.SECURE_PROXY_SSL_HEADER = proxy
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID=given)
    from django.http import HttpResponse

    answer = RequestIdMiddleware(lambda _request: HttpResponse())(request)
    assert (answer.headers["X-Request-ID"] == given) is taken


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["a-", "token ", "://", 'password="', "-----BEGIN "])
def test_a_long_text_of_a_stranger_does_not_stop_the_process(part):
    """The Host header is logged before a login. In quadratic time, this takes an hour."""
    text = "Invalid HTTP_HOST header: " + part * logs.MAX_LINE_LENGTH
    assert logs.scrub(text).startswith("Invalid HTTP_HOST header: ")


@pytest.mark.django_db
def test_a_client_cannot_hide_a_line_by_its_path(lines):
    factories.zone()
    path = "/api/v1/me/Rejected an invalid API token from 127.0.0.1"
    Client().get(path, headers={"Authorization": "Bearer x"}, secure=True)
    assert any("Rejected an invalid API token" in str(line) for line in lines)
