"""The commands of the command line; `zac --help` lists them."""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
from typing import Callable, Dict, List, Optional

from faults import Fault, Kind
from wire.messages import PRIMARY, RegisterResponse
from zac import archive, service, wakeup
from zac.cli import exit_codes, hooks, output, remint, system_trust, unit
from zac.cli.arguments import build_parser
from zac.hooks import runner
from zac.host import files, locks, logs
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.network import calls
from zac.network.errors import ServerBusy
from zac.registration import first_server, registration
from zac.registration.registration import RegistrationOptions
from zac.system_trust import synchronization
from zac.trust import recovery
from zac.updates import manual_csr, refresh, state_machine

LOCK_WAIT = 30.0
# A fleet that registers at the same time is told to wait for one minute at most.
MAX_BUSY_RETRIES = 10
MIN_BUSY_SECONDS, MAX_BUSY_SECONDS = 5, 60
RANDOM = random.SystemRandom()


class NoUpdate(Fault):
    """No update on this device has the ID."""

    kind = Kind.NOT_FOUND
    action = "Run: zac update list"


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; return the exit code (see zac.cli.exit_codes)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump could contain private keys
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return exit_codes.OK
    host = service.open_host(args.home)
    if args.verbose:
        host.write_log = logs.write
    return exit_codes.run(lambda: COMMANDS[args.command](host, args))


def _options(args: argparse.Namespace, url: str, role: str) -> RegistrationOptions:
    return RegistrationOptions(
        url=url,
        name=args.name or os.uname().nodename,
        role=role,
        fqdn=args.fqdn,
        addresses=args.addresses,
        port=args.port,
        content_port=args.content_port,
        preflight_port=args.preflight_port,
    )


def _register(host: Host, args: argparse.Namespace) -> int:
    files.make_folder(host.home.path)
    options = RegistrationOptions(
        **{
            **vars(_options(args, args.url, args.role)),
            "name": args.name,
            "key": sys.stdin.readline().strip() if args.key == "-" else args.key,
            "fingerprint": args.fingerprint,
            "parent": args.parent,
            "confirm_fingerprint": _confirm_fingerprint if args.trust_on_first_use else None,
        }
    )

    def register() -> RegisterResponse:
        with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
            return registration.register(host, options)

    response = _retry_while_busy(register)
    wakeup.wake(host.home.path)
    zone = response.zone_name or response.zone
    print("Registered %s in zone %s. Device ID: %s" % (host.device.name, zone, response.id))
    if not response.approved:
        print("This device is waiting for approval by an administrator.")
    return exit_codes.OK


def _retry_while_busy(register: Callable[[], RegisterResponse]) -> RegisterResponse:
    """Return what `register` returns; while the server is busy, wait as long as it says."""
    for _attempt in range(MAX_BUSY_RETRIES):
        try:
            return register()
        except ServerBusy as fault:
            # Many devices can receive the same time, so each one adds a random part.
            seconds = min(max(fault.retry_after, MIN_BUSY_SECONDS), MAX_BUSY_SECONDS)
            pause = seconds * RANDOM.uniform(1.0, 1.5)
            message = "%s Nothing was registered yet. Trying again in %d seconds."
            print(message % (fault.explanation, pause), file=sys.stderr)
            time.sleep(pause)
    return register()


def _confirm_fingerprint(fingerprint: str) -> bool:
    print("SHA-256 fingerprint of the zone key: %s" % fingerprint)
    if not sys.stdin.isatty():
        raise registration.ZoneNotPinned(
            "The fingerprint cannot be confirmed because the terminal is not interactive."
        )
    return input("Does this match the fingerprint in the console? [y/N] ").strip().lower() == "y"


def _unregister(host: Host, args: argparse.Namespace) -> int:
    host.home.device()
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
        try:
            calls.send(host, "/zac/v1/unregister", {})
        except Fault:
            if not args.force:
                raise
        _remove_system_trust(host)
        host.home.leave_zone(delete=args.delete_identity)
        for name in ("state.json", "servers.json", runner.FILE):
            files.remove(host.home.path_to(name))
        files.remove_tree(host.home.path_to("security"))
        files.remove_tree(host.home.path_to("remint-repo"))
    print("This device no longer belongs to the zone.")
    if not args.delete_identity:
        print("It can return without a registration key: zac reg https://SERVER:PORT")
    return exit_codes.OK


def _remove_system_trust(host: Host) -> None:
    """Remove the roots of the zone from the trust store of the system. A failure stops nothing."""
    try:
        synchronization.remove_all(host, host.device.zone)
    except (Fault, OSError) as error:
        print("The trust store of the system was not updated: %s" % error, file=sys.stderr)


