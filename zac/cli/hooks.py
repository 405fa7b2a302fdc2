"""The command that lists the hooks of this device and their last results, and runs them."""

from __future__ import annotations

import argparse
from typing import List

from wire.host_messages import ACTIVATED, RETIRED, SUCCEEDED, TRUST_CHANGED, HookResult
from zac.cli import exit_codes
from zac.hooks import folder, runner
from zac.host.host import Host

EVENTS = (TRUST_CHANGED, ACTIVATED, RETIRED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=("list", "run"),
        default="list",
        help="list or run (default: list)",
    )
    parser.add_argument(
        "--event",
        metavar="EVENT",
        choices=EVENTS,
        default=ACTIVATED,
        help="event for which hooks are run: %s (default: %s)" % (", ".join(EVENTS), ACTIVATED),
    )


def hooks(host: Host, args: argparse.Namespace) -> int:
    """List the hooks with their last results, or run all of them now."""
    host.home.device()
    if args.action == "run":
        results = runner.run_again(host, [args.event])
        print("\n".join(_format_results(results)) or "No hooks were run.")
        has_failed = any(result.state != SUCCEEDED for result in results)
        return exit_codes.ERROR if has_failed else exit_codes.OK
    found = folder.list_hooks(host.home)
    lines = ["Hooks in %s:" % folder.get_path(host.home)] if found else []
    lines += [
        "  %s%s" % (hook.name, ": %s" % hook.problem if hook.problem else "") for hook in found
    ]
    results = runner.load(host.home).results
    lines += ["Last results:"] if results else []
    print("\n".join([*lines, *_format_results(results)]) or "There are no hooks on this device.")
    return exit_codes.OK


def _format_results(results: List[HookResult]) -> List[str]:
    return [
        "  %s (%s): %s, exit code %d, %.1f s%s"
        % (
            result.name,
            result.event,
            result.state,
            result.exit_code,
            result.seconds,
            ": %s" % result.detail if result.detail else "",
        )
        for result in results
    ]
