"""CSRs of servers and CAs, their certificates, revocations, and ACME account keys."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from faults import Invalid
from zman.cli.exit_codes import Failed
from zman.cli.files import read_file, write_file, write_secret
from zman.cli.output import Output
from zman.cli.parser import Commands, add_file_option, add_operation_argument, files
from zman.cli.times import parse_time
from zman.client.client import Console
from zman.client.lookup import get_operation, get_server
from zman.commands.creation import MAX_FILE_SIZE as MAX_CHAIN_SIZE
from zman.commands.creation import encode_chain

MAX_FILE_SIZE = 10 << 20
REASONS = (
    *("key-compromise", "superseded", "cessation-of-operation", "affiliation-changed"),
    "unspecified",
)


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    csr = commands.group("csr", "manage server CSRs")
    generate = csr.add("generate", generate_csrs, "generate new keys and CSRs")
    generate.add_argument("servers", nargs="+", metavar="SERVER")
    generate.add_argument("--key-length", type=int, default=256, metavar="BITS")
    generate.add_argument("--common-name", default="", help="common name in the CSRs")
    csr.add("retry", retry_csr, "retry failed CSR generation").add_argument(
        "server", metavar="SERVER"
    )
    csr.alias("again", name="retry")
    get = csr.add("get", get_csrs, "download CSRs")
    get.add_argument("servers", nargs="+", metavar="SERVER")
    add_file_option(
        get, "file to write (required for multiple CSRs, which are saved as a zip file)"
    )
    imported = commands.add("import", import_certificates, "import certificates")
    files(imported.add_argument("files", nargs="+", metavar="FILE"))
    imported.add_argument(
        "--server", default="", help="server to import to (default: match by key)"
    )
    _add_subordinate_ca(commands)
    revoke = commands.add(
        "revoke", revoke_certificate, "revoke the certificate of a server or host"
    )
    revoke.add_argument("server", metavar="NAME", help="server, or a name of a host with --host")
    revoke.add_argument(
        "--host", action="store_true", help="revoke the certificate of a host without an agent"
    )
    revoke.add_argument("--reason", required=True, choices=REASONS, help="why it is revoked")
    revoke.add_argument(
        "--certificate",
        default="",
        metavar="SHA256",
        help="start of its SHA-256 fingerprint (default: the certificate in use)",
    )
    _add_account_keys(commands)


def _add_account_keys(commands: Commands) -> None:
    group = commands.group("acme-account-key", "manage account keys of ACME and EST clients")
    words = "create an account key and print its HMAC key"
    created = group.add("create", create_account_key, words)
    created.add_argument("label", metavar="NAME")
    created.add_argument(
        "--name",
        action="append",
        required=True,
        metavar="PATTERN",
        help="permitted name, or *.example.com for all names below it; can be specified again",
    )
    created.add_argument(
        "--until",
        default="",
        help="until when hosts can register: +30d, a time, or never (default: 7 days)",
    )
    created.add_argument(
        "--est", action="store_true", help="allow EST clients, whose names are not validated"
    )
    add_file_option(created, "write the HMAC key to this file")
    group.add("disable", disable_account_key, "disable an account key permanently").add_argument(
        "id", metavar="ID"
    )


def _add_subordinate_ca(commands: Commands) -> None:
    group = commands.group("ca-certificate", "get the certificate of a subordinate zone CA signed")
    request = group.add("csr", get_ca_csr, "download the CSR of the new zone CA")
    add_operation_argument(request)
    add_file_option(request, "file to write")
    imported = group.add("import", import_ca_chain, "import the certificate of the new zone CA")
    imported.add_argument(
        "--operation",
        default="",
        metavar="ID",
        help="ID or its first characters (default: the operation in progress)",
    )
    files(
        imported.add_argument(
            "chain",
            nargs="+",
            metavar="FILE",
            help="files with the certificate, its intermediate CAs, and the root",
        )
    )


def generate_csrs(api: Console, out: Output, args: Namespace) -> None:
    """Request new keys and CSRs from servers."""
    servers = [get_server(api, name) for name in args.servers]
    out.confirm(f"Generate new keys and CSRs on {len(servers)} servers?", yes=args.yes)
    body = {
        "server_ids": [server["id"] for server in servers],
        "key_length": args.key_length,
        "common_name": args.common_name,
    }
    requested = api.post("csrs", body)
    out.result(requested, f"Requested CSRs from {len(servers)} servers.")


def retry_csr(api: Console, out: Output, args: Namespace) -> None:
    """Request a CSR again from a server on which this failed."""
    server = get_server(api, args.server)
    changed = api.post(f"servers/{server['id']}/try-again")
    out.result(changed, f"Sent a new request to {server['name']}.")


def get_csrs(api: Console, out: Output, args: Namespace) -> None:
    """Download the CSR of one server in PEM format, or of several servers as a zip file."""
    servers = [get_server(api, name) for name in args.servers]
    if len(servers) == 1:
        write_file(out, api.get_file(f"servers/{servers[0]['id']}/csr"), args.to_file)
        return
    if not args.to_file:
        raise Invalid(
            "Multiple CSRs are saved as a zip file.", action="Specify the file name with --file."
        )
    ids = [server["id"] for server in servers]
    write_file(out, api.get_file("csrs", server_ids=ids), args.to_file)


def import_certificates(api: Console, out: Output, args: Namespace) -> None:
    """Import one certificate for a server, or files that the console matches by their keys."""
    uploads = [(Path(path).name, read_file(path, MAX_FILE_SIZE)) for path in args.files]
    if args.server:
        if len(uploads) != 1:
            raise Invalid("You can import only one file per server. Nothing was imported.")
        server = get_server(api, args.server)
        imported = api.upload(f"servers/{server['id']}/future-certificate", uploads)
        result = {"done": [server["name"]], "warnings": imported["warnings"], "refused": {}}
    else:
        result = api.upload("certificates", uploads)
    messages = [f"Imported the new certificate for {name}." for name in result["done"]]
    messages += [f"Warning: {warning}" for warning in result["warnings"]]
    out.result(result, "\n".join(messages), name="done")
    if result["refused"] or not result["done"]:
        reasons = "; ".join(f"{name}: {why}" for name, why in result["refused"].items())
        raise Failed(
            reasons or "None of the files match a server that is waiting for a certificate."
        )


def get_ca_csr(api: Console, out: Output, args: Namespace) -> None:
    """Download the CSR of the new zone CA of an operation."""
    operation = get_operation(api, args.operation)
    write_file(out, api.get_file(f"operations/{operation['id']}/ca-csr"), args.to_file)


def import_ca_chain(api: Console, out: Output, args: Namespace) -> None:
    """Import the certificate of the new zone CA of an operation, with its chain."""
    operation = get_operation(api, args.operation)
    body = {"certificates": encode_chain([read_file(path, MAX_CHAIN_SIZE) for path in args.chain])}
    changed = api.post(f"operations/{operation['id']}/ca-certificate", body)
    out.result(changed, "Imported the certificate of the new zone CA.", name="id")


def revoke_certificate(api: Console, out: Output, args: Namespace) -> None:
    """Revoke the certificate that a server or host uses, or one of its previous certificates."""
    wanted = args.certificate.replace(":", "").lower()
    if args.host:
        _revoke_of_host(api, out, args, wanted)
        return
    server = get_server(api, args.server)
    found = [
        one
        for one in api.iter_all(f"servers/{server['id']}/certificates")
        if (
            one["sha256"].replace(":", "").lower().startswith(wanted)
            if wanted
            else one["superseded_at"] is None
        )
    ]
    if len(found) != 1:
        raise Invalid(
            f"{server['name']} has {len(found)} matching certificates. Nothing was revoked.",
            action="Specify more of the SHA-256 fingerprint with --certificate.",
        )
    is_current = found[0]["superseded_at"] is None
    warning = " Devices reject the server until it has a new certificate." if is_current else ""
    out.confirm(f"Revoke a certificate of {server['name']}?{warning}", yes=args.yes)
    path = f"servers/{server['id']}/certificates/{found[0]['id']}/revoke"
    revoked = api.post(path, {"reason": args.reason})
    out.result(revoked, f"Revoked a certificate of {server['name']}.")


def _revoke_of_host(api: Console, out: Output, args: Namespace, wanted: str) -> None:
    found = [
        one
        for one in api.iter_all("host-certificates", q=args.server)
        if args.server in one["names"]
        and (
            one["sha256"].startswith(wanted)
            if wanted
            else not one["is_revoked"] and one["replaced_at"] is None
        )
    ]
    if len(found) != 1:
        raise Invalid(
            f"The host {args.server} has {len(found)} matching certificates. Nothing was revoked.",
            action="To list them, run: zman list host-certificates. Specify more of the SHA-256 "
            "fingerprint with --certificate.",
        )
    out.confirm(f"Revoke a certificate of the host {args.server}?", yes=args.yes)
    path = f"host-certificates/{found[0]['id']}/revoke"
    revoked = api.post(path, {"reason": args.reason})
    out.result(revoked, f"Revoked a certificate of the host {args.server}.")


def create_account_key(api: Console, out: Output, args: Namespace) -> None:
    """Create an ACME account key. The console shows its HMAC key only once."""
    body: dict[str, Any] = {"label": args.label, "names": args.name, "allows_est": args.est}
    if args.until:
        body["expires_at"] = None if args.until == "never" else parse_time(args.until)
    key = api.post("acme-account-keys", body)
    if out.is_for_programs:
        out.record(key, "hmac_key")
        return
    out.say(f"Directory: {key['directory']}")
    if key.get("est"):
        out.say(f"EST server: {key['est']}")
    out.say(f"Key ID: {key['key_id']}")
    write_secret(out, key["hmac_key"], args.to_file)
    out.say("Copy the HMAC key now. You cannot view it again.")


def disable_account_key(api: Console, out: Output, args: Namespace) -> None:
    """Disable an ACME account key."""
    out.confirm(f"Disable the ACME account key {args.id}?", yes=args.yes)
    found = api.post(f"acme-account-keys/{args.id}/disable")
    out.result(found, f"Disabled ACME account key {found['label']}.")
