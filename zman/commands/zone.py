"""Deployment stages, registration keys, maintenance windows, and settings of zone and devices."""

from __future__ import annotations

import re
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from typing import Any

from faults import Invalid, NotFound
from zman.cli.files import write_secret
from zman.cli.output import Output
from zman.cli.parser import Commands, add_file_option
from zman.cli.times import TIME_FORMAT, parse_duration, parse_time
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
    _add_windows(commands)


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


def _add_windows(commands: Commands) -> None:
    windows = commands.group("maintenance-window", "manage maintenance windows")
    added = windows.add("add", add_window, "add a maintenance window")
    added.add_argument("window", metavar="WINDOW")
    added.add_argument(
        "--opens", required=True, metavar="HH:MM", help="local time in the time zone of the zone"
    )
    added.add_argument("--length", required=True, help="for example 90m or 4h")
    which = added.add_mutually_exclusive_group(required=True)
    which.add_argument("--days", default="", help="days of the week, for example SA,SU")
    which.add_argument(
        "--rule", default="", help="recurrence (RFC 5545), for example FREQ=MONTHLY;BYDAY=1SA"
    )
    removed = windows.add("remove", remove_window, "remove a maintenance window")
    removed.add_argument("window", metavar="WINDOW")
    freezes = commands.group("change-freeze", "manage change freezes")
    frozen = freezes.add("add", add_freeze, "activate nothing in a period")
    frozen.add_argument("reason", metavar="REASON")
    frozen.add_argument("--from", dest="begin", default="+0s", metavar="TIME", help=TIME_FORMAT)
    frozen.add_argument("--until", required=True, metavar="TIME", help=TIME_FORMAT)
    freezes.add("remove", remove_freeze, "remove a change freeze").add_argument("id", metavar="ID")


def add_window(api: Console, out: Output, args: Namespace) -> None:
    """Add a maintenance window."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", args.opens):
        raise Invalid(f"{args.opens} is not a time.", action="Use the format 22:00.")
    opens, minutes = args.opens.replace(":", ""), parse_duration(args.length) // 60
    # The console reads the start as a local time of the zone, so the day may be the previous one.
    start = f"DTSTART:{datetime.now(UTC) - timedelta(days=1):%Y%m%d}T{opens}00"
    recurrence = args.rule or f"FREQ=WEEKLY;BYDAY={args.days.upper()}"
    rule = f"{start}\nDURATION:PT{minutes}M\nRRULE:{recurrence}"
    window = api.post("maintenance-windows", {"name": args.window, "rule": rule})
    out.result(window, f"Added maintenance window {window['name']}.")


def remove_window(api: Console, out: Output, args: Namespace) -> None:
    """Remove a maintenance window."""
    for window in api.get("maintenance-windows"):
        if window["name"] == args.window:
            out.confirm(f"Remove the maintenance window {args.window}?", yes=args.yes)
            api.delete(f"maintenance-windows/{window['id']}")
            out.result(window, f"Removed maintenance window {window['name']}.")
            return
    raise NotFound(
        f"No maintenance window is named {args.window}.",
        action="To list them, run: zman list maintenance-windows",
    )


def add_freeze(api: Console, out: Output, args: Namespace) -> None:
    """Add a change freeze."""
    body = {
        "reason": args.reason,
        "begins_at": parse_time(args.begin),
        "ends_at": parse_time(args.until),
    }
    freeze = api.post("change-freezes", body)
    out.result(freeze, f"Nothing will be activated until {freeze['ends_at']}.", name="id")


def remove_freeze(api: Console, out: Output, args: Namespace) -> None:
    """Remove a change freeze."""
    out.confirm(f"Remove the change freeze {args.id}?", yes=args.yes)
    api.delete(f"change-freezes/{args.id}")
    out.result({"id": args.id}, f"Removed change freeze {args.id}.", name="id")


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
