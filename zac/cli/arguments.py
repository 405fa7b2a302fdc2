"""Arguments of the command line. Old names of commands and options are accepted but not shown."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Callable, Dict, List, NoReturn, Tuple

from wire.messages import MANAGED, ROLES
from zac import VERSION
from zac.cli import exit_codes, hooks, system_trust
from zac.host import logs
from zac.host.home import DEFAULT

EXIT_CODES = """\
exit codes:
  0   success
  1   failure
  3   device not registered
  4   no server reachable
  5   no server could be verified (run: zac recover)
  6   data damaged or not signed by the zone
  7   pending, for example waiting for approval
  10  an update failed
  64  usage error
  75  agent busy"""

# Sections of the help: name of the command, short name, help.
SECTIONS: Tuple[Tuple[str, Tuple[Tuple[str, str, str], ...]], ...] = (
    (
        "registration",
        (
            ("register", "reg", "register this device in a zone"),
            ("unregister", "unr", "unregister this device from the zone"),
        ),
    ),
    (
        "status",
        (
            ("status", "st", "show the status of this device"),
            ("cert-info", "ci", "show the trusted roots and the certificate of this device"),
            ("zone-config", "zc", "list the servers in the zone"),
        ),
    ),
    (
        "updates",
        (
            ("refresh", "ref", "check for changes now"),
            ("update", "", "list, show, or retry updates on this device"),
            ("recover", "", "recover trust with the zone key when no server can be verified"),
            ("remint", "", "apply the update in a Certificate Remint Tool, without running it"),
            ("verify-tool", "", "verify the signature of a Certificate Remint Tool or agent"),
        ),
    ),
    (
        "server certificate",
        (
            ("csr", "", "print the CSR for this server"),
            ("import", "", "submit the signed certificate and chain for this server"),
        ),
    ),
    (
        "service",
        (
            ("run", "", "run the agent as a service"),
            ("unit", "", "print the systemd unit of the agent"),
            ("hooks", "", "list or run the hooks of this device"),
            ("system-trust", "", "allow roots in the trust store of the system, or remove them"),
            ("bootstrap", "", "set up this host as the first server of a new zone"),
        ),
    ),
)
# Names of commands in the previous version.
PREVIOUS_NAMES = {"bootstrap": "adopt"}


class Parser(argparse.ArgumentParser):
    """A parser with this program's exit code for usage errors."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print("zac: %s" % message, file=sys.stderr)
        raise SystemExit(exit_codes.USAGE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest == "command" and value not in (action.choices or ()):
            self.error("%s is not a valid command. See: zac --help" % value)
        super()._check_value(action, value)


def build_parser() -> Parser:
    """Return the parser. Parsed arguments have `command`, None if no command was given."""
    parser = Parser(
        prog="zac",
        usage="zac [OPTIONS] COMMAND [ARGUMENTS]",
        description="Manage the ZENworks agent on this device.\n\n%s\n\n"
        "For the options of a command, run: zac COMMAND --help" % _command_list(),
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version="zac %s" % VERSION)
    home = os.environ.get("ZAC_HOME", DEFAULT)
    _add_common_options(parser, default_home=home)
    commands = parser.add_subparsers(dest="command", prog="zac", help=argparse.SUPPRESS)
    for _, rows in SECTIONS:
        for name, short, text in rows:
            aliases = [alias for alias in (short, PREVIOUS_NAMES.get(name, "")) if alias]
            description = "%s%s." % (text[0].upper(), text[1:])
            command = commands.add_parser(name, aliases=aliases, description=description)
            command.set_defaults(command=name)
            _add_common_options(command, default_home=argparse.SUPPRESS)
            if name in ADDERS:
                ADDERS[name](command)
    return parser


def _command_list() -> str:
    lines: List[str] = []
    for title, rows in SECTIONS:
        lines.append("%s:" % title)
        for name, short, text in rows:
            lines.append("  %-18s %s" % ("%s, %s" % (name, short) if short else name, text))
    return "\n".join(lines)


def _add_common_options(parser: Parser, *, default_home: str) -> None:
    # The options are accepted before and after the command. After it, they have no default that
    # would replace a value before it.
    parser.add_argument(
        "--home",
        metavar="DIR",
        default=default_home,
        help="data directory of the agent (default: $ZAC_HOME or %s)" % DEFAULT,
    )
    is_top = default_home is not argparse.SUPPRESS
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=False if is_top else argparse.SUPPRESS,
        help="print log messages to standard error",
    )


