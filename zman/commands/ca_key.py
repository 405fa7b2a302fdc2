"""The CA key: move the CA role, back up and restore the CA, and the record of the key."""

from __future__ import annotations

import getpass
import json
import os
import sys
from argparse import Namespace
from pathlib import Path

from faults import Invalid
from zman.cli.files import read_file, write_private_file
from zman.cli.output import Output
from zman.cli.parser import Commands, files
from zman.client.client import Console
from zman.client.lookup import get_server
from zman.client.watch import watch_job

MAX_BACKUP_SIZE = 9 << 20
MAX_PASSPHRASE_SIZE = 4096
PASSPHRASE_VARIABLE = "ZMAN_PASSPHRASE"  # noqa: S105 - the name of a variable


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    moved = commands.add("move", move, "move the CA role to another Primary Server")
    moved.add_argument("server", metavar="SERVER")
    saved = commands.add("backup", backup, "back up the CA to a file")
    restored = commands.add("restore", restore, "restore the CA from a backup")
    recorded = commands.add(
        "key-record", key_record, "save the signed record of a CA key as a JSON file"
    )
    recorded.add_argument("--ca", default="", metavar="ID", help="another CA of the zone")
    files(recorded.add_argument("record_file", metavar="FILE"))
    for parser in (saved, restored):
        files(parser.add_argument("backup_file", metavar="FILE"))
        files(
            parser.add_argument(
                "--passphrase-file",
                default="",
                metavar="FILE",
                help=f"file that contains the passphrase (default: {PASSPHRASE_VARIABLE})",
            )
        )
    restored.add_argument("--server", required=True, help="Primary Server to restore the CA to")


def move(api: Console, out: Output, args: Namespace) -> None:
    """Move the CA role."""
    server = get_server(api, args.server)
    out.confirm(f"Move the CA role to {server['name']}?", yes=args.yes)
    watch_job(api, out, api.post("authority/move", {"server_id": server["id"]}))
    result = {"certificate_server": server["name"]}
    out.result(result, f"{server['name']} now has the CA role.", name="certificate_server")


def backup(api: Console, out: Output, args: Namespace) -> None:
    """Save a backup of the CA to a new file that only its owner can read."""
    path = Path(args.backup_file)
    if path.exists():
        raise Invalid(f"{path} already exists. No backup was created.")
    passphrase = _get_passphrase(args, confirm=True)
    job = watch_job(api, out, api.post("authority/backup", {"passphrase": passphrase}))
    data = api.get_file(f"jobs/{job['id']}/result")
    try:
        write_private_file(path, data)
    except OSError as error:
        raise Invalid(
            f"Cannot write {path}: {error.strerror}. The backup was not saved."
        ) from error
    message = f"Saved the CA backup to {path}. You need the passphrase to restore it."
    out.result({"file": str(path), "bytes": len(data)}, message, name="file")


def key_record(api: Console, out: Output, args: Namespace) -> None:
    """Save who did what with a CA key, signed with the zone key, to a new file."""
    path = Path(args.record_file)
    if path.exists():
        raise Invalid(f"{path} already exists. No record was created.")
    authority = args.ca or api.get("authority")["id"]
    signed = api.post(f"authorities/{authority}/key-record")
    try:
        path.write_text(json.dumps(signed, indent=1), encoding="utf-8")
    except OSError as error:
        raise Invalid(
            f"Cannot write {path}: {error.strerror}. The record was not saved."
        ) from error
    message = f"Saved the record to {path}. To verify it, use manage.py verify_report."
    out.result({"file": str(path)}, message, name="file")


def restore(api: Console, out: Output, args: Namespace) -> None:
    """Restore the CA on a Primary Server."""
    data = read_file(args.backup_file, MAX_BACKUP_SIZE)
    server = get_server(api, args.server)
    out.confirm(f"Restore the CA from {args.backup_file} to {server['name']}?", yes=args.yes)
    passphrase = _get_passphrase(args, confirm=False)
    upload = [(Path(args.backup_file).name, data)]
    job = api.upload("authority/restore", upload, server_id=server["id"], passphrase=passphrase)
    watch_job(api, out, job)
    result = {"certificate_server": server["name"]}
    out.result(result, f"Restored the CA to {server['name']}.", name="certificate_server")


def _get_passphrase(args: Namespace, *, confirm: bool) -> str:
    """Return the passphrase from a file, the environment, or a prompt. It is never an option."""
    if args.passphrase_file:
        return read_file(args.passphrase_file, MAX_PASSPHRASE_SIZE).decode().rstrip("\r\n")
    if os.environ.get(PASSPHRASE_VARIABLE):
        return os.environ[PASSPHRASE_VARIABLE]
    if not sys.stdin.isatty():
        raise Invalid(
            "No passphrase specified.",
            action=f"Use --passphrase-file or set {PASSPHRASE_VARIABLE}.",
        )
    passphrase = getpass.getpass("Passphrase: ")
    if confirm and getpass.getpass("Confirm passphrase: ") != passphrase:
        raise Invalid("The passphrases do not match. No backup was created.")
    return passphrase
