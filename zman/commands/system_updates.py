"""System updates: their devices, their content servers, and what ends them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from faults import Invalid
from zman.cli.output import Output
from zman.client.client import Console
from zman.commands.resources import operation_of, update_of


def add_commands(commands: Any, add: Callable[..., Any]) -> None:
    """Add the commands to the parser; `add` makes one."""
    asked = add(commands, "replicate", replicate, "ask every content server to fetch now")
    named = [asked]
    for name, words in (
        ("exclude", "leave a content server out of an update"),
        ("include", "let an excluded content server take part again"),
    ):
        added = add(commands, name, of_replica, words)
        added.add_argument("--server", required=True)
        named.append(added)
    for added in named:
        added.add_argument("operation", nargs="?", default="", help="id; else the one under way")
        added.add_argument("--update", default="", help="an update by name or id, instead")
    for name, words in (
        ("ignore", "leave a device out of an update"),
        ("redeploy", "offer an update again: to a device, or wherever it failed"),
        ("clear-error", "take a device's error off"),
        ("refresh", "let a device try again when it is heard next"),
    ):
        added = add(commands, name, of_assignment, words)
        some = {"nargs": "?", "default": ""} if name == "redeploy" else {}
        added.add_argument("device", **some)
        added.add_argument("--update", required=True, help="name or id")
    for name, words in (
        ("baseline", "offer a completed update to nobody any more"),
        ("delete", "delete a baselined or cancelled update, and its remint tool"),
    ):
        add(commands, name, of_update, words).add_argument("update")


def of_update(api: Console, out: Output, told: Namespace) -> None:
    """Baseline an update, or delete it."""
    update = update_of(api, told.update)
    out.confirm(f"{told.command.capitalize()} {update['name']}?", yes=told.yes)
    if told.command == "delete":
        api.delete(f"updates/{update['id']}")
        _told(out, {"id": update["id"], "state": "deleted"}, update["name"])
        return
    _told(out, api.post(f"updates/{update['id']}/{told.command}"), update["name"])


def of_assignment(api: Console, out: Output, told: Namespace) -> None:
    """Act on one device of an update; Redeploy without a device means all that failed."""
    update = update_of(api, told.update)
    if not told.device:
        out.confirm(f"Redeploy {update['name']} wherever it failed?", yes=told.yes)
        _told(out, api.post(f"updates/{update['id']}/redeploy"), update["name"])
        return
    found = [
        item["id"]
        for item in api.every(f"updates/{update['id']}/assignments", q=told.device)
        if item["device"] == told.device
    ]
    if not found:
        raise Invalid(f"{told.device} is not among the devices of {update['name']}.")
    out.confirm(f"{told.command.capitalize()} {told.device} in {update['name']}?", yes=told.yes)
    shown = api.post(f"assignments/{found[0]}/{told.command}")
    _told(out, shown, told.device)
    if told.command == "refresh" and not shown["at_once"]:
        out.say(f"It is heard by {shown['due_at'] or 'nobody knows when'}; zac refresh is sooner.")


def of_replica(api: Console, out: Output, told: Namespace) -> None:
    """Exclude a content server from an update, or include it again."""
    named = update_of(api, told.update)["id"] if told.update else ""
    update = named or operation_of(api, told.operation)["update_id"]
    replicas = api.every(f"updates/{update}/replicas")
    found = [one["id"] for one in replicas if one["server"] == told.server]
    if not found:
        raise Invalid(f"{told.server} is no content server of this update.")
    out.confirm(f"{told.command.capitalize()} {told.server}?", yes=told.yes)
    _told(out, api.post(f"replicas/{found[0]}/{told.command}"), told.server)


def replicate(api: Console, out: Output, told: Namespace) -> None:
    """Ask every content server that lacks content to fetch it now."""
    named = update_of(api, told.update)["id"] if told.update else ""
    update = named or operation_of(api, told.operation)["update_id"]
    shown = api.post(f"updates/{update}/replicate-now")
    _told(out, shown, shown["name"])


def _told(out: Output, shown: dict[str, Any], name: str) -> None:
    if out.as_json:
        out.data(shown)
    out.say(f"{name} is {shown['state']}.")
