"""System updates, their devices and content servers, and the pilot group of a new CA."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from faults import Invalid
from zman.cli.output import Output
from zman.cli.parser import Commands, Parser, add_operation_argument
from zman.cli.times import parse_duration
from zman.client.client import Console
from zman.client.lookup import get_operation, get_update

REPLICA_ACTIONS = {
    "exclude": "exclude a content server from an update",
    "include": "include an excluded content server again",
}
DEVICE_ACTIONS = {
    "ignore": "exclude a device from an update",
    "redeploy": "deploy an update again to a device, or to all devices on which it failed",
    "clear-error": "clear the error of a device",
    "refresh": "retry on a device at its next contact",
}
PILOT_GROUP, PILOT_ROLES = "pilot-group", ("managed", "content-satellite")
UPDATE_ACTIONS = {
    "baseline": "baseline a completed update, which is then no longer deployed",
    "delete": "delete a baselined or canceled update and its Certificate Remint Tool",
}


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_update(
        commands.add("replicate", replicate, "start replication now on all content servers")
    )
    replica = commands.group("replica", "manage the content servers of an update")
    for name, words in REPLICA_ACTIONS.items():
        added = replica.add(name, run_replica_action, words, action=name)
        added.add_argument("--server", required=True, help="name of the content server")
        _add_update(added)
        commands.alias(name, replica, name)
    for name, words in DEVICE_ACTIONS.items():
        added = commands.add(name, run_device_action, words, action=name)
        nargs = "?" if name == "redeploy" else None
        added.add_argument("device", metavar="DEVICE", nargs=nargs)
        added.add_argument("--update", required=True, help="name or ID of the update")
    for name, words in UPDATE_ACTIONS.items():
        commands.add(name, run_update_action, words, action=name).add_argument(
            "update", metavar="UPDATE", help="name or ID"
        )
    _add_pilot_group(commands)


def _add_pilot_group(commands: Commands) -> None:
    group = commands.group(
        "pilot-group", "devices that receive a new CA first (to view them: zman show pilot-group)"
    )
    added = group.add("set", set_pilot_group, "select the devices, and turn the pilot group on")
    added.add_argument(
        "--device", action="append", default=[], metavar="DEVICE", help="can be repeated"
    )
    added.add_argument(
        "--role",
        action="append",
        default=[],
        choices=PILOT_ROLES,
        help="devices with this role (can be repeated)",
    )
    added.add_argument(
        "--count",
        type=int,
        default=0,
        metavar="NUMBER",
        help="only so many devices: those with the most recent contact",
    )
    added.add_argument(
        "--percent",
        type=int,
        default=100,
        help="share that must pass the preflight check (default: 100)",
    )
    added.add_argument("--timeout", default="1d", help="time limit, for example 4h (default: 1d)")
    group.add("off", turn_off_pilot_group, "turn the pilot group off")


def _add_update(parser: Parser) -> None:
    add_operation_argument(parser)
    parser.add_argument(
        "--update", default="", help="name or ID of the update (instead of an operation)"
    )


def run_update_action(api: Console, out: Output, args: Namespace) -> None:
    """Baseline or delete an update."""
    update = get_update(api, args.update)
    out.confirm(f"{args.action.capitalize()} {update['name']}?", yes=args.yes)
    if args.action == "delete":
        api.delete(f"updates/{update['id']}")
        result = {"id": update["id"], "name": update["name"], "state": "deleted"}
    else:
        result = api.post(f"updates/{update['id']}/{args.action}")
    _report(out, result, update["name"])


def run_device_action(api: Console, out: Output, args: Namespace) -> None:
    """Run an action on a device of an update. Redeploy without a device means all that failed."""
    update = get_update(api, args.update)
    if not args.device:
        out.confirm(f"Redeploy {update['name']} to all devices on which it failed?", yes=args.yes)
        _report(out, api.post(f"updates/{update['id']}/redeploy"), update["name"])
        return
    found = [
        item["id"]
        for item in api.iter_all(f"updates/{update['id']}/assignments", q=args.device)
        if item["device"] == args.device
    ]
    if not found:
        raise Invalid(f"{args.device} is not a device of {update['name']}.")
    question = f"{args.action.capitalize().replace('-', ' ')} of {args.device} in {update['name']}?"
    out.confirm(question, yes=args.yes)
    changed = api.post(f"assignments/{found[0]}/{args.action}")
    _report(out, changed, args.device)
    if args.action == "refresh" and not changed["is_immediate"]:
        due = f"Next contact expected by {changed['due_at']}. " if changed["due_at"] else ""
        out.say(f"{due}To update now, run zac refresh on the device.")


def run_replica_action(api: Console, out: Output, args: Namespace) -> None:
    """Exclude a content server from an update, or include it again."""
    replicas = api.iter_all(f"updates/{_get_update_id(api, args)}/replicas")
    found = [replica["id"] for replica in replicas if replica["server"] == args.server]
    if not found:
        raise Invalid(f"{args.server} is not a content server of this update.")
    out.confirm(f"{args.action.capitalize()} {args.server}?", yes=args.yes)
    _report(out, api.post(f"replicas/{found[0]}/{args.action}"), args.server)


def replicate(api: Console, out: Output, args: Namespace) -> None:
    """Start replication on all content servers that do not have the content."""
    changed = api.post(f"updates/{_get_update_id(api, args)}/replicate-now")
    _report(out, changed, changed["name"])


def _get_update_id(api: Console, args: Namespace) -> Any:
    if args.update:
        return get_update(api, args.update)["id"]
    return get_operation(api, args.operation)["update_id"]


def _report(out: Output, changed: dict[str, Any], name: str) -> None:
    out.result(changed, f"{name} is {changed['state']}.")


def set_pilot_group(api: Console, out: Output, args: Namespace) -> None:
    """Set the pilot group and turn it on."""
    body: dict[str, Any] = {
        "on": True,
        "devices": args.device,
        "roles": args.role,
        "count": args.count,
        "percent": args.percent,
        "timeout_seconds": parse_duration(args.timeout),
    }
    out.result(api.put(PILOT_GROUP, body), "The pilot group receives a new CA first.", name="on")


def turn_off_pilot_group(api: Console, out: Output, args: Namespace) -> None:
    """Turn the pilot group off. Its other settings are kept."""
    changed = api.put(PILOT_GROUP, {**api.get(PILOT_GROUP), "on": False})
    out.result(changed, "All devices receive a new CA at the same time.", name="on")
