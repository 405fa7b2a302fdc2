"""What the commands print about this host; never a secret."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Dict, List

from wire.messages import Trust
from zac import pem, trust
from zac.host import Host


def facts(host: Host) -> Dict[str, Any]:
    """Return how this device stands, as plain values."""
    device = host.home.device_if_any()
    if device is None:
        return {"registered": False}
    known, held = host.home.known(), host.security.current().trust
    return {
        "registered": True,
        "id": device.id,
        "name": device.name,
        "role": device.role,
        "zone": device.zone,
        "server": device.url,
        "approved": known.approved,
        "refreshed": known.refreshed,
        "refresh_s": known.refresh_s,
        "clock_offset": round(host.clock.offset, 3),
        "epoch": host.state.load().epoch,
        "generation": host.security.name(),
        "root_sha256": pem.fingerprint(held.current),
        "trusted_sha256": trust.digests(held),
        "updates": _updates(host),
        "reports_waiting": len(host.state.load().reports),
    }


def as_json(host: Host) -> str:
    """Return the facts for a script."""
    return json.dumps(facts(host), sort_keys=True, indent=1)


def as_text(host: Host) -> str:
    """Return the facts for a reader."""
    known = facts(host)
    if not known["registered"]:
        return "This device is not registered."
    lines = [
        "%s (%s) in zone %s" % (known["name"], known["role"], known["zone"]),
        "  registered with  %s%s"
        % (known["server"], "" if known["approved"] else ", not approved yet"),
        "  last refresh     %s" % _time(known["refreshed"]),
        "  clock            %+.1f s to zone time" % known["clock_offset"],
        "  zone CA          %s" % known["root_sha256"],
    ]
    lines += [
        "  update %(id)s  %(step)s%(failure)s"
        % {**one, "failure": ": " + one["failure"] if one["failure"] else ""}
        for one in known["updates"]
    ]
    return "\n".join(lines)


def certificates(host: Host) -> str:
    """Return trusted roots and the own certificate for a reader; raises NotRegistered."""
    host.home.device()
    generation = host.security.current()
    lines: List[str] = []
    for root in trust.roots(generation.trust):
        begin, end = pem.dates(root)
        lines += [
            "%s CA: %s" % (_rank(generation.trust, root), pem.subject(root)),
            "  valid            %s to %s" % (_time(begin), _time(end)),
            "  SHA-256          %s" % pem.fingerprint(root),
        ]
    if generation.server:
        lines += ["Own certificate", "  SHA-256          %s" % pem.fingerprint(generation.server)]
    return "\n".join(lines)


def servers(host: Host) -> str:
    """Return the zone's servers for a reader; raises NotRegistered."""
    host.home.device()
    known = host.home.known().servers
    return "\n".join(
        "%s (%s) %s" % (one.name, one.role, one.url or one.content_url) for one in known
    )


def _updates(host: Host) -> List[Dict[str, Any]]:
    return [
        {
            "id": record.id,
            "kind": record.manifest().kind,
            "step": record.step,
            "revision": record.revision,
            "attempt": record.attempt,
            "failure": record.failure,
            "activates_at": record.activates_at(),
            "go": record.go is not None,
        }
        for record in host.state.load().updates.values()
    ]


def _rank(held: Trust, root: str) -> str:
    if root == held.current:
        return "Current"
    return "Earlier" if root in held.in_grace else "Announced"


def _time(seconds: float) -> str:
    if not seconds:
        return "never"
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
