"""list and show: what the console knows."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any, NamedTuple

from faults import Invalid, NotFound
from zman.client import Console
from zman.output import Output

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CERTIFICATE = {"Until": "certificate.not_after", "Issuer": "certificate.issuer"}


class Listed(NamedTuple):
    """A list of the API: its path, its columns, the query that each option becomes."""

    path: str
    columns: dict[str, str]
    search: str = ""
    state: str = ""


LISTS = {
    "servers": Listed(
        "servers",
        {"Server": "name", "Address": "fqdn", "Role": "role", "Status": "status", **CERTIFICATE},
        "q",
        "state",
    ),
    "devices": Listed(
        "devices",
        {
            "Device": "name",
            "Role": "role",
            "State": "state",
            "Address": "fqdn",
            "Last contact": "last_contact",
            "Version": "version",
        },
        "q",
        "state",
    ),
    "operations": Listed(
        "operations",
        {
            "Id": "id",
            "Kind": "kind",
            "State": "state",
            "Activation": "activates_at",
            "Name": "name",
            "By": "requested_by",
        },
        "",
        "state",
    ),
    "updates": Listed(
        "updates",
        {"Id": "id", "Name": "name", "State": "state", "Devices": "devices"},
        "q",
        "state",
    ),
    "authorities": Listed(
        "authorities",
        {
            "Id": "id",
            "Subject": "subject",
            "Kind": "kind",
            "State": "state",
            "Until": "not_after",
            "SHA-256": "sha256",
        },
    ),
    "registration-keys": Listed(
        "registration-keys",
        {
            "Id": "id",
            "Name": "label",
            "Role": "role",
            "Uses left": "uses_left",
            "Until": "expires_at",
            "Revoked": "revoked_at",
        },
    ),
    "audit": Listed(
        "audit-entries",
        {
            "No.": "seq",
            "Time": "at",
            "Who": "actor",
            "Action": "action",
            "Subject": "subject",
            "Note": "note",
        },
        "q",
    ),
    "tokens": Listed(
        "tokens", {"Id": "id", "Name": "name", "Rights": "rights", "Until": "expires_at"}
    ),
}
OF_UPDATE = {
    "assignments": Listed(
        "updates/{}/assignments",
        {"Device": "device", "State": "state", "Changed": "changed_at", "Reason": "reason"},
        "q",
        "state",
    ),
    "replicas": Listed(
        "updates/{}/replicas",
        {"Server": "server", "State": "state", "Percent": "progress", "Reason": "reason"},
    ),
}


def show_list(api: Console, out: Output, told: Namespace) -> None:
    """List things of one kind."""
    listed = {**LISTS, **OF_UPDATE}[told.kind]
    path = listed.path
    if told.kind in OF_UPDATE:
        if not told.update:
            raise Invalid(f"{told.kind} are of an update.", action="Name it with --update.")
        path = path.format(update_of(api, told.update)["id"])
    query: dict[str, Any] = {}
    for option, name in (("search", listed.search), ("state", listed.state)):
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


GATES = {"Act": "name", "Possible": "open", "Why not": "reason"}


def _path(api: Console, told: Namespace) -> str:
    what, name = told.what, told.name
    single = {"zone": "zone", "me": "me", "gates": "gates", "limits": "activation-limits"}
    if what in single:
        return single[what]
    if what == "ca":
        key = name or api.get("authority")["id"]
        return f"authorities/{key}"
    if what == "operation":
        return f"operations/{operation_of(api, name)['id']}"
    if not name:
        raise Invalid(f"Which {what}? Give its name or id.")
    if what in ("server", "device", "update"):
        return f"{what}s/{one(api, f'{what}s', name, what)['id']}"
    return f"{'jobs' if what == 'job' else 'audit-entries'}/{name}"


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
