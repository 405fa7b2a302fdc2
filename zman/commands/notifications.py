"""Notification targets, sent notifications, and the export of the audit log."""

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

MAX_URL_SIZE = 4096


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    targets = commands.group("notification-target", "manage notification targets")
    _add_targets(targets)
    commands.alias("target", targets)
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
    words = "change a target (options you omit keep their current values)"
    changed = targets.add("change", change, words)
    for parser in (mail, hook, changed):
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
    for parser in (hook, changed):
        _add_url_file(parser)
    for name, run, words in (
        ("test", send_test, "send a test notification"),
        ("new-secret", replace_secret, "replace the secret of a webhook and print it"),
        ("remove", remove, "remove a target and its history"),
    ):
        targets.add(name, run, words).add_argument("name", metavar="NAME")


def _add_url_file(parser: Parser) -> None:
    files(
        parser.add_argument(
            "--url-file",
            default="",
            metavar="FILE",
            help="file that contains the URL (treat it as a secret)",
        )
    )


def _get_target(api: Console, name: str) -> dict[str, Any]:
    return find_unique(api, "notification-targets", name, "notification-target")


def _read_url(args: Namespace) -> str:
    path = getattr(args, "url_file", "")
    return read_file(path, MAX_URL_SIZE).decode().strip() if path else ""


def create(api: Console, out: Output, args: Namespace) -> None:
    """Create a target. Without --event it is subscribed to all events."""
    body = {
        "kind": args.kind,
        "name": args.name,
        "events": args.event or [event["key"] for event in api.get("notification-events")],
        "recipients": getattr(args, "to", []),
        "url": _read_url(args),
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
        "url": _read_url(args),
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
