"""Start an operation: Remint CA, Change CA, Remint Certificate."""

from __future__ import annotations

import base64
from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from faults import Invalid
from zman.cli.files import read_file
from zman.cli.output import Output
from zman.cli.parser import Commands, Parser, add_option, files
from zman.cli.times import TIME_FORMAT, parse_time
from zman.client.client import Console
from zman.client.lookup import get_server
from zman.commands.operations import (
    WATCH_HELP,
    add_window_override,
    get_window_override,
    report,
)

MAX_FILE_SIZE = 256 * 1024
PEM_START = b"-----BEGIN"
SUBJECT_FIELDS = ("organization", "organizational_unit", "locality", "state", "country")


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_remint(commands)
    _add_change(commands)


def _add_remint(commands: Commands) -> None:
    remint = commands.group("remint", "remint the zone CA or server certificates")
    ca = remint.add("ca", remint_ca, "remint the zone CA")
    ca.add_argument("--common-name", default="", help="default: common name of the current CA")
    ca.add_argument("--years", type=int, default=10, help="validity of the new CA")
    _add_name_constraints(ca)
    _add_start_options(ca)
    servers = remint.add("servers", remint_servers, "remint server certificates")
    servers.add_argument("servers", nargs="*", metavar="SERVER")
    servers.add_argument("--all", action="store_true", help="remint all servers")
    servers.add_argument("--name", default="", help="name of the system update")
    servers.add_argument("--common-name", default="", help="common name of the certificates")
    _add_csr_options(servers)
    _add_start_options(servers)


def _add_change(commands: Commands) -> None:
    change = commands.group("change", "change to a different zone CA")
    internal = change.add("internal", change_internal, "change to an internal CA")
    internal.add_argument(
        "--server", required=True, help="Primary Server that becomes the certificate server"
    )
    internal.add_argument(
        "--subject", default="", help="subject of the new CA (default: name of the zone)"
    )
    internal.add_argument("--years", type=int, default=10, help="validity of the new CA")
    _add_name_constraints(internal)
    _add_start_options(internal)
    subordinate = change.add(
        "subordinate", change_subordinate, "change to a CA that your corporate CA certifies"
    )
    subordinate.add_argument(
        "--server", required=True, help="Primary Server that becomes the certificate server"
    )
    subordinate.add_argument(
        "--subject", default="", help="subject of the new CA (default: name of the zone)"
    )
    _add_name_constraints(subordinate)
    _add_start_options(subordinate)
    external = change.add("external", change_external, "change to an external CA")
    files(
        external.add_argument(
            "chain",
            nargs="+",
            metavar="FILE",
            help="PEM files with the root and intermediate certificates",
        )
    )
    _add_csr_options(external)
    _add_start_options(external)


def _add_start_options(parser: Parser) -> None:
    parser.add_argument("--key-length", type=int, default=256, metavar="BITS")
    parser.add_argument("--include-dns", action="store_true", help="include additional DNS names")
    add_window_override(parser)
    parser.add_argument("--at", default="", metavar="TIME", help=f"activation time: {TIME_FORMAT}")
    add_option(
        parser,
        "--immediate",
        old="--immediately",
        action="store_true",
        help="activate immediately (only if the CA has expired)",
    )
    add_option(
        parser,
        "--idempotency-key",
        old="--key",
        default="",
        metavar="UUID",
        help="repeating the command with the same key has no effect",
    )
    parser.add_argument("--watch", action="store_true", help=WATCH_HELP)


def _add_csr_options(parser: Parser) -> None:
    add_option(
        parser,
        "--manual-csr",
        old="--by-hand",
        action="store_true",
        help="generate the CSRs manually",
    )
    for name in SUBJECT_FIELDS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", default="", help="value for this field in the CSRs"
        )


def _add_name_constraints(parser: Parser) -> None:
    """Add the options. Without one, the new CA has the constraints of the current one (D-280)."""
    parser.add_argument(
        "--permit-domain",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="limit the new CA to this domain (can be repeated)",
    )
    parser.add_argument(
        "--permit-network",
        action="append",
        default=[],
        metavar="NETWORK",
        help="limit the new CA to this network (can be repeated)",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="DOMAIN|NETWORK",
        help="part of a permitted domain or network that is not permitted (can be repeated)",
    )
    parser.add_argument(
        "--propose-name-constraints",
        action="store_true",
        help="limit the new CA to the domains and networks of the servers",
    )
    parser.add_argument(
        "--no-name-constraints",
        action="store_true",
        help="do not repeat the name constraints of the current CA",
    )


