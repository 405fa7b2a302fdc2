"""The command that allows the zone to install its roots in the operating system of this device."""

from __future__ import annotations

import argparse
import os

from zac.cli import exit_codes, unit
from zac.host import files
from zac.host.home import DEFAULT
from zac.host.host import Host
from zac.system_trust import stores, synchronization

DROP_IN = "/etc/systemd/system/zac.service.d/system-trust.conf"
READABLE_FOLDER, READABLE = 0o755, 0o644


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=("show", "allow", "remove"),
        default="show",
        help="show, allow, or remove (default: show)",
    )


def system_trust(host: Host, args: argparse.Namespace) -> int:
    """Show whether this device allows it and what was done, allow it, or remove all roots."""
    if args.action == "allow":
        return _allow(host)
    if args.action == "remove":
        return _remove(host)
    store, report = stores.find_store(), synchronization.load(host.home)
    is_allowed = synchronization.is_allowed(host.home)
    print("allowed by this device  %s" % ("yes" if is_allowed else "no"))
    print("trust store             %s" % (store.folder if store else "not found"))
    print("last result             %s" % (report.state if report else "-"))
    if report and report.detail:
        print("                        %s" % report.detail)
    return exit_codes.OK


def _allow(host: Host) -> int:
    """Create the file that allows it, and let the service write to the trust store."""
    files.make_folder(host.home.path)
    files.write(host.home.path_to(synchronization.OPT_IN), b"")
    print("The zone can install its roots in the trust store of this system.")
    if host.home.path == DEFAULT and os.path.isdir("/run/systemd/system"):
        os.makedirs(os.path.dirname(DROP_IN), READABLE_FOLDER, exist_ok=True)
        files.write(DROP_IN, unit.build_drop_in(stores.WRITTEN).encode(), READABLE)
        print("Run: systemctl daemon-reload && systemctl restart zac")
    return exit_codes.OK


def _remove(host: Host) -> int:
    """Remove all roots from the trust store, and no longer allow it."""
    for path in (host.home.path_to(synchronization.OPT_IN), DROP_IN):
        files.remove(path)
    if synchronization.remove_all(host):
        print("The roots of the zone were removed from the trust store of this system.")
    else:
        print("There are no roots of a zone in the trust store of this system.")
    return exit_codes.OK
