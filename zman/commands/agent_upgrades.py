"""Upgrades of agents that are older than the console."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from faults import Invalid, NotFound
from zman.cli.output import Output
from zman.cli.parser import Commands
from zman.cli.times import parse_time
from zman.client.client import Console

PATH = "agent-upgrades"
ENDED = ("completed", "canceled")
# The names of the actions, and the last part of their paths.
ACTIONS = {
    "approve": ("confirm", "approve an upgrade as the second administrator"),
    "pause": ("pause", "offer an upgrade to no more devices until it is resumed"),
    "resume": ("resume", "continue a paused upgrade, also after a failure in the pilot"),
    "cancel": ("cancel", "end an upgrade; upgraded agents keep the new version"),
}
ROLES = ("managed", "content-satellite", "authentication-satellite")


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    group = commands.group("agent-upgrade", "upgrade agents that are older than the console")
    started = group.add("start", start, "upgrade agents, all of them or those of some devices")
    started.add_argument(
        "--device", action="append", default=[], metavar="NAME", help="only this (can be repeated)"
    )
    started.add_argument(
        "--role",
        action="append",
        default=[],
        choices=ROLES,
        help="only devices with this role (can be repeated)",
    )
    started.add_argument(
        "--pilot",
        default="0",
        metavar="NUMBER",
        help="devices to upgrade first, for example 10 or 5%% (default: no pilot)",
    )
    started.add_argument("--at", default="", metavar="TIME", help="start, for example +2h")
    for name, (path, words) in ACTIONS.items():
        added = group.add(name, run_action, words, action=name, path=path)
        added.add_argument(
            "upgrade", metavar="ID", nargs="?", default="", help="ID (default: the one under way)"
        )


def start(api: Console, out: Output, args: Namespace) -> None:
    """Start an upgrade."""
    body: dict[str, Any] = {"devices": args.device, "roles": args.role, **_parse_pilot(args.pilot)}
    if args.at:
        body["starts_at"] = parse_time(args.at)
    out.confirm("Upgrade the agents of these devices to the version of the console?", yes=args.yes)
    created = api.post(PATH, body)
    total = sum(created["devices"].values())
    out.result(created, f"The upgrade of {total} agents is {created['state']}.")


def _parse_pilot(text: str) -> dict[str, int]:
    number = text.removesuffix("%")
    if not number.isascii() or not number.isdecimal():
        raise Invalid(
            f"{text} is not a number of devices.", action="Specify a number, or a percentage."
        )
    return {"pilot_percent" if text.endswith("%") else "pilot": int(number)}


def run_action(api: Console, out: Output, args: Namespace) -> None:
    """Run one of ACTIONS on an upgrade."""
    upgrade = _find(api, args.upgrade)
    out.confirm(f"{args.action.capitalize()} the upgrade to {upgrade['version']}?", yes=args.yes)
    changed = api.post(f"{PATH}/{upgrade['id']}/{args.path}")
    out.result(changed, f"The upgrade to {changed['version']} is {changed['state']}.")


def _find(api: Console, key: str) -> dict[str, Any]:
    """Return the upgrade with an ID, or the one that has not ended."""
    if key:
        found: dict[str, Any] = api.get(f"{PATH}/{key}")
        return found
    for upgrade in api.iter_all(PATH):
        if upgrade["state"] not in ENDED:
            return dict(upgrade)
    raise NotFound("No upgrade of agents is under way.", action="Run: zman list agent-upgrades")
