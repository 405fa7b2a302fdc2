"""Notification targets of chat and paging services, and the mail server, with zman."""

import json
import logging
import re

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from administrators.protection import account_macs
from notifications.mail_server import settings as mail_server
from notifications.models import Target
from tests.support.deliveries import send_all
from tests.zman.cli.test_parser import subcommands
from zman.cli import exit_codes
from zman.cli.main import make_parser
from zman.cli.parser import GLOBAL

SERVICES = ["slack", "teams", "mattermost", "ntfy", "pagerduty"]
WITH_TOKEN = ["ntfy", "pagerduty"]


@pytest.mark.parametrize("kind", SERVICES)
def test_a_target_of_a_service_is_created_and_changed(shell, receiver, kind):
    url, token = shell.folder / "url", shell.folder / "token"
    url.write_text(f"{receiver.url}\n")
    token.write_text("first\n")
    secrets = ["--url-file", str(url)]
    if kind in WITH_TOKEN:
        secrets += ["--secret-file", str(token)]
    made = shell.good("notification-target", kind, "chat", *secrets)
    assert made.out == "", "only a webhook has a secret to print"
    assert Target.objects.get().kind == kind
    shell.good("notification-target", "test", "chat")
    assert send_all() == [True]
    token.write_text("second\n")
    shell.good("notification-target", "change", "chat", *secrets, "--rename", "night")
    shell.good("notification-target", "test", "night")
    assert send_all() == [True]
    if kind == "pagerduty":
        keys = [json.loads(body)["routing_key"] for *_, body in receiver.posted]
        assert keys == ["first", "second"]


def test_only_services_with_a_token_accept_one(shell):
    run = shell("notification-target", "slack", "chat", "--secret-file", "token")
    assert run.code == exit_codes.USAGE


def test_the_mail_server_is_set_tested_and_removed(shell, mailbox):
    password = shell.folder / "password"
    password.write_text("of the mail server\n")
    options = ["--sender", "zcc@acme.example", "--username", "zcc"]
    shell.good(
        "mail-server", "set", "mail.acme.example", *options, "--password-file", str(password)
    )
    shown = shell.json("show", "mail-server")
    assert (shown["host"], shown["port"], shown["security"]) == (
        "mail.acme.example",
        587,
        "starttls",
    )
    assert "password" not in shown
    shell.good(
        "mail-server", "set", "mail.acme.example", "--sender", "ca@acme.example", *options[2:]
    )
    assert shell.json("show", "mail-server")["sender"] == "ca@acme.example"
    shell.good("mail-server", "remove")
    assert shell("show", "mail-server").code == exit_codes.NOT_FOUND
    assert shell("mail-server", "test").code == exit_codes.REFUSED, "the account has no address"
    User.objects.update(email="admin@acme.example")
    for user in User.objects.all():
        account_macs.stamp(user.pk)
    assert "admin@acme.example" in shell.good("mail-server", "test").err
    assert mailbox.recipients == [["admin@acme.example"]]


@pytest.fixture
def log(caplog):
    """The log of the console at its highest level."""
    caplog.set_level(logging.DEBUG)
    return caplog


class Records:
    """A shell whose commands, output, and log are kept."""

    def __init__(self, shell):
        self.shell, self.texts = shell, []
        shell.patch.setattr(logging, "disable", lambda _level: None)

    def __call__(self, *arguments):
        run = self.shell(*arguments)
        self.texts += [*arguments, run.out, run.err]
        return run.code

    def write(self, name, text):
        path = self.shell.folder / name
        path.write_text(f"{text}\n")
        return str(path)


def test_no_secret_is_in_arguments_output_log_or_database(shell, receiver, mailbox, settings, log):
    hidden = [f"hidden-{name}" for name in ("path", "token", "password")]
    shell.patch.setattr(mail_server, "PORTS", (settings.EMAIL_PORT,))
    run = Records(shell)
    url = run.write("url", receiver.url.replace("hook", hidden[0]))
    token, password = run.write("token", hidden[1]), run.write("password", hidden[2])
    for kind in (*SERVICES, "webhook"):
        extra = ["--secret-file", token] if kind in WITH_TOKEN else []
        made = run("notification-target", kind, kind, "--url-file", url, *extra)
        shown = run("show", "notification-target", kind, "--json")
        assert (made, shown, run("notification-target", "test", kind)) == (0, 0, 0)
    # What a service receives contains its secret, and an error of it is recorded without.
    assert send_all() == [True] * 6
    assert hidden[0] in receiver.posted[0][0]
    receiver.status = 500
    run("notification-target", "test", "slack")
    assert send_all() == [False]
    run("list", "notifications", "--json")
    server = ["mail-server", "set", "127.0.0.1", "--port", str(settings.EMAIL_PORT)]
    server += ["--sender", "zcc@acme.example", "--username", "zcc", "--password-file"]
    assert run(*server, password) == exit_codes.OK
    User.objects.update(email="admin@acme.example")
    for user in User.objects.all():
        account_macs.stamp(user.pk)
    # The receiver does not offer TLS, so the password is not sent.
    assert run("mail-server", "test") == exit_codes.REFUSED
    assert run("show", "mail-server", "--json") == exit_codes.OK
    for name, invalid in (("control", f"{hidden[2]}\x07"), ("long", hidden[2] * 200)):
        assert run(*server, run.write(name, invalid)) == exit_codes.USAGE
    stored = [str(list(model._default_manager.values())) for model in apps.get_models()]
    assert "notification-targets" in log.text
    for text in (*run.texts, log.text, *stored):
        assert [secret for secret in hidden if secret in text] == []


def test_secrets_are_read_from_files_only():
    """Every user of a host can read the arguments of its processes."""
    (groups,) = subcommands(make_parser())
    options = {
        option
        for name in ("notification-target", "mail-server")
        for kinds in subcommands(groups.choices[name])
        for parser in kinds.choices.values()
        for action in parser._actions
        if action.dest not in GLOBAL
        for option in action.option_strings
    }
    named = [name for name in options if re.search("url|secret|token|password|key", name)]
    assert sorted(named) == ["--password-file", "--secret-file", "--url-file"]
