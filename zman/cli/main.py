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
        ("--profile", "a profile of the profiles file"),
        ("--url", "address of the console, https://HOST:PORT"),
        ("--ca-file", "file with the certificate of the zone CA"),
        ("--token-file", "file with the API token, for its owner alone"),
        ("--access", "access.json of an embedded zone"),
    ):
        common.add_argument(flag, help=words, default="")
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("-y", "--yes", action="store_true", help="ask nothing")
    parser = Parser(
        prog="zman",
        description="The certificate authority of a zone, from the command line.",
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
    listed = _add(commands, "list", resources.show_list, "list things of one kind", common=common)
    listed.add_argument("kind", choices=[*LISTS, *OF_UPDATE, *WHOLE])
    listed.add_argument("--update", default="", help="of which update: name or id")
    listed.add_argument("--search", default="", metavar="TEXT")
    listed.add_argument("--state", default="")
    listed.add_argument("--sort", default="", help="a column, as --sort=-contact for descending")
    listed.add_argument("--limit", type=int, default=0, help="how many at most; 0 is all")
    shown = _add(commands, "show", resources.show_one, "show one thing", common=common)
    shown.add_argument("what", choices=resources.SHOWN)
    shown.add_argument("name", nargs="?", default="", help="name or id")
    shown.add_argument("--pem", action="store_true", help="its certificate instead")
    shown.add_argument("--future", action="store_true", help="with --pem: the new one")
    shown.add_argument("-o", "--output", default="", metavar="FILE")
    watched = _add(
        commands, "watch", operations.watch, "follow an operation to its end", common=common
    )
    watched.add_argument("operation", nargs="?", default="", help="id; else the one under way")
    watched.add_argument("--until", choices=list(watch.ENDS), default="completed")


def _starting(commands: Any, common: ArgumentParser) -> None:
    started = Parser(add_help=False, parents=[common])
    started.add_argument("--key-length", type=int, default=256, metavar="BITS")
    started.add_argument("--include-dns", action="store_true", help="additional DNS names, too")
    started.add_argument("--at", default="", help="activation: 2030-05-17T22:00+02:00 or +2h")
    started.add_argument("--immediately", action="store_true", help="of an expired CA")
    started.add_argument("--key", default="", metavar="UUID", help="makes a repetition harmless")
    started.add_argument("--watch", action="store_true", help="follow it to its end")
    remint = commands.add_parser("remint", help="replace the zone CA, or certificates of servers")
    of_what = remint.add_subparsers(dest="what", required=True, metavar="ca|servers")
    own = _add(of_what, "ca", operations.remint_ca, "Remint CA", common=started)
    own.add_argument("--common-name", default="", help="else that of the present CA")
    own.add_argument("--years", type=int, default=10)
    servers = _add(
        of_what, "servers", operations.remint_servers, "Remint Certificate", common=started
    )
    servers.add_argument("servers", nargs="*", metavar="SERVER")
    servers.add_argument("--all", action="store_true", help="every server")
    servers.add_argument("--name", default="", help="of the system update")
    servers.add_argument("--common-name", default="")
    _of_csr(servers)
    change = commands.add_parser("change", help="change the zone CA to another one")
    to_what = change.add_subparsers(dest="what", required=True, metavar="internal|external")
    internal = _add(
        to_what, "internal", operations.change_internal, "to a CA of the zone", common=started
    )
    internal.add_argument("--server", required=True, help="which Primary Server holds it")
    internal.add_argument("--subject", required=True)
    internal.add_argument("--years", type=int, default=10)
    external = _add(
        to_what, "external", operations.change_external, "to a CA outside", common=started
    )
    external.add_argument("chain", nargs="+", help="PEM files: the root, and intermediates")
    _of_csr(external)


def _of_csr(parser: ArgumentParser) -> None:
    parser.add_argument("--by-hand", action="store_true", help="requests are made elsewhere")
    for name in operations.SUBJECT:
        parser.add_argument(f"--{name.replace('_', '-')}", default="", help="in the CSRs")


def _running(commands: Any, common: ArgumentParser) -> None:
    told = Parser(add_help=False, parents=[common])
    told.add_argument("operation", nargs="?", default="", help="id; else the one under way")
    told.add_argument("--watch", action="store_true", help="follow it to its end")
    for name, words in (
        ("cancel", "cancel an operation"),
        ("assign", "Assign Now: do not wait for replication"),
        ("force", "activate a blocked operation all the same"),
        ("clear", "clear the message of a failed cancel"),
        ("try-again", "try a failed preparation again"),
        ("roll-back", "go back to the CA from before"),
        ("without-bridge", "go on without a lost certificate server"),
    ):
        _add(commands, name, operations.act, words, common=told)
    later = _add(
        commands, "postpone", operations.postpone, "change the activation time", common=told
    )
    later.add_argument("--at", required=True, help="2030-05-17T22:00+02:00 or +2h")
    for name, words in (
        ("approve", "let a waiting server into the zone"),
        ("unregister", "let a device go"),
        ("retire", "take a device out for good"),
    ):
        _add(commands, name, operations.of_device, words, common=common).add_argument("device")


def _keeping(commands: Any, common: ArgumentParser) -> None:
    moved = _add(
        commands, "move", ca_key.move, "move the CA role to a Primary Server", common=common
    )
    moved.add_argument("server")
    kept = _add(commands, "backup", ca_key.backup, "back the CA up into a file", common=common)
    back = _add(commands, "restore", ca_key.restore, "restore the CA from a backup", common=common)
    for parser in (kept, back):
        parser.add_argument("file")
        parser.add_argument("--passphrase-file", default="", help=f"else {ca_key.FROM_ENVIRONMENT}")
    back.add_argument("--server", required=True, help="which Primary Server takes it")
    csr = commands.add_parser("csr", help="certification requests of servers")
    how = csr.add_subparsers(dest="what", required=True, metavar="generate|again|get")
    made = _add(how, "generate", ca_key.generate_csrs, "fresh keys and requests", common=common)
    made.add_argument("servers", nargs="+", metavar="SERVER")
    made.add_argument("--key-length", type=int, default=256, metavar="BITS")
    made.add_argument("--common-name", default="")
    again = _add(how, "again", ca_key.try_again, "ask again what failed", common=common)
    again.add_argument("server")
    got = _add(how, "get", ca_key.fetch_csrs, "fetch the requests", common=common)
    got.add_argument("servers", nargs="+", metavar="SERVER")
    got.add_argument("-o", "--output", default="", metavar="FILE")
    taken = _add(commands, "import", ca_key.import_files, "import certificates", common=common)
    taken.add_argument("files", nargs="+", metavar="FILE")
    taken.add_argument("--server", default="", help="else matched by their keys")


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
        out.say("Interrupted. What was started goes on.")
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # Who read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.OK
