"""Operations: start one, and what can be done about one that runs."""

from __future__ import annotations

import base64
import re
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faults import Invalid
from zman.cli.output import Output
from zman.client import watch as client_watch
from zman.client.client import Console
from zman.commands.resources import device_of, operation_of, server_of

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FILE_AT_MOST = 256 * 1024
PEM_START = b"-----BEGIN"
Command = Callable[[Console, Output, Namespace], None]
SUBJECT = ("organization", "organizational_unit", "locality", "state", "country")


def remint_ca(api: Console, out: Output, told: Namespace) -> None:
    """Remint CA."""
    order = {"common_name": told.common_name or api.get("authority")["common_name"]}
    _start(api, out, told, "remint-ca", {**order, "years": told.years}, "Replace the zone CA?")


def change_internal(api: Console, out: Output, told: Namespace) -> None:
    """Change CA to an internal one."""
    server = server_of(api, told.server)
    order = {"certificate_server_id": server["id"], "subject": told.subject, "years": told.years}
    question = f"Make {server['name']} the CA of the zone, with a new CA?"
    _start(api, out, told, "change-ca/internal", order, question)


def change_external(api: Console, out: Output, told: Namespace) -> None:
    """Change CA to an external one."""
    order = {
        "certificates": _chain([read(path, FILE_AT_MOST) for path in told.chain]),
        "by_hand": told.by_hand,
        "subject": _subject(told),
    }
    _start(api, out, told, "change-ca/external", order, "Change to this external CA?")


def _chain(files: list[bytes]) -> str:
    """Return certificates as the API takes them: PEM, or one file of another kind in base64."""
    if all(PEM_START in data for data in files):
        return "\n".join(data[data.index(PEM_START) :].decode("latin-1") for data in files)
    if len(files) > 1:
        raise Invalid("Several files must all be PEM.", action="Or give one .p7b with all of it.")
    return base64.b64encode(files[0]).decode()


def remint_servers(api: Console, out: Output, told: Namespace) -> None:
    """Remint Certificate."""
    if told.all == bool(told.servers):
        raise Invalid("Name the servers whose certificates are reminted, or give --all.")
    every = api.every("servers") if told.all else (server_of(api, name) for name in told.servers)
    servers = list(every)
    order = {
        "server_ids": [server["id"] for server in servers],
        "name": told.name or f"Remint Certificate {datetime.now(UTC):%Y-%m-%d %H:%M}",
        "common_name": told.common_name,
        "by_hand": told.by_hand,
        "subject": _subject(told),
    }
    question = f"Replace the certificates of {len(servers)} servers?"
    _start(api, out, told, "remint-servers", order, question, servers=order["server_ids"])


def _subject(told: Namespace) -> dict[str, str]:
    return {name: getattr(told, name) for name in SUBJECT if getattr(told, name)}


def _start(
    api: Console, out: Output, told: Namespace, path: str, order: dict[str, Any], question: str,
    servers: Any = None,
) -> None:  # fmt: skip
    kind = {"remint-servers": "remint-server"}.get(path, path.partition("/")[0])
    at = None
    if not told.immediately:
        limits = {} if told.at else api.get("activation-limits", kind=kind, servers=servers)
        at = moment(told.at) if told.at else limits["suggestion"]
    order |= {"activates_at": at, "key_length": told.key_length, "include_dns": told.include_dns}
    when = f"It is activated at {at}." if at else "It is activated at once."
    out.confirm(f"{question} {when}", yes=told.yes)
    started = api.start(f"operations/{path}", order, told.key)
    out.say(f"{started['name']} is started: operation {started['id']}.")
    _follow(api, out, told, started, "completed")


def _follow(api: Console, out: Output, told: Namespace, shown: dict[str, Any], end: str) -> None:
    if told.watch:
        shown = client_watch.operation(api, out, shown["id"], end)
        out.say(f"{shown['name']} is {shown['state']}.")
    elif out.as_json:
        out.data(shown)


def moment(text: str) -> str:
    """Return a time as the API takes it: ISO 8601, or from now on such as +90m, +2h, +7d."""
    found = re.fullmatch(r"\+(\d{1,9})([smhd])", text)
    try:
        if found:
            span = timedelta(**{UNITS[found[2]]: int(found[1])})
            return (datetime.now(UTC) + span).isoformat()
        # A time without offset is this host's own.
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"{text} is no time.", action="Give one such as 2030-05-17T22:00+02:00, or +2h."
        ) from error


def watch(api: Console, out: Output, told: Namespace) -> None:
    """Follow an operation."""
    shown = client_watch.operation(api, out, operation_of(api, told.operation)["id"], told.until)
    out.say(f"{shown['name']} is {shown['state']}.")


# What is asked before an act on an operation, and where it leads.
ACTS = {
    "cancel": ("cancel", "Cancel {}?", "cancelled"),
    "assign": ("assign-now", "Assign {} now, before every server has its content?", "completed"),
    "force": ("force", "Activate {} although servers lack a certificate?", "completed"),
    "clear": ("clear-failure", "", "completed"),
    "try-again": ("try-again", "", "completed"),
    "roll-back": ("roll-back", "Go back to the CA from before {}?", "rolled-back"),
    "without-bridge": ("without-bridge", "Go on with {} without bridge?", "completed"),
}


def act(api: Console, out: Output, told: Namespace) -> None:
    """Do something about an operation that runs."""
    path, question, end = ACTS[told.command]
    operation = operation_of(api, told.operation)
    if question:
        out.confirm(question.format(operation["name"]), yes=told.yes)
    shown = api.post(f"operations/{operation['id']}/{path}")
    out.say(f"{shown['name']} is {shown['state']}.")
    _follow(api, out, told, shown, end)


def postpone(api: Console, out: Output, told: Namespace) -> None:
    """Change the activation time."""
    operation = operation_of(api, told.operation)
    there = f"operations/{operation['id']}/activation-time"
    shown = api.put(there, {"activates_at": moment(told.at)})
    out.say(f"{shown['name']} is activated at {shown['activates_at']}.")
    _follow(api, out, told, shown, "completed")


def of_device(api: Console, out: Output, told: Namespace) -> None:
    """Approve, unregister or retire a device."""
    device = device_of(api, told.device)
    out.confirm(f"{told.command.capitalize()} {device['name']}?", yes=told.yes)
    _shown(out, api.post(f"devices/{device['id']}/{told.command}"), device["name"])


def _shown(out: Output, shown: dict[str, Any], name: str) -> None:
    if out.as_json:
        out.data(shown)
    out.say(f"{name} is {shown['state']}.")


def read(path: str, at_most: int) -> bytes:
    """Return a file that is to be sent."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(at_most + 1)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > at_most:
        raise Invalid(f"{path} is larger than {at_most // 1024} KiB. Nothing was sent.")
    return data