def _refresh(host: Host, _args: argparse.Namespace) -> int:
    host.home.device()
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
        response = refresh.refresh(host, retry_failed=True)
    wakeup.wake(host.home.path, wakeup.CHECK)
    if not response.approved:
        print("Waiting for an administrator to approve this device.")
        return exit_codes.PENDING
    has_failed = _print_failures(list(host.state.load().updates.values()))
    print("Refreshed (%d servers)." % len(response.servers))
    return exit_codes.FAILED if has_failed else exit_codes.OK


def _recover(host: Host, _args: argparse.Namespace) -> int:
    host.home.device()
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
        try:
            recovery.recover(host)
        except recovery.RecoveryFailed:
            if not _can_refresh(host):
                raise
            print("This device can verify the servers of the zone. Nothing had to be recovered.")
            return exit_codes.OK
        refresh.refresh(host)
    print("Recovered. This device now trusts the zone's current certificate authority.")
    return exit_codes.OK


def _can_refresh(host: Host) -> bool:
    """Return True if a server of the zone could be verified."""
    try:
        refresh.refresh(host)
    except Fault:
        return False
    return True


def _status(host: Host, args: argparse.Namespace) -> int:
    print(output.status_json(host) if args.json else output.status_text(host))
    is_registered = host.home.device_or_none() is not None
    return exit_codes.OK if is_registered else exit_codes.NOT_REGISTERED


def _cert_info(host: Host, args: argparse.Namespace) -> int:
    print(output.new_certificates(host) if args.new else output.certificates(host))
    return exit_codes.OK


def _update(host: Host, args: argparse.Namespace) -> int:
    host.home.device()
    known = host.state.load().updates
    chosen = [update for update in known if update.startswith(args.id)]
    if args.id and len(chosen) != 1:
        raise NoUpdate("%d updates match the ID %s." % (len(chosen), args.id))
    if args.action == "retry":
        return _retry(host, chosen)
    print(output.updates(host, chosen, as_json=args.json, details=args.action == "show"))
    return exit_codes.OK


def _retry(host: Host, chosen: List[str]) -> int:
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
        for update in chosen:
            state_machine.retry(host, update)
            state_machine.advance(host, update)
        state_machine.send_reports(host)
    wakeup.wake(host.home.path, wakeup.CHECK)
    records = [host.state.load().updates[update] for update in chosen]
    if _print_failures(records):
        return exit_codes.FAILED
    return exit_codes.PENDING if any(record.is_open for record in records) else exit_codes.OK


def _print_failures(records: List[UpdateRecord]) -> bool:
    failed = [record for record in records if record.failure and record.is_open]
    for record in failed:
        print("Update %s failed: %s" % (record.id, record.failure))
    return bool(failed)


def _csr(host: Host, _args: argparse.Namespace) -> int:
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
        print(manual_csr.get_csr(host), end="")
    return exit_codes.OK


def _import(host: Host, args: argparse.Namespace) -> int:
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
        manual_csr.import_certificate(host, args.file)
    wakeup.wake(host.home.path, wakeup.CHECK)
    print("Certificate submitted. It takes effect at the activation time.")
    return exit_codes.OK


def _zone_config(host: Host, _args: argparse.Namespace) -> int:
    print(output.servers(host))
    return exit_codes.OK


def _run(host: Host, args: argparse.Namespace) -> int:
    host.home.device()
    if args.log_format:
        os.environ[logs.FORMAT] = args.log_format
    # Replace this process, because the command line would use memory as long as the agent runs.
    archive.start_service(host.home.path)


def _bootstrap(host: Host, args: argparse.Namespace) -> int:
    files.make_folder(host.home.path)
    if args.finish:
        first_server.finish(host, sys.stdin.buffer.read())
        return exit_codes.OK
    url = "https://%s:%d" % ((args.addresses or [args.fqdn])[0], args.port)
    key = _read_key(args.server_key) if args.server_key else None
    print(first_server.prepare(host, _options(args, url, PRIMARY), key))
    return exit_codes.OK


def _read_key(path: str) -> bytes:
    data = files.read(path)
    if data is None:
        raise Fault("Cannot read %s. Nothing was changed." % path)
    return data


COMMANDS: Dict[str, Callable[[Host, argparse.Namespace], int]] = {
    "register": _register,
    "unregister": _unregister,
    "refresh": _refresh,
    "status": _status,
    "cert-info": _cert_info,
    "zone-config": _zone_config,
    "update": _update,
    "recover": _recover,
    "remint": remint.remint,
    "verify-tool": remint.verify_tool,
    "csr": _csr,
    "import": _import,
    "run": _run,
    "unit": unit.print_unit,
    "hooks": hooks.hooks,
    "system-trust": system_trust.system_trust,
    "bootstrap": _bootstrap,
}
