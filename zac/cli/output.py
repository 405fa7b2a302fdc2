"""What the commands print about this host; never a secret."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Dict, List

from wire.messages import Trust
from zac.host import files
from zac.host.host import Host
from zac.trust import pem, store


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
        "trusted_sha256": store.digests(held),
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
    for root in store.roots(generation.trust):
        title = "%s CA: %s" % (_rank(generation.trust, root), pem.subject(root))
        lines += _described(title, root)
    if generation.server:
        lines += ["Own certificate", "  SHA-256          %s" % pem.fingerprint(generation.server)]
    return "\n".join(lines)


def future(host: Host) -> str:
    """Return the roots announced and the certificate that this server will show."""
    host.home.device()
    lines: List[str] = []
    for root in host.security.current().trust.pending:
        lines += _described("Announced CA: %s" % pem.subject(root), root)
    for record in host.state.load().updates.values():
        data = files.read(host.home.at("remint-repo", record.id, "future.pem")) or b""
        found = pem.split(data.decode())
        if found:
            lines.append("Future certificate of update %s" % record.id)
            lines.append("  SHA-256          %s" % pem.fingerprint(found[0]))
    return "\n".join(lines) or "Nothing is announced."


def updates(host: Host, chosen: List[str], *, as_json: bool, whole: bool) -> str:
    """Return some updates, for a script or for a reader; `whole` tells everything of them."""
    found = [one for one in _updates(host) if one["id"] in chosen]
    if as_json:
        return json.dumps(found, sort_keys=True, indent=1)
    if not found:
        return "No update is known on this device."
    return "\n".join(_at_length(one) if whole else _in_short(one) for one in found)


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
            "name": record.manifest().name,
            "root_sha256": record.manifest().root_sha256,
            "step": record.step,
            "revision": record.revision,
            "attempt": record.attempt,
            "failure": record.failure,
            "activates_at": record.activates_at(),
            "go": record.go is not None,
        }
        for record in host.state.load().updates.values()
    ]


def _described(title: str, certificate: str) -> List[str]:
    begin, end = pem.dates(certificate)
    return [
        title,
        "  valid            %s to %s" % (_time(begin), _time(end)),
        "  SHA-256          %s" % pem.fingerprint(certificate),
    ]


def _in_short(one: Dict[str, Any]) -> str:
    failure = ": " + one["failure"] if one["failure"] else ""
    return "%s  %s  %s%s" % (one["id"], one["kind"], one["step"], failure)


def _at_length(one: Dict[str, Any]) -> str:
    lines = ["%s: %s" % (one["id"], one["name"])]
    lines += [
        "  %-16s %s" % (name, one[name])
        for name in ("kind", "step", "revision", "attempt", "root_sha256", "go", "failure")
        if one[name] != ""
    ]
    at = one["activates_at"]
    lines.append("  %-16s %s" % ("activates", _time(at) if at else "at once"))
    return "\n".join(lines)


def _rank(held: Trust, root: str) -> str:
    if root == held.current:
        return "Current"
    return "Earlier" if root in held.in_grace else "Announced"


def _time(seconds: float) -> str:
    if not seconds:
        return "never"
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
