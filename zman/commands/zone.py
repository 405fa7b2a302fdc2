"""Deployment stages, registration keys, and the settings of the zone and of devices."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import Any

from faults import Invalid, NotFound
from zman.cli.files import write_secret
from zman.cli.output import Output
from zman.cli.parser import Commands, add_file_option
from zman.cli.times import parse_duration, parse_time
from zman.client.client import Console
from zman.client.lookup import get_device

TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")
SECONDS = "_seconds"
CONTENT_SETTINGS = ("replication_seconds", "bandwidth_kib", "replicates")
DNS_NAMES = "dns_names"


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_stages(commands.group("stage", "manage deployment stages"))
    keys = commands.group("registration-key", "manage registration keys")
    _add_keys(keys)
    commands.alias("key", keys)
    _add_settings(commands.group("set", "change zone or device settings"))


def _add_stages(stages: Commands) -> None:
    for name, run, words in (
        ("add", add_stage, "add a stage after the existing stages"),
        ("change", change_stage, "change a deployment stage"),
    ):
        added = stages.add(name, run, words)
        added.add_argument("stage", metavar="STAGE")
        added.add_argument(
            "--member", action="append", metavar="DEVICE", help="can be specified multiple times"
        )
        added.add_argument("--timeout", default="", help="for example 12h or 3d")
        if name == "change":
            added.add_argument("--name", default="", help="new name")
    moved = stages.add("move", move_stage, "move a stage up or down")
    moved.add_argument("stage", metavar="STAGE")
    moved.add_argument("direction", choices=["up", "down"])
    stages.add("remove", remove_stage, "remove a deployment stage").add_argument(
        "stage", metavar="STAGE"
    )


def _add_keys(keys: Commands) -> None:
    words = "create a registration key and print the command that uses it"
    created = keys.add("create", create_key, words)
    created.add_argument("label", metavar="NAME")
    created.add_argument("--role", default="managed", help="role of the devices")
    created.add_argument("--uses", type=int, default=1, help="number of devices")
    created.add_argument(
        "--approves",
        action="store_true",
        help="approve servers automatically. Requires --domain and --network",
    )
    created.add_argument(
        "--domain",
        action="append",
        metavar="DOMAIN",
        help="approve servers with names in this domain. Can be specified multiple times",
    )
    created.add_argument(
        "--network",
        action="append",
        metavar="CIDR",
        help="approve devices with addresses in this network. Can be specified multiple times",
    )
    created.add_argument(
        "--device",
        default="",
        metavar="DEVICE",
        help="only this device can use the key, and can be taken over with it",
    )
    created.add_argument("--until", default="", metavar="TIME", help="expiry, for example +7d")
    add_file_option(created, "write the command to FILE, which only its owner can read")
    keys.alias("make", name="create")
    keys.add("revoke", revoke_key, "revoke a registration key").add_argument("id", metavar="ID")


def _add_settings(settings: Commands) -> None:
    zone = settings.add("zone", set_zone, "change zone settings (to view them: zman show zone)")
    words = f"change {DNS_NAMES} (separated by commas), {', '.join(CONTENT_SETTINGS)}"
    device = settings.add("device", set_device, words)
    device.add_argument("device", metavar="DEVICE")
    for parser in (zone, device):
        parser.add_argument("settings", nargs="+", metavar="NAME=VALUE")


def _get_stage(api: Console, name: str) -> dict[str, Any]:
    for stage in api.iter_all("deployment-stages"):
        if stage["name"] == name:
            return stage
    raise NotFound(
        f"No deployment stage is named {name}.", action="To list the stages, run: zman list stages"
    )


def add_stage(api: Console, out: Output, args: Namespace) -> None:
    """Add a deployment stage after all others."""
    body: dict[str, Any] = {"name": args.stage, "members": args.member or []}
    if args.timeout:
        body["timeout_seconds"] = parse_duration(args.timeout)
    stage = api.post("deployment-stages", body)
    out.result(stage, f"Created stage {stage['name']}.")


def change_stage(api: Console, out: Output, args: Namespace) -> None:
    """Change a deployment stage. The given members replace the current ones."""
    stage = _get_stage(api, args.stage)
    current = [member["name"] for member in stage["members"]]
    body = {
        "name": args.name or stage["name"],
        "members": current if args.member is None else args.member,
        "timeout_seconds": (
            parse_duration(args.timeout) if args.timeout else stage["timeout_seconds"]
        ),
    }
    changed = api.put(f"deployment-stages/{stage['id']}", body)
    out.result(changed, f"Updated stage {changed['name']}.")


def move_stage(api: Console, out: Output, args: Namespace) -> None:
    """Move a deployment stage up or down by one position."""
    path = f"deployment-stages/{_get_stage(api, args.stage)['id']}/move"
    moved = api.post(path, {"up": args.direction == "up"})
    out.result(moved, f"Stage {moved['name']} is now number {moved['position'] + 1}.")


def remove_stage(api: Console, out: Output, args: Namespace) -> None:
    """Remove a deployment stage."""
    stage = _get_stage(api, args.stage)
    out.confirm(f"Remove the stage {args.stage}?", yes=args.yes)
    api.delete(f"deployment-stages/{stage['id']}")
    out.result(stage, f"Removed stage {stage['name']}.")


def create_key(api: Console, out: Output, args: Namespace) -> None:
    """Create a registration key. The console shows it only once."""
    body: dict[str, Any] = {
        "label": args.label,
        "role": args.role,
        "uses": args.uses,
        "approves": args.approves,
        "expires_at": parse_time(args.until) if args.until else None,
    }
    limits = {"domains": args.domain, "networks": args.network, "device": args.device}
    # A console of an earlier version rejects fields that it does not know.
    key = api.post("registration-keys", body | {k: v for k, v in limits.items() if v})
    if out.is_for_programs:
        out.record(key, "command")
    else:
        write_secret(out, key["command"], args.to_file)
    out.say("Copy the key now. You cannot view it again.")


def revoke_key(api: Console, out: Output, args: Namespace) -> None:
    """Revoke a registration key."""
    out.confirm(f"Revoke the registration key {args.id}?", yes=args.yes)
    revoked = api.post(f"registration-keys/{args.id}/revoke")
    out.result(revoked, f"Revoked registration key {revoked['label']}.")


def set_zone(api: Console, out: Output, args: Namespace) -> None:
    """Change zone settings: all that are given, or none."""
    out.result(api.patch("zone", _parse_settings(args.settings)), "Zone settings saved.")


def set_device(api: Console, out: Output, args: Namespace) -> None:
    """Change the additional DNS names and the replication settings of a device."""
    device = get_device(api, args.device)
    given = _parse_settings(args.settings)
    unknown = sorted(set(given) - {DNS_NAMES, *CONTENT_SETTINGS})
    if unknown:
        raise Invalid(
            f"Unknown device setting: {unknown[0]}.",
            action=f"Available settings: {DNS_NAMES}, {', '.join(CONTENT_SETTINGS)}.",
        )
    if DNS_NAMES in given:
        names = [name for name in str(given.pop(DNS_NAMES) or "").split(",") if name]
        device = api.put(f"devices/{device['id']}/dns-names", {DNS_NAMES: names})
    if given:
        body = {name: given.get(name, device[name]) for name in CONTENT_SETTINGS}
        device = api.put(f"devices/{device['id']}/content", body)
    out.result(device, f"Settings of {device['name']} saved.")


def _parse_settings(given: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE arguments for the API. An empty value is null."""
    invalid = [setting for setting in given if "=" not in setting]
    if invalid:
        raise Invalid(
            f"{invalid[0]} is not in the format NAME=VALUE.",
            action="To view the settings, run: zman show zone",
        )
    found = dict(setting.split("=", 1) for setting in given)
    named = {name.replace("-", "_"): text for name, text in found.items()}
    return {name: _parse_value(name, text) for name, text in named.items()}


def _parse_value(name: str, text: str) -> Any:
    if name.endswith(SECONDS) and text:
        return parse_duration(text)
    if text.lower() in (*TRUE, *FALSE):
        return text.lower() in TRUE
    return int(text) if re.fullmatch(r"-?\d+", text) else text or None
