"""The CA key and certificates of others: move, backup, restore, csr, import."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace
from pathlib import Path

from faults import Invalid
from zman.cli.exit_codes import Failed
from zman.cli.output import Output
from zman.client import watch
from zman.client.client import Console
from zman.commands.operations import read
from zman.commands.resources import server_of, write

BACKUP_AT_MOST = 9 << 20
FILE_AT_MOST = 10 << 20
FROM_ENVIRONMENT = "ZMAN_PASSPHRASE"


def move(api: Console, out: Output, told: Namespace) -> None:
    """Move CA Role."""
    server = server_of(api, told.server)
    out.confirm(f"Move the CA role to {server['name']}?", yes=told.yes)
    watch.job(api, out, api.post("authority/move", {"server_id": server["id"]}))
    out.say(f"{server['name']} has the CA role now.")
    _done(out, {"certificate_server": server["name"]})


def backup(api: Console, out: Output, told: Namespace) -> None:
    """Backup CA into a file for its owner alone."""
    path = Path(told.file)
    if path.exists():
        raise Invalid(f"{path} exists already. Nothing was backed up.")
    phrase = passphrase(told, again=True)
    done = watch.job(api, out, api.post("authority/backup", {"passphrase": phrase}))
    data = api.file(f"jobs/{done['id']}/result")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}. It was not kept.") from error
    out.say(f"The CA is backed up in {path}. Without the passphrase it is worth nothing.")
    _done(out, {"file": str(path), "bytes": len(data)})


def restore(api: Console, out: Output, told: Namespace) -> None:
    """Restore CA on a Primary Server."""
    data = read(told.file, BACKUP_AT_MOST)
    server = server_of(api, told.server)
    out.confirm(f"Restore the CA from {told.file} on {server['name']}?", yes=told.yes)
    phrase = passphrase(told, again=False)
    files = [(Path(told.file).name, data)]
    asked = api.upload("authority/restore", files, server_id=server["id"], passphrase=phrase)
    watch.job(api, out, asked)
    out.say(f"{server['name']} has the CA now.")
    _done(out, {"certificate_server": server["name"]})


def _done(out: Output, told: dict[str, object]) -> None:
    if out.as_json:
        out.data(told)


def passphrase(told: Namespace, *, again: bool) -> str:
    """Return the passphrase: from a file, the environment, or a person; never an argument."""
    if told.passphrase_file:
        return read(told.passphrase_file, 4096).decode().rstrip("\r\n")
    if os.environ.get(FROM_ENVIRONMENT):
        return os.environ[FROM_ENVIRONMENT]
    if not sys.stdin.isatty():
        raise Invalid(
            "The passphrase is missing.",
            action=f"Give --passphrase-file, or set {FROM_ENVIRONMENT}.",
        )
    phrase = getpass.getpass("Passphrase: ")
    if again and getpass.getpass("Once more: ") != phrase:
        raise Invalid("The two passphrases differ. Nothing was backed up.")
    return phrase


def generate_csrs(api: Console, out: Output, told: Namespace) -> None:
    """Let servers make a fresh key and request."""
    servers = [server_of(api, name) for name in told.servers]
    out.confirm(f"Let {len(servers)} servers make a fresh key and request?", yes=told.yes)
    order = {
        "server_ids": [server["id"] for server in servers],
        "key_length": told.key_length,
        "common_name": told.common_name,
    }
    shown = api.post("csrs", order)
    if out.as_json:
        out.data(shown)
    out.say(f"{len(servers)} servers were asked for their CSRs.")


def try_again(api: Console, out: Output, told: Namespace) -> None:
    """Let a server ask anew for the certificate that it could not get."""
    server = server_of(api, told.server)
    shown = api.post(f"servers/{server['id']}/try-again")
    if out.as_json:
        out.data(shown)
    out.say(f"{server['name']} is asked again.")


def fetch_csrs(api: Console, out: Output, told: Namespace) -> None:
    """Fetch the request of one server as PEM, those of several as a zip file."""
    servers = [server_of(api, name) for name in told.servers]
    if len(servers) == 1:
        write(out, api.file(f"servers/{servers[0]['id']}/csr"), told.output)
        return
    if not told.output:
        raise Invalid("Several requests make a zip file.", action="Name it with --output.")
    keys = [server["id"] for server in servers]
    write(out, api.file("csrs", server_ids=keys), told.output)


def import_files(api: Console, out: Output, told: Namespace) -> None:
    """Import Certificate: one for one server, or files that are matched by their keys."""
    files = [(Path(path).name, read(path, FILE_AT_MOST)) for path in told.files]
    if told.server:
        if len(files) != 1:
            raise Invalid("One server takes one file. Nothing was imported.")
        server = server_of(api, told.server)
        imported = api.upload(f"servers/{server['id']}/future-certificate", files)
        result = {"done": [server["name"]], "warnings": imported["warnings"], "refused": {}}
    else:
        result = api.upload("certificates", files)
    if out.as_json:
        out.data(result)
    for name in result["done"]:
        out.say(f"{name} has its new certificate.")
    for warning in result["warnings"]:
        out.say(f"Warning: {warning}")
    if result["refused"] or not result["done"]:
        reasons = "; ".join(f"{name}: {why}" for name, why in result["refused"].items())
        raise Failed(reasons or "No file belongs to a server that waits for its certificate.")
