"""Decide on devices and their changes, and unregister or retire a device."""

from __future__ import annotations

from argparse import Namespace

from zman.cli.output import Output
from zman.cli.parser import Commands
from zman.client.client import Console
from zman.client.lookup import get_device

ACTIONS = {
    "approve": "approve a server that is waiting for approval",
    "replace": "approve a device that is waiting with the name of another one, and retire that one",
    "release": "allow a device with a registration key to take over this name for 24 hours",
    "approve-change": "approve the changed names, addresses, or keys that a server reports",
    "reject-change": "reject the changed names, addresses, or keys that a server reports",
    "unregister": "unregister a device",
    "retire": "retire a device permanently",
}

CHANGE_ACTIONS = ("approve-change", "reject-change")
ADDING_ACTIONS = ("approve", "replace", "approve-change")


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    for name, words in ACTIONS.items():
        commands.add(name, run_action, words, action=name).add_argument("device", metavar="DEVICE")


def run_action(api: Console, out: Output, args: Namespace) -> None:
    """Run one of ACTIONS on a device."""
    device = get_device(api, args.device)
    words, body = args.action.replace("-", " ").capitalize(), None
    if args.action in CHANGE_ACTIONS:
        requested = device["requested_change"] or {"at": "", "changes": []}
        body = {"at": requested["at"]}
        for value in requested["changes"]:
            out.say(f"{value['name']}: {value['before']} -> {value['after']}")
        words = f"{words} of"
    names = device.get("certificate_names") or {}
    if args.action in ADDING_ACTIONS and names.get("added"):
        out.say(f"New in this certificate: {', '.join(names['added'])}")
    if args.action in ADDING_ACTIONS and names.get("removed"):
        out.say(f"No longer in this certificate: {', '.join(names['removed'])}")
    out.confirm(f"{words} {device['name']}?", yes=args.yes)
    changed = api.post(f"devices/{device['id']}/{args.action}", body)
    out.result(changed, f"{device['name']} is {changed['state']}.")
