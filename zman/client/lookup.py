"""Find a resource of the console by its name, address or ID."""

from __future__ import annotations

import re
from typing import Any

from faults import Invalid, NotFound
from zman.client.client import Console

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def find(api: Console, path: str, name: str, kind: str) -> dict[str, Any]:
    """Return the resource of a list with this ID, name, or address."""
    if _ID.fullmatch(name):
        found: dict[str, Any] = api.get(f"{path}/{name}")
        return found
    items = api.iter_all(path, q=name)
    matching = {item["id"]: item for item in items if name in (item.get("name"), item.get("fqdn"))}
    if not matching:
        raise _not_found(kind, name, path)
    if len(matching) > 1:
        raise Invalid(
            f"The name {name} is not unique.", action="Specify the ID instead of the name."
        )
    return next(iter(matching.values()))


def find_unique(api: Console, path: str, name: str, kind: str) -> dict[str, Any]:
    """Return the resource with this name, of a list in which names are unique."""
    found = next((item for item in api.iter_all(path, q=name) if item["name"] == name), None)
    if found is None:
        raise _not_found(kind, name, path)
    return found


def _not_found(kind: str, name: str, path: str) -> NotFound:
    return NotFound(f"No {kind} is named {name}.", action=f"To list them, run: zman list {path}")


def get_server(api: Console, name: str) -> dict[str, Any]:
    """Return a server that has a certificate."""
    return find(api, "servers", name, "server")


def get_device(api: Console, name: str) -> dict[str, Any]:
    """Return a device."""
    return find(api, "devices", name, "device")


def get_update(api: Console, name: str) -> dict[str, Any]:
    """Return a system update."""
    return find(api, "updates", name, "update")


def get_operation(api: Console, key: str) -> dict[str, Any]:
    """Return an operation by its ID or the start of it, or the one in progress if `key` is ""."""
    if _ID.fullmatch(key):
        found: dict[str, Any] = api.get(f"operations/{key}")
        return found
    items = api.iter_all("operations", open="" if key else "true")
    matching = [item for item in items if item["id"].startswith(key)]
    if not matching:
        raise NotFound(
            f"No operation has the ID {key}." if key else "No operation is in progress.",
            action="To list operations, run: zman list operations",
        )
    if key and len(matching) > 1:
        raise Invalid(f"The ID {key} matches more than one operation.")
    return matching[0]