def _get_name_constraints(api: Console, args: Namespace) -> dict[str, Any]:
    """Return the field of the request, {} without options. Raises Invalid."""
    entered = {
        "domains": args.permit_domain,
        "networks": args.permit_network,
        "excluded": args.exclude,
    }
    removes = args.no_name_constraints
    if sum((any(entered.values()), args.propose_name_constraints, removes)) > 1:
        raise Invalid(
            "Specify the name constraints, propose them, or omit them, but not more than one "
            "of these."
        )
    if removes:
        return {"name_constraints": None}
    if args.propose_name_constraints:
        return {"name_constraints": api.get("authority/name-constraints")["proposal"]}
    return {"name_constraints": entered} if any(entered.values()) else {}


def remint_ca(api: Console, out: Output, args: Namespace) -> None:
    """Start Remint CA."""
    body = {
        "common_name": args.common_name or api.get("authority")["common_name"],
        "years": args.years,
        **_get_name_constraints(api, args),
    }
    _start(api, out, args, "remint-ca", body, "Replace the zone CA?")


def change_internal(api: Console, out: Output, args: Namespace) -> None:
    """Start Change CA to an internal CA."""
    server = get_server(api, args.server)
    subject = args.subject or api.get("zone")["name"]
    body = {
        "certificate_server_id": server["id"],
        "subject": subject,
        "years": args.years,
        **_get_name_constraints(api, args),
    }
    question = f"Create a new zone CA on {server['name']}?"
    _start(api, out, args, "change-ca/internal", body, question)


def change_subordinate(api: Console, out: Output, args: Namespace) -> None:
    """Start Change CA to a subordinate CA."""
    server = get_server(api, args.server)
    body = {
        "certificate_server_id": server["id"],
        "subject": args.subject or api.get("zone")["name"],
        **_get_name_constraints(api, args),
    }
    question = f"Create a subordinate zone CA on {server['name']}?"
    _start(api, out, args, "change-ca/subordinate", body, question)


def change_external(api: Console, out: Output, args: Namespace) -> None:
    """Start Change CA to an external CA."""
    body = {
        "certificates": encode_chain([read_file(path, MAX_FILE_SIZE) for path in args.chain]),
        "manual_csr": args.manual_csr,
        "subject": _get_subject(args),
    }
    _start(api, out, args, "change-ca/external", body, "Change the zone CA to this external CA?")


def encode_chain(contents: list[bytes]) -> str:
    """Return certificates for the API: PEM files joined, or another file in Base64."""
    if all(PEM_START in data for data in contents):
        return "\n".join(data[data.index(PEM_START) :].decode("latin-1") for data in contents)
    if len(contents) > 1:
        raise Invalid(
            "If you specify several files, all of them must be PEM files.",
            action="Alternatively, specify a single .p7b file with the complete chain.",
        )
    return base64.b64encode(contents[0]).decode()


def remint_servers(api: Console, out: Output, args: Namespace) -> None:
    """Start Remint Certificate."""
    if args.all == bool(args.servers):
        raise Invalid("Specify one or more servers, or use --all.")
    servers = (
        api.iter_all("servers") if args.all else (get_server(api, name) for name in args.servers)
    )
    ids = [server["id"] for server in servers]
    body = {
        "server_ids": ids,
        "name": args.name or f"Remint Certificate {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "common_name": args.common_name,
        "manual_csr": args.manual_csr,
        "subject": _get_subject(args),
    }
    _start(
        api, out, args, "remint-servers", body, f"Replace the certificates of {len(ids)} servers?"
    )


def _get_subject(args: Namespace) -> dict[str, str]:
    return {name: getattr(args, name) for name in SUBJECT_FIELDS if getattr(args, name)}


def _start(
    api: Console, out: Output, args: Namespace, path: str, body: dict[str, Any], question: str
) -> None:
    activates_at = None if args.immediate else _get_activation_time(api, args, path, body)
    body |= {
        "activates_at": activates_at,
        "key_length": args.key_length,
        "include_dns": args.include_dns,
        **get_window_override(args),
    }
    when = (
        f"Activation time: {activates_at}." if activates_at else "It will be activated immediately."
    )
    out.confirm(f"{question} {when}", yes=args.yes)
    started = api.start(f"operations/{path}", body, args.idempotency_key)
    message = f"Started {started['name']} (operation {started['id']})."
    report(api, out, args, started, "completed", message)


def _get_activation_time(api: Console, args: Namespace, path: str, body: dict[str, Any]) -> Any:
    """Return the requested activation time, or the one that the console suggests."""
    if args.at:
        return parse_time(args.at)
    kind = "remint-server" if path == "remint-servers" else path.partition("/")[0]
    limits = api.get("activation-limits", kind=kind, servers=body.get("server_ids"))
    return limits["suggestion"]
