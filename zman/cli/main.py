"""Build the parser, run one command, and return its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

import shtab

from faults import Fault, Invalid
from zman import VERSION
from zman.cli import exit_codes, profiles
from zman.cli.output import FORMATS, Output
from zman.cli.parser import Commands, Parser, add_global_options, wants_json
from zman.cli.profiles import EXAMPLE, Connection
from zman.client.client import Console
from zman.commands import (
    administrators,
    agent_upgrades,
    ca_key,
    certificates,
    creation,
    devices,
    notifications,
    operations,
    resources,
    system_updates,
    zone,
)

EPILOG = f"""\
Specify the console in one of these ways: a profile in ~/.config/zman/profiles.toml:

{EXAMPLE}
or the environment variables ZMAN_URL, ZMAN_CA_FILE, and ZMAN_TOKEN or ZMAN_TOKEN_FILE, or
command-line options. For security, the token itself cannot be passed as an option. Results are
written to standard output. Progress and errors are written to standard error. NO_COLOR is
supported.

{exit_codes.HELP}
"""
SHELLS = ("bash", "zsh", "fish")
SECTIONS = (
    ("Inventory", (resources,)),
    ("CA changes and operations", (creation, operations)),
    ("Certificates and CA key", (certificates, ca_key)),
    ("System updates", (system_updates, agent_upgrades)),
    ("Devices and zone", (devices, zone)),
    ("Administrators and access", (administrators,)),
    ("Notifications and audit log", (notifications,)),
)


def make_parser(*, accepts_old_names: bool = True) -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="zman",
        description="Manage the certificate authority of a zone from the command line.",
        epilog=EPILOG,
        usage="%(prog)s [OPTIONS] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=None, local=None)
    parser.add_argument("--version", action="version", version=f"zman {VERSION}")
    add_global_options(parser)
    commands = Commands(parser, required=False, accepts_old_names=accepts_old_names)
    for title, modules in SECTIONS:
        commands.section(title)
        for module in modules:
            module.add_commands(commands)
    commands.section("Shell")
    words = "print a shell completion script"
    commands.add("completion", None, words, local=print_completion).add_argument(
        "shell", choices=SHELLS
    )
    return parser


def print_completion(args: Namespace) -> None:
    """Print the completion script for a shell."""
    parser = make_parser(accepts_old_names=False)
    sys.stdout.write(shtab.complete(parser, args.shell) + "\n")


def _set_format(args: Namespace) -> None:
    """Check the output format; a file name in its place is the one to write to."""
    if args.output in FORMATS:
        return
    if not hasattr(args, "to_file"):
        raise Invalid(
            f"{args.output} is not a valid output format.",
            action=f"Choose from: {', '.join(FORMATS)}.",
        )
    args.to_file, args.output = args.to_file or args.output, "table"


def main(
    arguments: Sequence[str] | None = None, connect: Callable[[Connection], Console] = Console
) -> int:
    """Run one command and return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    out = Output("json" if wants_json(given) else "table")
    try:
        _run(given, out, connect)
    except Fault as fault:
        out.fault(fault)
        return exit_codes.code_of(fault)
    except KeyboardInterrupt:
        out.say("Interrupted. The operation continues on the server.")
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it, for example head.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.OK


def _run(given: Sequence[str], out: Output, connect: Callable[[Connection], Console]) -> None:
    parser = make_parser()
    args = parser.parse_args(given)
    _set_format(args)
    out.format = args.output
    if args.local is not None:
        args.local(args)
    elif args.run is None:
        parser.print_help()
    else:
        with connect(profiles.get_connection(vars(args), os.environ)) as api:
            args.run(api, out, args)
