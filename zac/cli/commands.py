"""The command line: one function for each command; `zac --help` lists them."""

from __future__ import annotations

import argparse
import os
import resource
import sys
from typing import Callable, List, Optional, Tuple

from faults import Fault, Kind
from wire.messages import PRIMARY
from zac import wakeup
from zac.cli import arguments, exit_codes, output
from zac.enrollment import register
from zac.enrollment import register as enrollment_register
from zac.enrollment.register import Options
from zac.host import files, locks
from zac.host.home import DEFAULT, Home
from zac.host.host import Host, say
from zac.network import calls
from zac.trust import recovery
from zac.updates import manual, refresh, reports, steps

LOCK_WAIT = 30.0
Act = Callable[[Host, argparse.Namespace], int]


class NoUpdate(Fault):
    """No update of that name is known on this device."""

    kind = Kind.NOT_FOUND
    action = "Run: zac update list"


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; returns the exit code of the table in zac.cli.exit_codes."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core dump shall carry a key (S-37)
    told = _parser().parse_args(arguments)
    host = Host(Home(told.home))
    if told.verbose:
        host.log = say
    return exit_codes.told(lambda: told.act(host, told))


def _parser() -> arguments.Parser:
    common = arguments.Parser(add_help=False)
    # Before or behind the command; the place behind it must not overwrite the one before.
    common.add_argument("--home", default=argparse.SUPPRESS)
    common.add_argument("-v", "--verbose", action="store_true")
    parser = arguments.Parser(prog="zac", description="The agent of this host.")
    parser.add_argument("--home", default=os.environ.get("ZAC_HOME", DEFAULT))
    commands = parser.add_subparsers(dest="command", required=True)
    known: List[Tuple[str, List[str], Act, str]] = [
        ("register", ["reg"], _register, "join a zone"),
        ("unregister", ["unr"], _unregister, "leave the zone"),
        ("refresh", ["ref"], _refresh, "ask the zone for news now"),
        ("status", ["st"], _status, "show how this device stands"),
        ("cert-info", ["ci"], _cert_info, "show trusted roots and own certificate"),
        ("zone-config", ["zc"], _zone_config, "show the servers of the zone"),
        ("update", [], _update, "list, show or retry the updates of this device"),
        ("recover", [], _recover, "find back by the zone key when no server verifies"),
        ("csr", [], _csr, "print this server's certification request"),
        ("import", [], _import, "hand in this server's signed certificate with its chain"),
        ("run", [], _run, "run as a service"),
        ("adopt", [], _adopt, "make this host the first server of a new zone"),
    ]
    for name, short, act, text in known:
        one = commands.add_parser(name, aliases=short, help=text, parents=[common])
        one.set_defaults(act=act)
        arguments.add(name, one)
    return parser


def _options(told: argparse.Namespace, url: str, role: str) -> Options:
    return Options(
        url=url,
        name=told.name,
        role=role,
        fqdn=told.fqdn,
        addresses=told.addresses,
        port=told.port,
        content_port=told.content_port,
        rehearsal_port=told.rehearsal_port,
    )


def _register(host: Host, told: argparse.Namespace) -> int:
    files.make_folder(host.home.path)
    options = Options(
        **{
            **vars(_options(told, told.url, told.role)),
            "key": sys.stdin.readline().strip() if told.key == "-" else told.key,
            "fingerprint": told.fingerprint,
            "parent": told.parent,
            "ask": _ask if told.trust_on_first_use else None,
        }
    )
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        registered = register.enrol(host, options)
    wakeup.call(host.home.path)
    print("Registered as %s in zone %s." % (registered.id, registered.zone))
    if not registered.approved:
        print("An administrator has yet to approve it.")
    return exit_codes.OK


def _ask(fingerprint: str) -> bool:
    print("The zone's key has the SHA-256 fingerprint %s." % fingerprint)
    if not sys.stdin.isatty():
        raise register.NoPin("Nobody is there to confirm the fingerprint.")
    return input("Is it the one that the console shows? [y/N] ").strip().lower() == "y"


