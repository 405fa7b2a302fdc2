"""Deployment stages, registration keys, settings of the zone and of devices."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from faults import Invalid, NotFound
from zman.cli.output import Output
from zman.client.client import Console
from zman.commands.operations import UNITS, moment
from zman.commands.resources import device_of, write_secret

YES, NO = ("true", "yes", "on"), ("false", "no", "off")
CONTENT = ("replication_seconds", "bandwidth_kib", "replicates")
NAMES = "dns_names"


def add_commands(commands: Any, add: Callable[..., Any]) -> None:
    """Add the commands to the parser; `add` makes one."""
    _stages(commands.add_parser("stage", help="deployment stages of staged updates"), add)
    _keys(commands.add_parser("key", help="registration keys"), add)
    _set(commands.add_parser("set", help="settings of the zone or of a device"), add)


def _stages(stage: Any, add: Callable[..., Any]) -> None:
    how = stage.add_subparsers(dest="what", required=True, metavar="add|change|move|remove")
    for name, run, words in (
        ("add", add_stage, "make a stage behind all others"),
        ("change", change_stage, "change a stage"),
    ):
        added = add(how, name, run, words)
        added.add_argument("stage")
        added.add_argument("--member", action="append", metavar="DEVICE", help="repeatable")
        added.add_argument("--timeout", default="", help="such as 12h or 3d")
        if name == "change":
            added.add_argument("--name", default="", help="a new name")
    moved = add(how, "move", move_stage, "change places with a neighbour")
    moved.add_argument("stage")
    moved.add_argument("where", choices=["up", "down"])
    add(how, "remove", remove_stage, "remove a stage").add_argument("stage")


def _keys(key: Any, add: Callable[..., Any]) -> None:
    how = key.add_subparsers(dest="what", required=True, metavar="make|revoke")
    made = add(how, "make", make_key, "make a key, and print the line to run")
    made.add_argument("label")
    made.add_argument("--role", default="managed")
    made.add_argument("--uses", type=int, default=1)
    made.add_argument("--approves", action="store_true", help="servers need no further approval")
    made.add_argument("--until", default="", help="2030-05-17T22:00+02:00 or +7d")
    made.add_argument("-o", "--output", default="", metavar="FILE", help="for its owner alone")
    add(how, "revoke", revoke_key, "revoke a key").add_argument("number")


def _set(changed: Any, add: Callable[..., Any]) -> None:
    of_what = changed.add_subparsers(dest="what", required=True, metavar="zone|device")
    zone = add(of_what, "zone", set_zone, "see: zman show zone")
    words = f"{NAMES} (with commas), {', '.join(CONTENT)}"
    device = add(of_what, "device", set_device, words)
    device.add_argument("device")
    for parser in (zone, device):
        parser.add_argument("settings", nargs="+", metavar="NAME=VALUE")


def _stage(api: Console, name: str) -> dict[str, Any]:
    for stage in api.every("deployment-stages"):
        if stage["name"] == name:
            return stage
    raise NotFound(f"There is no deployment stage {name}.", action="See: zman list stages")


def _is(out: Output, stage: dict[str, Any], said: str) -> None:
    if out.as_json:
        out.data(stage)
    out.say(f"The stage {stage['name']} is {said}.")


def add_stage(api: Console, out: Output, told: Namespace) -> None:
    """Make a deployment stage behind all others."""
    order: dict[str, Any] = {"name": told.stage, "members": told.member or []}
    if told.timeout:
        order["timeout_seconds"] = seconds(told.timeout)
    _is(out, api.post("deployment-stages", order), "made")


def change_stage(api: Console, out: Output, told: Namespace) -> None:
    """Change a deployment stage; members that are named replace those it has."""
    stage = _stage(api, told.stage)
    kept = [member["name"] for member in stage["members"]]
    order = {
        "name": told.name or stage["name"],
        "members": kept if told.member is None else told.member,
        "timeout_seconds": seconds(told.timeout) if told.timeout else stage["timeout_seconds"],
    }
    _is(out, api.put(f"deployment-stages/{stage['id']}", order), "changed")


def move_stage(api: Console, out: Output, told: Namespace) -> None:
    """Move a deployment stage one place up or down."""
    there = f"deployment-stages/{_stage(api, told.stage)['id']}/move"
    moved = api.post(there, {"up": told.where == "up"})
    _is(out, moved, f"number {moved['position'] + 1}")


def remove_stage(api: Console, out: Output, told: Namespace) -> None:
    """Remove a deployment stage."""
    stage = _stage(api, told.stage)
    out.confirm(f"Remove the stage {told.stage}?", yes=told.yes)
    api.delete(f"deployment-stages/{stage['id']}")
    _is(out, stage, "removed")


def make_key(api: Console, out: Output, told: Namespace) -> None:
    """Make a registration key; it is shown this once."""
    order = {"label": told.label, "role": told.role, "uses": told.uses, "approves": told.approves}
    made = api.post(
        "registration-keys", {**order, "expires_at": moment(told.until) if told.until else None}
    )
    if out.as_json:
        out.data(made)
    else:
        write_secret(out, made["line"], told.output)
    out.say("The key is shown this once.")


def revoke_key(api: Console, out: Output, told: Namespace) -> None:
    """Revoke a registration key."""
    out.confirm(f"Revoke the registration key {told.number}?", yes=told.yes)
    shown = api.post(f"registration-keys/{told.number}/revoke")
    if out.as_json:
        out.data(shown)
    out.say(f"The registration key {shown['label']} is revoked.")


def set_zone(api: Console, out: Output, told: Namespace) -> None:
    """Change settings of the zone, all that are named or none."""
    shown = api.patch("zone", _settings(told.settings))
    if out.as_json:
        out.data(shown)
    out.say("The settings of the zone are saved.")


def set_device(api: Console, out: Output, told: Namespace) -> None:
    """Change settings of a device: its additional DNS names, how it replicates."""
    device = device_of(api, told.device)
    given = _settings(told.settings)
    unknown = sorted(set(given) - {NAMES, *CONTENT})
    if unknown:
        raise Invalid(
            f"A device has no setting {unknown[0]}.", action=f"See: {NAMES}, {', '.join(CONTENT)}."
        )
    if NAMES in given:
        named = [name for name in str(given.pop(NAMES) or "").split(",") if name]
        device = api.put(f"devices/{device['id']}/dns-names", {NAMES: named})
    if given:
        order = {name: given.get(name, device[name]) for name in CONTENT}
        device = api.put(f"devices/{device['id']}/content", order)
    if out.as_json:
        out.data(device)
    out.say(f"The settings of {device['name']} are saved.")


def _settings(given: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE as the API takes it; an empty value is null."""
    found = dict(one.partition("=")[::2] for one in given)
    wrong = [one for one in given if "=" not in one]
    if wrong:
        raise Invalid(f"{wrong[0]} is not NAME=VALUE.", action="See: zman show zone")
    return {name.replace("-", "_"): _value(text) for name, text in found.items()}


def _value(text: str) -> Any:
    if text.lower() in (*YES, *NO):
        return text.lower() in YES
    return int(text) if re.fullmatch(r"-?\d+", text) else text or None


def seconds(text: str) -> int:
    """Return a span such as 90m, 12h or 3d in seconds; a bare number is seconds."""
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text)
    if found is None:
        raise Invalid(f"{text} is no span of time.", action="Write 90m, 12h or 3d.")
    return int(timedelta(**{UNITS[found[2] or "s"]: int(found[1])}).total_seconds())
