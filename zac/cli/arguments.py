"""What the commands of the command line take."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from wire.messages import MANAGED, ROLES
from zac.cli import exit_codes

FLAGS = {
    "adopt": ("--prepare", "--finish"),
    "unregister": ("--force",),
    "status": ("--json",),
    "cert-info": ("--future",),
    "update": ("--json",),
}


class Parser(argparse.ArgumentParser):
    """argparse with this program's exit code for a wrong command line."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print("zac: %s" % message, file=sys.stderr)
        raise SystemExit(exit_codes.USAGE)


def add(name: str, parser: argparse.ArgumentParser) -> None:
    """Add what a command takes beside what all take."""
    if name in ("register", "adopt"):
        _place(parser)
    for flag in FLAGS.get(name, ()):
        parser.add_argument(flag, action="store_true")
    if name == "register":
        _registration(parser)
    elif name == "adopt":
        parser.add_argument("--server-key", default="", help="file of a key to take over")
    elif name == "update":
        parser.add_argument("what", nargs="?", choices=("list", "show", "retry"), default="list")
        parser.add_argument("id", nargs="?", default="", help="or its beginning")
    elif name == "import":
        parser.add_argument("file")


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default=os.uname().nodename)
    parser.add_argument("--fqdn", default="")
    parser.add_argument("--address", action="append", default=[], dest="addresses")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--content-port", type=int, default=0)
    parser.add_argument("--rehearsal-port", type=int, default=0)


def _registration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url")
    parser.add_argument("--role", default=MANAGED, choices=ROLES)
    parser.add_argument("--parent", default="")
    parser.add_argument("--key", default=os.environ.get("ZAC_KEY", ""), help="or ZAC_KEY, or -")
    parser.add_argument("--fingerprint", default="", help="SHA-256 of the zone's public key")
    parser.add_argument("--trust-on-first-use", action="store_true")
