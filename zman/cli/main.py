"""The commands of zman, their options, and how it ends."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from faults import Fault, Invalid
from zman import VERSION
from zman.cli import exit_codes, profiles
from zman.cli.output import Output
from zman.cli.profiles import EXAMPLE, Place
from zman.client import watch
from zman.client.client import Console
from zman.commands import (
    administrators,
    ca_key,
    configuration,
    notifications,
    operations,
    resources,
    system_updates,
)
from zman.commands.lists import LISTS, OF_UPDATE, WHOLE
from zman.commands.operations import Command

EPILOG = f"""\
A console is named by a profile in ~/.config/zman/profiles.toml:

{EXAMPLE}
or by ZMAN_URL, ZMAN_CA_FILE and ZMAN_TOKEN or ZMAN_TOKEN_FILE, or by options. A token is never
an option. Results go to stdout, with --json as JSON; progress and errors go to stderr. NO_COLOR
is obeyed.

{exit_codes.HELP}
"""


class Parser(ArgumentParser):
    """A parser whose errors are faults like all others, and that guesses no option."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse what cannot be understood."""
        raise Invalid(f"{message}.", action=f"See: {self.prog} --help")


def make_parser() -> ArgumentParser:
    """Return the parser of every command."""
    common = Parser(add_help=False)
    for flag, words in (
        ("--profile", "profile to use from the profiles file"),
        ("--url", "URL of the console (https://HOST:PORT)"),
        ("--ca-file", "file that contains the zone CA certificate"),
        ("--token-file", "file that contains the API token (mode 0600)"),
        ("--access", "access.json file of a zone started with make run"),
    ):
        common.add_argument(flag, help=words, default="")
    common.add_argument("--json", action="store_true", help="write output as JSON")
    common.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    parser = Parser(
        prog="zman",
        description=("Manage the certificate authority of a zone from the command line."),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _reading(commands, common)
    _starting(commands, common)
    _running(commands, common)
    _keeping(commands, common)
    for room in (system_updates, configuration, administrators, notifications):
        room.add_commands(commands, partial(_add, common=common))
    return parser


def _add(commands: Any, name: str, run: Command, words: str, *, common: ArgumentParser) -> Any:
    added = commands.add_parser(name, parents=[common], help=words, description=words)
    added.set_defaults(run=run)
    return added


def _reading(commands: Any, common: ArgumentParser) -> None:
    listed = _add(commands, "list", resources.show_list, "list resources", common=common)
    listed.add_argument("kind", choices=[*LISTS, *OF_UPDATE, *WHOLE])
    listed.add_argument("--update", default="", help="name or ID of the update")
    listed.add_argument("--search", default="", metavar="TEXT")
    listed.add_argument("--state", default="")
    listed.add_argument(
        "--sort",
        default="",
        help=("column to sort by; prefix with - for descending order (--sort=-contact)"),
    )
    listed.add_argument("--limit", type=int, default=0, help="maximum number of items (0 for all)")
    shown = _add(commands, "show", resources.show_one, "show a resource", common=common)
    shown.add_argument("what", choices=resources.SHOWN)
    shown.add_argument("name", nargs="?", default="", help="name or ID")
    shown.add_argument("--pem", action="store_true", help="print the certificate in PEM format")
    shown.add_argument(
        "--future", action="store_true", help="with --pem, print the new certificate"
    )
    shown.add_argument("-o", "--output", default="", metavar="FILE")
    watched = _add(
        commands, "watch", operations.watch, "watch an operation until it completes", common=common
    )
    watched.add_argument(
        "operation",
        nargs="?",
        default="",
        help=("operation ID (default: the operation in progress)"),
    )
    watched.add_argument("--until", choices=list(watch.ENDS), default="completed")


def _starting(commands: Any, common: ArgumentParser) -> None:
    started = Parser(add_help=False, parents=[common])
    started.add_argument("--key-length", type=int, default=256, metavar="BITS")
    started.add_argument("--include-dns", action="store_true", help="include additional DNS names")
    started.add_argument("--at", default="", help="activation: 2030-05-17T22:00+02:00 or +2h")
    started.add_argument(
        "--immediately",
        action="store_true",
        help=("activate immediately (only if the CA has expired)"),
    )
    started.add_argument(
        "--key",
        default="",
        metavar="UUID",
        help=("idempotency key; repeating the command with the same key has no effect"),
    )
    started.add_argument("--watch", action="store_true", help="wait until the operation completes")
    remint = commands.add_parser("remint", help="remint the zone CA or server certificates")
    of_what = remint.add_subparsers(dest="what", required=True, metavar="ca|servers")
    own = _add(of_what, "ca", operations.remint_ca, "remint the zone CA", common=started)
    own.add_argument("--common-name", default="", help="default: common name of the current CA")
    own.add_argument("--years", type=int, default=10)
    servers = _add(
        of_what, "servers", operations.remint_servers, "remint server certificates", common=started
    )
    servers.add_argument("servers", nargs="*", metavar="SERVER")
    servers.add_argument("--all", action="store_true", help="remint all servers")
    servers.add_argument("--name", default="", help="name of the system update")
    servers.add_argument("--common-name", default="")
    _of_csr(servers)
    change = commands.add_parser("change", help="change to a different zone CA")
    to_what = change.add_subparsers(dest="what", required=True, metavar="internal|external")
    internal = _add(
        to_what, "internal", operations.change_internal, "change to an internal CA", common=started
    )
    internal.add_argument(
        "--server", required=True, help="Primary Server that becomes the CA server"
    )
    internal.add_argument("--subject", required=True)
    internal.add_argument("--years", type=int, default=10)
    external = _add(
        to_what, "external", operations.change_external, "change to an external CA", common=started
    )
    external.add_argument(
        "chain", nargs="+", help=("PEM files with the root and intermediate certificates")
    )
    _of_csr(external)


def _of_csr(parser: ArgumentParser) -> None:
    parser.add_argument("--by-hand", action="store_true", help="generate the CSRs manually")
    for name in operations.SUBJECT:
        parser.add_argument(
            f"--{name.replace('_', '-')}", default="", help="value for this field in the CSRs"
        )


def _running(commands: Any, common: ArgumentParser) -> None:
    told = Parser(add_help=False, parents=[common])
    told.add_argument(
        "operation",
        nargs="?",
        default="",
        help=("operation ID (default: the operation in progress)"),
    )
    told.add_argument("--watch", action="store_true", help="wait until the operation completes")
    for name, words in (
        ("cancel", "cancel an operation"),
        ("assign", "assign the update now without waiting for replication"),
        ("force", "force activation of a blocked operation"),
        ("clear", "clear the message about a failed cancellation"),
        ("try-again", "retry a failed preparation"),
        ("roll-back", "roll back to the previous CA"),
        (
            "without-bridge",
            ("continue without the cross-certificate if the certificate server is lost"),
        ),
    ):
        _add(commands, name, operations.act, words, common=told)
    later = _add(
        commands, "postpone", operations.postpone, "change the activation time", common=told
    )
    later.add_argument("--at", required=True, help="2030-05-17T22:00+02:00 or +2h")
    for name, words in (
        ("approve", "approve a server that is waiting for approval"),
        ("unregister", "unregister a device"),
        ("retire", "retire a device permanently"),
    ):
        _add(commands, name, operations.of_device, words, common=common).add_argument("device")


def _keeping(commands: Any, common: ArgumentParser) -> None:
    moved = _add(
        commands, "move", ca_key.move, "move the CA role to another Primary Server", common=common
    )
    moved.add_argument("server")
    kept = _add(commands, "backup", ca_key.backup, "back up the CA to a file", common=common)
    back = _add(commands, "restore", ca_key.restore, "restore the CA from a backup", common=common)
    for parser in (kept, back):
        parser.add_argument("file")
        parser.add_argument("--passphrase-file", default="", help=f"else {ca_key.FROM_ENVIRONMENT}")
    back.add_argument("--server", required=True, help="Primary Server to restore the CA to")
    csr = commands.add_parser("csr", help="manage server CSRs")
    how = csr.add_subparsers(dest="what", required=True, metavar="generate|again|get")
    made = _add(how, "generate", ca_key.generate_csrs, "generate new keys and CSRs", common=common)
    made.add_argument("servers", nargs="+", metavar="SERVER")
    made.add_argument("--key-length", type=int, default=256, metavar="BITS")
    made.add_argument("--common-name", default="")
    again = _add(how, "again", ca_key.try_again, "retry failed CSR generation", common=common)
    again.add_argument("server")
    got = _add(how, "get", ca_key.fetch_csrs, "download CSRs", common=common)
    got.add_argument("servers", nargs="+", metavar="SERVER")
    got.add_argument("-o", "--output", default="", metavar="FILE")
    taken = _add(commands, "import", ca_key.import_files, "import certificates", common=common)
    taken.add_argument("files", nargs="+", metavar="FILE")
    taken.add_argument("--server", default="", help="server to import to (default: match by key)")


def main(
    arguments: Sequence[str] | None = None, connect: Callable[[Place], Console] = Console
) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    out = Output(as_json="--json" in given)
    try:
        told: Namespace = make_parser().parse_args(given)
        with connect(profiles.decide(vars(told), os.environ)) as api:
            told.run(api, out, told)
    except Fault as fault:
        out.fault(fault)
        return exit_codes.code_of(fault)
    except KeyboardInterrupt:
        out.say("Interrupted. The operation continues on the server.")
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # Who read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.OK