def _unregister(host: Host, told: argparse.Namespace) -> int:
    host.home.device()
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        try:
            calls.tell(host, "/zac/v1/unregister", {})
        except Fault:
            if not told.force:
                raise
        for name in ("device.json", "state.json", "servers.json"):
            files.remove(host.home.at(name))
        files.remove_tree(host.home.at("security"))
        files.remove_tree(host.home.at("remint-repo"))
    print("This device no longer belongs to the zone.")
    return exit_codes.OK


def _refresh(host: Host, _told: argparse.Namespace) -> int:
    host.home.device()
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        answer = refresh.refresh(host, asked=True)
    wakeup.call(host.home.path, wakeup.LOOK)
    if not answer.approved:
        print("Waiting for an administrator to approve this device.")
        return exit_codes.PENDING
    failed = [one for one in host.state.load().updates.values() if one.failure and one.open]
    for one in failed:
        print("Update %s failed: %s" % (one.id, one.failure))
    print("Refreshed; %d servers." % len(answer.servers))
    return exit_codes.FAILED if failed else exit_codes.OK


def _recover(host: Host, _told: argparse.Namespace) -> int:
    host.home.device()
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        recovery.recover(host)
        refresh.refresh(host)
    print("Recovered: the zone's current certificate authority is trusted again.")
    return exit_codes.OK


def _status(host: Host, told: argparse.Namespace) -> int:
    print(output.as_json(host) if told.json else output.as_text(host))
    return exit_codes.OK


def _cert_info(host: Host, told: argparse.Namespace) -> int:
    print(output.future(host) if told.future else output.certificates(host))
    return exit_codes.OK


def _update(host: Host, told: argparse.Namespace) -> int:
    host.home.device()
    known = host.state.load().updates
    chosen = [one for one in known if one.startswith(told.id)]
    if told.id and len(chosen) != 1:
        raise NoUpdate("%d updates begin with %s." % (len(chosen), told.id))
    if told.what == "retry":
        return _retry(host, chosen)
    whole = told.what == "show"
    print(output.updates(host, chosen, as_json=told.json, whole=whole))
    return exit_codes.OK


def _retry(host: Host, chosen: List[str]) -> int:
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        for update in chosen:
            steps.try_again(host, update)
            steps.advance(host, update)
        reports.flush(host)
    wakeup.call(host.home.path, wakeup.LOOK)
    records = [host.state.load().updates[update] for update in chosen]
    failed = [one for one in records if one.failure and one.open]
    for one in failed:
        print("Update %s failed: %s" % (one.id, one.failure))
    if failed:
        return exit_codes.FAILED
    return exit_codes.PENDING if any(one.open for one in records) else exit_codes.OK


def _csr(host: Host, _told: argparse.Namespace) -> int:
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        print(manual.request(host), end="")
    return exit_codes.OK


def _import(host: Host, told: argparse.Namespace) -> int:
    with locks.hold(host.home.at("lock"), LOCK_WAIT):
        manual.import_file(host, told.file)
    wakeup.call(host.home.path, wakeup.LOOK)
    print("The certificate is handed in; it is used from the activation time on.")
    return exit_codes.OK


def _zone_config(host: Host, _told: argparse.Namespace) -> int:
    print(output.servers(host))
    return exit_codes.OK


def _run(host: Host, _told: argparse.Namespace) -> int:
    host.home.device()
    # Become the service alone: the command line would stay in memory as long as the agent runs.
    line = [sys.executable, "-m", "zac.service", host.home.path]
    os.execv(line[0], line)  # noqa: S606 - our own program, the line is a list


def _adopt(host: Host, told: argparse.Namespace) -> int:
    files.make_folder(host.home.path)
    if told.finish:
        enrollment_register.finish(host, sys.stdin.buffer.read())
        return exit_codes.OK
    url = "https://%s:%d" % ((told.addresses or [told.fqdn])[0], told.port)
    key = _key_file(told.server_key) if told.server_key else None
    print(enrollment_register.prepare(host, _options(told, url, PRIMARY), key))
    return exit_codes.OK


def _key_file(path: str) -> bytes:
    data = files.read(path)
    if data is None:
        raise Fault("%s cannot be read. Nothing was changed." % path)
    return data
