"""The commands list and show."""

from __future__ import annotations

from argparse import Namespace
from itertools import islice
from typing import Any

from faults import Invalid
from zman.cli.files import write_file
from zman.cli.output import Output
from zman.cli.parser import Commands, accept, add_file_option, add_option
from zman.client.client import Console
from zman.client.lookup import find, find_unique, get_operation, get_update
from zman.commands.lists import LISTS, OLD_NAMES

# Resources of which there is one, and their paths.
SINGLE = {
    "zone": "zone",
    "me": "me",
    "actions": "gates",
    "limits": "activation-limits",
    "rules": "rules",
    "mail-server": "mail-server",
    "pilot-group": "pilot-group",
    "trust": "trust",
    "name-constraints": "authority/name-constraints",
}
# Resources that are found by name or ID, with their lists.
NAMED = {
    "server": "servers",
    "device": "devices",
    "update": "updates",
    "release": "updates",
    "administrator": "administrators",
    "notification-target": "notification-targets",
}
# Lists that belong to one system update, and to one operation.
UPDATE_LISTS = ("assignments", "replicas")
OPERATION_LISTS = ("devices-at-risk", "hosts-at-risk")
NUMBERED = {"job": "jobs", "audit": "audit-entries", "notification": "notifications"}
UNIQUE_NAMES = ("administrator", "notification-target")
RESOURCES = ("ca", "operation", *NAMED, *SINGLE, *NUMBERED)
OLD_RESOURCES = {"gates": "actions", "target": "notification-target"}
ACTION_COLUMNS = {"Action": "name", "Available": "open", "Reason": "reason"}


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    listed = commands.add("list", show_list, "list resources")
    listed.add_argument(
        "resource",
        choices=tuple(LISTS),
        type=accept(OLD_NAMES),
        metavar="RESOURCE",
        help=", ".join(LISTS),
    )
    listed.add_argument("--update", default="", help="name or ID of the update")
    listed.add_argument(
        "--operation", default="", help="ID of the operation (default: the one in progress)"
    )
    listed.add_argument("--search", default="", metavar="TEXT", help="text to search for")
    listed.add_argument("--state", default="", help="show only resources in this state")
    listed.add_argument(
        "--sort",
        default="",
        metavar="COLUMN",
        help="column to sort by; prefix with - for descending order (--sort=-contact)",
    )
    listed.add_argument("--limit", type=int, default=0, help="maximum number of items (0 for all)")
    shown = commands.add("show", show_resource, "show a resource")
    shown.add_argument(
        "resource",
        choices=RESOURCES,
        type=accept(OLD_RESOURCES),
        metavar="RESOURCE",
        help=", ".join(RESOURCES),
    )
    shown.add_argument("name", nargs="?", default="", metavar="NAME", help="name or ID")
    shown.add_argument("--pem", action="store_true", help="print the certificate in PEM format")
    add_option(
        shown,
        "--new",
        old="--future",
        action="store_true",
        help="with --pem, print the new certificate",
    )
    add_file_option(shown, "with --pem, write the certificate to FILE")


def show_list(api: Console, out: Output, args: Namespace) -> None:
    """List resources of one kind."""
    listed = LISTS[args.resource]
    path = listed.path
    if args.resource in UPDATE_LISTS:
        if not args.update:
            raise Invalid(
                f"{args.resource} require an update.", action="Specify the update with --update."
            )
        path = path.format(get_update(api, args.update)["id"])
    elif args.resource in OPERATION_LISTS:
        path = path.format(get_operation(api, args.operation)["id"])
    query = dict(listed.query)
    for option in ("search", "state", "sort"):
        parameter, value = getattr(listed, option), getattr(args, option)
        if value and not parameter:
            raise Invalid(f"--{option} is not supported for {args.resource}.")
        if value:
            query[parameter] = value
    found = (
        api.iter_all(path, limit=args.limit, **query)
        if listed.is_paged
        else islice(api.get(path), args.limit or None)
    )
    out.rows(found, listed.columns, listed.wide, listed.name)


def show_resource(api: Console, out: Output, args: Namespace) -> None:
    """Show one resource, or print its certificate."""
    path = _get_path(api, args.resource, args.name)
    if args.pem:
        if args.resource not in ("ca", "server"):
            raise Invalid("--pem can be used only with ca and server.")
        certificate = "future-certificate" if args.new else "certificate"
        write_file(out, api.get_file(f"{path}/{certificate}"), args.to_file)
    elif args.resource == "actions":
        out.rows(api.get(path), ACTION_COLUMNS)
    else:
        out.record(api.get(path), "id" if args.resource == "operation" else "")


def _get_path(api: Console, resource: str, name: str) -> str:
    if resource in SINGLE:
        return SINGLE[resource]
    if resource == "ca":
        return f"authorities/{name or api.get('authority')['id']}"
    if resource == "operation":
        return f"operations/{get_operation(api, name)['id']}"
    if not name:
        raise Invalid(f"Specify the name or ID of the {resource}.")
    if resource in NUMBERED:
        return f"{NUMBERED[resource]}/{name}"
    path = NAMED[resource]
    lookup = find_unique if resource in UNIQUE_NAMES else find
    found: dict[str, Any] = lookup(api, path, name, resource)
    return f"{path}/{found['id']}{'/release' if resource == 'release' else ''}"
