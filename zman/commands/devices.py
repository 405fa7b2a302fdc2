"""Approve, unregister, or retire a device."""

from __future__ import annotations

from argparse import Namespace

from zman.cli.output import Output
from zman.cli.parser import Commands
from zman.client.client import Console
from zman.client.lookup import get_device

ACTIONS = {
    "approve": "approve a server that is waiting for approval",
    "unregister": "unregister a device",
    "retire": "retire a device permanently",
}


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    for name, words in ACTIONS.items():
        commands.add(name, run_action, words, action=name).add_argument("device", metavar="DEVICE")


def run_action(api: Console, out: Output, args: Namespace) -> None:
    """Run one of ACTIONS on a device."""
    device = get_device(api, args.device)
    out.confirm(f"{args.action.capitalize()} {device['name']}?", yes=args.yes)
    changed = api.post(f"devices/{device['id']}/{args.action}")
    out.result(changed, f"{device['name']} is {changed['state']}.")