def _add_register(parser: Parser) -> None:
    parser.add_argument("url", metavar="URL", help="address of a server: https://SERVER:PORT")
    parser.add_argument(
        "--key",
        default=os.environ.get("ZAC_KEY", ""),
        help="registration key (default: $ZAC_KEY; use - to read from standard input)",
    )
    parser.add_argument(
        "--fingerprint",
        metavar="HEX",
        default="",
        help="SHA-256 fingerprint of the zone's public key",
    )
    parser.add_argument(
        "--trust-on-first-use",
        action="store_true",
        help="show the fingerprint of the zone key and ask for confirmation",
    )
    parser.add_argument(
        "--role",
        metavar="ROLE",
        default=MANAGED,
        choices=ROLES,
        help="role of this device: %s (default: %s)" % (", ".join(ROLES), MANAGED),
    )
    parser.add_argument("--parent", metavar="SERVER", default="", help="name of the parent server")
    _add_host_options(parser)


def _add_host_options(parser: Parser) -> None:
    parser.add_argument(
        "--name", default="", help="name of this device (default: its previous name, or host name)"
    )
    parser.add_argument("--fqdn", default="", help="fully qualified domain name")
    parser.add_argument(
        "--address",
        metavar="IP",
        action="append",
        default=[],
        dest="addresses",
        help="IP address (can be repeated)",
    )
    parser.add_argument("--port", type=int, default=0, help="TLS port of this server")
    parser.add_argument(
        "--content-port", metavar="PORT", type=int, default=0, help="port for content"
    )
    parser.add_argument(
        "--preflight-port",
        metavar="PORT",
        type=int,
        default=0,
        help="port for preflight checks of the new certificate",
    )
    parser.add_argument("--rehearsal-port", type=int, dest="preflight_port", help=argparse.SUPPRESS)


def _add_bootstrap(parser: Parser) -> None:
    parser.add_argument(
        "--prepare", action="store_true", help="create keys and print the CSR as JSON"
    )
    parser.add_argument(
        "--finish", action="store_true", help="read identity and certificate from standard input"
    )
    parser.add_argument(
        "--server-key",
        metavar="FILE",
        default="",
        help="file that contains an existing private key",
    )
    _add_host_options(parser)


def _add_unregister(parser: Parser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="unregister even if no server can be reached"
    )
    parser.add_argument(
        "--delete-identity",
        action="store_true",
        help="also delete what this device needs to return without a registration key",
    )


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_cert_info(parser: Parser) -> None:
    parser.add_argument(
        "--new", action="store_true", help="show the new CA and certificate of pending updates"
    )
    parser.add_argument("--future", action="store_true", dest="new", help=argparse.SUPPRESS)


def _add_update(parser: Parser) -> None:
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=("list", "show", "retry"),
        default="list",
        help="list, show, or retry (default: list)",
    )
    parser.add_argument(
        "id", metavar="ID", nargs="?", default="", help="update ID or unique prefix (default: all)"
    )
    _add_json(parser)


def _add_import(parser: Parser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="file that contains the signed certificate and its chain"
    )


def _add_run(parser: Parser) -> None:
    parser.add_argument(
        "--log-format",
        choices=logs.FORMATS,
        default="",
        help="format of log lines (default: $%s or text)" % logs.FORMAT,
    )


def _add_tool(parser: Parser) -> None:
    parser.add_argument(
        "tool",
        metavar="FILE|URL",
        help="file, or address such as http://SERVER:PORT/zenworks-setup/FILE",
    )


ADDERS: Dict[str, Callable[[Parser], None]] = {
    "register": _add_register,
    "bootstrap": _add_bootstrap,
    "unregister": _add_unregister,
    "status": _add_json,
    "cert-info": _add_cert_info,
    "update": _add_update,
    "import": _add_import,
    "run": _add_run,
    "hooks": hooks.add_arguments,
    "system-trust": system_trust.add_arguments,
    "remint": _add_tool,
    "verify-tool": _add_tool,
}
