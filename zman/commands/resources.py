"""list and show: what the console knows."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from faults import Invalid, NotFound
from zman.cli.output import Output
from zman.client.client import Console
from zman.commands.lists import LISTS, OF_UPDATE, WHOLE

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def show_list(api: Console, out: Output, told: Namespace) -> None:
    """List things of one kind."""
    if told.kind in WHOLE:
        out.table(api.get(WHOLE[told.kind].path), WHOLE[told.kind].columns)
        return
    listed = {**LISTS, **OF_UPDATE}[told.kind]
    path = listed.path
    if told.kind in OF_UPDATE:
        if not told.update:
            raise Invalid(f"{told.kind} are of an update.", action="Name it with --update.")
        path = path.format(update_of(api, told.update)["id"])
    query: dict[str, Any] = {}
    for option, name in (
        ("search", listed.search),
        ("state", listed.state),
        ("sort", listed.sort),
    ):
        if getattr(told, option) and not name:
            raise Invalid(f"{told.kind} cannot be filtered by --{option}.")
        query[name] = getattr(told, option)
    query.pop("", None)
    out.table(api.every(path, at_most=told.limit, **query), listed.columns)


def one(api: Console, path: str, name: str, what: str) -> dict[str, Any]:
    """Return the one thing of a list that has a name, an address, or an id."""
    if _ID.fullmatch(name):
        known: dict[str, Any] = api.get(f"{path}/{name}")
        return known
    every = api.every(path, q=name)
    called = {item["id"]: item for item in every if name in (item.get("name"), item.get("fqdn"))}
    found = list(called.values())
    if not found:
        raise NotFound(f"There is no {what} {name}.", action=f"See: zman list {path}")
    if len(found) > 1:
        raise Invalid(f"Several are called {name}.", action="Name the one that is meant by its id.")
    return found[0]


def named(api: Console, path: str, name: str, what: str) -> dict[str, Any]:
    """Return the one thing of a list that has exactly this name; there are no two of a name."""
    found = next((item for item in api.every(path, q=name) if item["name"] == name), None)
    if found is None:
        raise NotFound(f"There is no {what} {name}.", action=f"See: zman list {what}s")
    return found


def server_of(api: Console, name: str) -> dict[str, Any]:
    """Return a server that holds a certificate."""
    return one(api, "servers", name, "server")


def device_of(api: Console, name: str) -> dict[str, Any]:
    """Return a device."""
    return one(api, "devices", name, "device")


def update_of(api: Console, name: str) -> dict[str, Any]:
    """Return a system update."""
    return one(api, "updates", name, "update")


def operation_of(api: Console, key: str) -> dict[str, Any]:
    """Return an operation by its id, or by the start of it; without one the newest that runs."""
    if _ID.fullmatch(key):
        found: dict[str, Any] = api.get(f"operations/{key}")
        return found
    every = api.every("operations", open="" if key else "true")
    matching = [item for item in every if item["id"].startswith(key)]
    if not matching:
        raise NotFound(
            f"There is no operation {key}." if key else "No operation is under way.",
            action="See: zman list operations",
        )
    if key and len(matching) > 1:
        raise Invalid(f"Several operations begin with {key}.")
    return matching[0]


def show_one(api: Console, out: Output, told: Namespace) -> None:
    """Show one thing, or write its certificate."""
    path = _path(api, told)
    if not told.pem:
        out.facts(api.get(path)) if told.what != "gates" else out.table(api.get(path), GATES)
        return
    if told.what not in ("ca", "server"):
        raise Invalid("Only a CA and a server have a certificate.")
    write(out, api.file(f"{path}/{'future-' if told.future else ''}certificate"), told.output)


SINGLE = {
    "zone": "zone",
    "me": "me",
    "gates": "gates",
    "limits": "activation-limits",
    "rules": "rules",
    "trust": "trust",
}
PLURAL = {
    **{one: (f"{one}s", "") for one in ("server", "device", "update")},
    "release": ("updates", "/release"),
}
NAMED = {"administrator": "administrators", "target": "notification-targets"}
NUMBERED = {"job": "jobs", "audit": "audit-entries", "notification": "notifications"}
SHOWN = ["ca", "server", "device", "operation", "update", "release", *SINGLE, *NAMED, *NUMBERED]
GATES = {"Act": "name", "Possible": "open", "Why not": "reason"}


def _path(api: Console, told: Namespace) -> str:
    what, name = told.what, told.name
    if what in SINGLE:
        return SINGLE[what]
    if what == "ca":
        key = name or api.get("authority")["id"]
        return f"authorities/{key}"
    if what == "operation":
        return f"operations/{operation_of(api, name)['id']}"
    if not name:
        raise Invalid(f"Which {what}? Give its name or id.")
    if what in PLURAL:
        path, rest = PLURAL[what]
        return f"{path}/{one(api, path, name, what)['id']}{rest}"
    if what in NAMED:
        return f"{NAMED[what]}/{named(api, NAMED[what], name, what)['id']}"
    return f"{NUMBERED[what]}/{name}"


def write(out: Output, data: bytes, path: str) -> None:
    """Write a file that was fetched; none that exists is replaced. Without a name to stdout."""
    if not path or path == "-":
        out.screen.file.write(data.decode())
        return
    try:
        with Path(path).open("xb") as file:
            file.write(data)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}. Nothing was kept.") from error
    out.say(f"{path} is written.")


def write_secret(out: Output, text: str, path: str = "") -> None:
    """Print what is told once, or write it into a new file for its owner alone."""
    if not path:
        out.screen.file.write(f"{text}\n")
        return
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{text}\n")
    except OSError as error:
        out.screen.file.write(f"{text}\n")
        raise Invalid(f"{path} cannot be written: {error.strerror}. It is printed.") from error
    out.say(f"{path} is written.")
