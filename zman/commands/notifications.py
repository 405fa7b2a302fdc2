"""Notifications: targets, a test, what was sent; the audit log as a file."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from faults import Invalid
from zman.cli.output import Output
from zman.client.client import Console
from zman.commands.operations import moment, read
from zman.commands.resources import named, write, write_secret

Add = Callable[..., ArgumentParser]
URL_AT_MOST = 4096


def add_commands(commands: Any, add: Add) -> None:
    """Add the commands of this room to the parser."""
    target = commands.add_parser("target", help="where notifications go")
    whats = target.add_subparsers(dest="what", required=True, metavar="ACT")
    mail = add(whats, "mail", create, "a new target that is reached by mail")
    hook = add(whats, "webhook", create, "a new webhook; prints its secret")
    for parser in (mail, hook):
        parser.add_argument("name")
    changed = add(whats, "change", change, "change a target; what is not named stays")
    changed.add_argument("name")
    changed.add_argument("--rename", default="", metavar="NAME")
    changed.add_argument("--active", choices=["yes", "no"], default="")
    for parser in (mail, changed):
        parser.add_argument("--to", action="append", default=[], metavar="ADDRESS")
    for parser in (hook, changed):
        parser.add_argument("--url-file", default="", help="file with the URL: it may be a secret")
    for parser in (mail, hook, changed):
        parser.add_argument("--event", action="append", default=[], help="see: list events")
    for name, run, words in (
        ("test", test, "send a test to a target"),
        ("new-secret", new_secret, "give a webhook another secret, and print it"),
        ("remove", remove, "remove a target with its history"),
    ):
        add(whats, name, run, words).add_argument("name")
    again = add(commands, "send-again", send_again, "send again what was given up")
    again.add_argument("notification", help="id; see: list notifications --state given-up")
    kept = add(commands, "audit-export", export, "write the audit log into a file as JSON")
    kept.add_argument("file")
    for name in ("since", "until"):
        kept.add_argument(f"--{name}", default="", help="2030-05-17T22:00+02:00")
    for name in ("actor", "action"):
        kept.add_argument(f"--{name}", default="")


def _target(api: Console, name: str) -> dict[str, Any]:
    return named(api, "notification-targets", name, "target")


def _url(told: Namespace) -> str:
    path = getattr(told, "url_file", "")
    return read(path, URL_AT_MOST).decode().strip() if path else ""


def create(api: Console, out: Output, told: Namespace) -> None:
    """Make a target; without events it asks for all of them."""
    every = [one["key"] for one in api.get("notification-events")]
    order = {
        "kind": told.what,
        "name": told.name,
        "events": told.event or every,
        "recipients": getattr(told, "to", []),
        "url": _url(told),
    }
    made = api.post("notification-targets", order)
    out.say(f"The target {told.name} is created.")
    if out.as_json:
        out.data(made)
    elif made["secret"]:
        write_secret(out, made["secret"])


def change(api: Console, out: Output, told: Namespace) -> None:
    """Change a target."""
    known = _target(api, told.name)
    order = {
        "name": told.rename or known["name"],
        "events": told.event or known["events"],
        "recipients": told.to or known["recipients"],
        "url": _url(told),
        "active": told.active == "yes" if told.active else known["active"],
    }
    shown = api.put(f"notification-targets/{known['id']}", order)
    if out.as_json:
        out.data(shown)
    out.say(f"The target {shown['name']} is changed.")


def test(api: Console, out: Output, told: Namespace) -> None:
    """Send a test to a target."""
    target = _target(api, told.name)
    sent = api.post(f"notification-targets/{target['id']}/test")
    if out.as_json:
        out.data(sent)
    out.say(f"A test is under way. How it went: zman show notification {sent['id']}")


def new_secret(api: Console, out: Output, told: Namespace) -> None:
    """Give a webhook another secret."""
    target = _target(api, told.name)
    out.confirm(f"Sign for {target['name']} with another secret from now on?", yes=told.yes)
    made = api.post(f"notification-targets/{target['id']}/new-secret")
    if out.as_json:
        out.data(made)
    else:
        write_secret(out, made["secret"])


def remove(api: Console, out: Output, told: Namespace) -> None:
    """Remove a target."""
    target = _target(api, told.name)
    out.confirm(f"Remove {target['name']} and what was sent to it?", yes=told.yes)
    api.delete(f"notification-targets/{target['id']}")
    out.say(f"The target {target['name']} is removed.")


def send_again(api: Console, out: Output, told: Namespace) -> None:
    """Send again what was given up."""
    shown = api.post(f"notifications/{told.notification}/send-again")
    if out.as_json:
        out.data(shown)
    out.say(f"{shown['title']} is sent again to {shown['target']}.")


def export(api: Console, out: Output, told: Namespace) -> None:
    """Write the audit log, or a part of it, with every digest, so that the chain can be checked."""
    query = {name: getattr(told, name) for name in ("actor", "action") if getattr(told, name)}
    for name in ("since", "until"):
        if getattr(told, name):
            query[name] = moment(getattr(told, name))
    entries = list(api.every("audit-entries", **query))
    if not entries:
        raise Invalid("No entry fits. Nothing was written.")
    text = json.dumps({"entries": entries}, indent=1, ensure_ascii=False)
    write(out, text.encode(), told.file)
