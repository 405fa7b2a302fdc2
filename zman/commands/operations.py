"""Show, follow, and change operations."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from zman.cli.output import Output
from zman.cli.parser import Commands, Parser, accept, add_operation_argument
from zman.cli.times import TIME_FORMAT, parse_time
from zman.client.client import Console
from zman.client.lookup import get_operation
from zman.client.watch import ENDS, watch_operation

WATCH_HELP = "wait until the operation completes"
OLD_ENDS = {"cancelled": "canceled"}
# Command: path of the call, question before it, end state for --watch, help, old name.
ACTIONS = {
    "cancel": ("cancel", "Cancel {}?", "canceled", "cancel an operation", ""),
    "assign-now": (
        "assign-now",
        "Assign {} now, before all servers have the content?",
        "completed",
        "assign the update now without waiting for replication",
        "assign",
    ),
    "force-activation": (
        "force",
        "Force activation of {} even though some servers do not have a certificate?",
        "completed",
        "force activation of a blocked operation",
        "force",
    ),
    "continue-after-pilot": (
        "continue-after-pilot",
        "Send the update of {} to all devices although the pilot group has not passed?",
        "completed",
        "send the update to all devices although the pilot group has not passed",
        "",
    ),
    "rollback": (
        "roll-back",
        "Roll back {} and return to the previous CA?",
        "rolled-back",
        "roll back to the previous CA",
        "roll-back",
    ),
    "retry": ("try-again", "", "completed", "retry a failed preparation", "try-again"),
    "clear-failure": (
        "clear-failure",
        "",
        "completed",
        "clear the message about a failed cancellation",
        "clear",
    ),
    "continue-without-cross-cert": (
        "continue-without-cross-certificate",
        "Continue {} without the cross-certificate?",
        "completed",
        "continue without the cross-certificate if the certificate server is lost",
        "without-bridge",
    ),
}


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    watched = commands.add("watch", watch, "watch an operation until it completes")
    add_operation_argument(watched)
    watched.add_argument(
        "--until",
        choices=tuple(ENDS),
        type=accept(OLD_ENDS),
        default="completed",
        metavar="STATE",
        help=f"state to wait for: {', '.join(ENDS)}",
    )
    later = commands.add("postpone", change_activation_time, "change the activation time")
    add_operation_argument(later)
    later.add_argument("--at", required=True, metavar="TIME", help=TIME_FORMAT)
    add_window_override(later)
    later.add_argument("--watch", action="store_true", help=WATCH_HELP)
    for name, (_path, _question, _end, words, old) in ACTIONS.items():
        added = commands.add(name, run_action, words, action=name)
        add_operation_argument(added)
        added.add_argument("--watch", action="store_true", help=WATCH_HELP)
        if old:
            commands.alias(old, name=name)


def add_window_override(parser: Parser) -> None:
    """Add the option for an activation outside the maintenance windows."""
    parser.add_argument(
        "--outside-windows",
        default="",
        metavar="REASON",
        help="activate outside the maintenance windows, for this reason",
    )


def get_window_override(args: Namespace) -> dict[str, str]:
    """Return the field for the API. A console of an earlier version rejects it."""
    return {"window_override": args.outside_windows} if args.outside_windows else {}


def report(
    api: Console,
    out: Output,
    args: Namespace,
    operation: dict[str, Any],
    end: str,
    message: str,
) -> None:
    """Report the result of a command; with --watch, follow the operation first."""
    if args.watch:
        out.say(message)
        _watch(api, out, operation["id"], end)
    else:
        out.result(operation, message, name="id")


def _watch(api: Console, out: Output, operation_id: str, end: str) -> None:
    operation = watch_operation(api, out, operation_id, end)
    if not out.is_stream:
        out.result(operation, _describe_state(operation), name="id")


def _describe_state(operation: dict[str, Any]) -> str:
    return f"{operation['name']} is {operation['state']}."


def watch(api: Console, out: Output, args: Namespace) -> None:
    """Follow an operation until it is in the requested state."""
    _watch(api, out, get_operation(api, args.operation)["id"], args.until)


def run_action(api: Console, out: Output, args: Namespace) -> None:
    """Run one of ACTIONS on an operation."""
    path, question, end, _words, _old = ACTIONS[args.action]
    operation = get_operation(api, args.operation)
    if question:
        out.confirm(question.format(operation["name"]), yes=args.yes)
    changed = api.post(f"operations/{operation['id']}/{path}")
    message = _describe_state(changed)
    if changed["requested_action"]:
        message = (
            f"Requested {args.action} of {changed['name']}. "
            "Another administrator must approve the request (zman list requests)."
        )
    report(api, out, args, changed, end, message)


def change_activation_time(api: Console, out: Output, args: Namespace) -> None:
    """Change the activation time of an operation."""
    operation = get_operation(api, args.operation)
    path = f"operations/{operation['id']}/activation-time"
    changed = api.put(path, {"activates_at": parse_time(args.at), **get_window_override(args)})
    message = f"{changed['name']} is now scheduled for activation at {changed['activates_at']}."
    report(api, out, args, changed, "completed", message)
