"""Notification targets, the mail server, sent notifications, and the export of the audit log."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from faults import Invalid
from zman.cli.files import read_file, write_file, write_secret
from zman.cli.output import Output
from zman.cli.parser import Commands, Parser, files
from zman.cli.times import parse_time
from zman.client.client import Console
from zman.client.lookup import find_unique

MAX_SECRET_SIZE = 4096
SERVICES = {
    "slack": "Slack",
    "teams": "Microsoft Teams",
    "mattermost": "Mattermost",
    "ntfy": "ntfy",
    "pagerduty": "PagerDuty",
}
# Their token is not part of the URL.
WITH_TOKEN = ("ntfy", "pagerduty")


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    targets = commands.group("notification-target", "manage notification targets")
    _add_targets(targets)
    commands.alias("target", targets)
    _add_mail_server(commands.group("mail-server", "manage the mail server of the zone"))
    notification = commands.group("notification", "manage sent notifications")
    again = notification.add("resend", resend, "resend a failed notification")
    again.add_argument("id", metavar="ID", help="see: zman list notifications --state failed")
    commands.alias("send-again", notification, "resend")
    audit = commands.group("audit", "export the audit log")
    exported = audit.add("export", export_audit, "export the audit log to a JSON file")
    files(exported.add_argument("export_file", metavar="FILE"))
    for name in ("since", "until"):
        exported.add_argument(
            f"--{name}", default="", metavar="TIME", help="2030-05-17T22:00+02:00"
        )
    exported.add_argument("--actor", default="", help="only entries of this administrator or host")
    exported.add_argument("--action", default="", help="only entries with this action")
    commands.alias("audit-export", audit, "export")


def _add_targets(targets: Commands) -> None:
    mail = targets.add("mail", create, "create an email target", kind="mail")
    hook = targets.add("webhook", create, "create a webhook and print its secret", kind="webhook")
    chats = {
        kind: targets.add(kind, create, f"create a target of {label}", kind=kind)
        for kind, label in SERVICES.items()
    }
    words = "change a target (options you omit keep their current values)"
    changed = targets.add("change", change, words)
    for parser in (mail, hook, *chats.values(), changed):
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--event", action="append", default=[], help="see: zman list events")
    changed.add_argument("--rename", default="", metavar="NAME", help="new name")
    changed.add_argument("--active", choices=["yes", "no"], default="")
    for parser in (mail, changed):
        parser.add_argument(
            "--to",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="email address (can be specified multiple times)",
        )
    for parser in (hook, *chats.values(), changed):
        _add_secret_file(parser, "--url-file", "file that contains the URL (treat it as a secret)")
    words = "file that contains the token of ntfy, or the integration key of PagerDuty"
    for parser in (*(chats[kind] for kind in WITH_TOKEN), changed):
        _add_secret_file(parser, "--secret-file", words)
    for name, run, words in (
        ("test", send_test, "send a test notification"),
        ("new-secret", replace_secret, "replace the secret of a webhook and print it"),
        ("remove", remove, "remove a target and its history"),
    ):
        targets.add(name, run, words).add_argument("name", metavar="NAME")


def _add_secret_file(parser: Parser, option: str, words: str) -> None:
    files(parser.add_argument(option, default="", metavar="FILE", help=words))


def _add_mail_server(server: Commands) -> None:
    words = "set the mail server (to view it: zman show mail-server)"
    changed = server.add("set", set_mail_server, words)
    changed.add_argument("host", metavar="HOST")
    changed.add_argument("--sender", required=True, metavar="ADDRESS", help="sender of messages")
    changed.add_argument("--port", type=int, default=587, help="25, 465, 587, or 2525")
    changed.add_argument("--security", choices=["starttls", "tls", "none"], default="starttls")
    changed.add_argument("--username", default="", metavar="NAME", help="user name at the server")
    words = "file that contains the password. Without it, the current password is kept"
    _add_secret_file(changed, "--password-file", words)
    server.add("test", test_mail_server, "send a test message to your email address")
    server.add("remove", remove_mail_server, "remove the mail server")


def _get_target(api: Console, name: str) -> dict[str, Any]:
    return find_unique(api, "notification-targets", name, "notification-target")


def _read_secret(args: Namespace, name: str) -> str:
    """Return the content of the file of an option, "" without the option."""
    path = getattr(args, name, "")
    return read_file(path, MAX_SECRET_SIZE).decode().strip() if path else ""


def _read_secrets(args: Namespace) -> dict[str, str]:
    """Return URL and token, as the REST API expects them."""
    return {"url": _read_secret(args, "url_file"), "token": _read_secret(args, "secret_file")}


def create(api: Console, out: Output, args: Namespace) -> None:
    """Create a target. Without --event it is subscribed to all events."""
    body = {
        "kind": args.kind,
        "name": args.name,
        "events": args.event or [event["key"] for event in api.get("notification-events")],
        "recipients": getattr(args, "to", []),
        **_read_secrets(args),
    }
    target = api.post("notification-targets", body)
    out.result(target, f"Created target {args.name}.")
    if target["secret"] and not out.is_for_programs:
        write_secret(out, target["secret"])


def change(api: Console, out: Output, args: Namespace) -> None:
    """Change a target."""
    target = _get_target(api, args.name)
    body = {
        "name": args.rename or target["name"],
        "events": args.event or target["events"],
        "recipients": args.to or target["recipients"],
        **_read_secrets(args),
        "active": args.active == "yes" if args.active else target["active"],
    }
    changed = api.put(f"notification-targets/{target['id']}", body)
    out.result(changed, f"Updated target {changed['name']}.")


def send_test(api: Console, out: Output, args: Namespace) -> None:
    """Send a test notification to a target."""
    target = _get_target(api, args.name)
    sent = api.post(f"notification-targets/{target['id']}/test")
    message = "Sending a test notification. To see the result, run: zman show notification"
    out.result(sent, f"{message} {sent['id']}", name="id")


def replace_secret(api: Console, out: Output, args: Namespace) -> None:
    """Replace the secret of a webhook and print the new one."""
    target = _get_target(api, args.name)
    out.confirm(f"Replace the webhook secret of {target['name']}?", yes=args.yes)
    created = api.post(f"notification-targets/{target['id']}/new-secret")
    if out.is_for_programs:
        out.record(created, "secret")
    else:
        write_secret(out, created["secret"])


def remove(api: Console, out: Output, args: Namespace) -> None:
    """Remove a target."""
    target = _get_target(api, args.name)
    out.confirm(f"Remove {target['name']} and its notification history?", yes=args.yes)
    api.delete(f"notification-targets/{target['id']}")
    out.result(target, f"Removed target {target['name']}.")


def set_mail_server(api: Console, out: Output, args: Namespace) -> None:
    """Set the mail server."""
    names = ("host", "port", "security", "sender", "username")
    body = {name: getattr(args, name) for name in names}
    server = api.put("mail-server", {**body, "password": _read_secret(args, "password_file")})
    out.result(server, f"Set the mail server {args.host}.", name="host")


def test_mail_server(api: Console, out: Output, args: Namespace) -> None:
    """Send a test message to the email address of the user."""
    sent = api.post("mail-server/test")
    out.result(sent, f"The mail server has accepted a test message to {sent['to']}.", name="to")


def remove_mail_server(api: Console, out: Output, args: Namespace) -> None:
    """Remove the mail server that is set in the console."""
    server = api.get("mail-server")
    out.confirm(f"Remove the mail server {server['host']}?", yes=args.yes)
    api.delete("mail-server")
    out.result(server, f"Removed the mail server {server['host']}.", name="host")


def resend(api: Console, out: Output, args: Namespace) -> None:
    """Resend a failed notification."""
    sent = api.post(f"notifications/{args.id}/send-again")
    out.result(sent, f"Resending {sent['title']} to {sent['target']}.", name="id")


def export_audit(api: Console, out: Output, args: Namespace) -> None:
    """Write audit log entries with their digests to a file."""
    query = {name: getattr(args, name) for name in ("actor", "action") if getattr(args, name)}
    for name in ("since", "until"):
        if getattr(args, name):
            query[name] = parse_time(getattr(args, name))
    entries = list(api.iter_all("audit-entries", **query))
    if not entries:
        raise Invalid("No matching entries. Nothing was written.")
    text = json.dumps({"entries": entries}, indent=1, ensure_ascii=False)
    write_file(out, text.encode(), args.export_file)
