"""Text and JSON output of the commands. It never contains secrets."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Dict, List

from wire.messages import Trust
from zac import VERSION
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.trust import pem, store
from zac.updates import server_certificate
from zac.upgrades import programs

STEP_LABELS = {
    state.OFFERED: "downloading",
    state.AWAITING_CERTIFICATE: "waiting for the new certificate",
    state.CERTIFIED: "certificate verified",
    state.READY: "ready for activation",
    state.SWITCHING: "activating",
    state.VERIFYING: "verifying the new certificate",
    state.ACTIVATED: "activated, contacting the servers",
    state.CONFIRMED: "activated",
    state.ROLLED_BACK: "rolled back",
}


def get_status(host: Host) -> Dict[str, Any]:
    """Return the status of this device as JSON values."""
    device = host.home.device_or_none()
    if device is None:
        return {"registered": False}
    cache, trust = host.home.zone_cache(), host.trust_store.current().trust
    return {
        "registered": True,
        "agent": VERSION,
        "agent_upgrade": _agent_upgrade(host),
        "id": device.id,
        "name": device.name,
        "role": device.role,
        "zone": device.zone,
        "zone_name": cache.zone_name,
        "server": device.url,
        "approved": cache.approved,
        "refreshed": cache.refreshed,
        "refresh_s": cache.refresh_s,
        "clock_offset": round(host.clock.offset, 3),
        "epoch": host.state.load().epoch,
        "generation": host.trust_store.current_name(),
        "root_sha256": pem.fingerprint(trust.current),
        "trusted_sha256": store.digests(trust),
        "trust_list_version": cache.trust_list.version if cache.trust_list else 0,
        "trust_list_expires": cache.trust_list.expires_at if cache.trust_list else 0.0,
        "has_second_key": bool(device.second_pub),
        "updates": _updates(host),
        "reports_waiting": len(host.state.load().reports),
    }


def status_json(host: Host) -> str:
    """Return the status of this device as JSON text."""
    return json.dumps(get_status(host), sort_keys=True, indent=1)


def status_text(host: Host) -> str:
    """Return the status of this device as text."""
    status = get_status(host)
    if not status["registered"]:
        return "This device is not registered."
    approval = "" if status["approved"] else ", waiting for approval"
    lines = [
        "%s (%s) in zone %s"
        % (status["name"], status["role"], status["zone_name"] or status["zone"]),
        "  agent            %s" % status["agent"],
        "  registered with  %s%s" % (status["server"], approval),
        "  last refresh     %s" % _time(status["refreshed"]),
        "  clock offset     %+.1f s" % status["clock_offset"],
        "  zone CA          %s" % status["root_sha256"],
        "  trust list       %s" % _trust_list(status, host.clock.now()),
        "  signatures       %s" % ("two keys" if status["has_second_key"] else "one key"),
    ]
    lines += [
        "  update %s  %s%s" % (update["id"], _step(update), _failure(update))
        for update in status["updates"]
    ]
    return "\n".join(lines)


def _agent_upgrade(host: Host) -> Dict[str, str]:
    """Return the result of the last upgrade of the agent by the console, {} without one."""
    result = programs.get_result(host.home)
    return {} if result is None else {"state": result.state, "detail": result.detail}


def _trust_list(status: Dict[str, Any], now: float) -> str:
    if not status["trust_list_version"]:
        return "none received yet"
    ends = status["trust_list_expires"]
    label = "valid until" if ends > now else "EXPIRED, was valid until"
    return "version %d, %s %s" % (status["trust_list_version"], label, _time(ends))


def certificates(host: Host) -> str:
    """Return the trusted roots and the certificate of this host as text."""
    host.home.device()
    generation = host.trust_store.current()
    lines: List[str] = []
    for root in store.roots(generation.trust):
        title = "%s CA: %s" % (_root_label(generation.trust, root), pem.subject(root))
        lines += _describe(title, root)
    if generation.server:
        lines += [
            "Device certificate",
            "  SHA-256          %s" % pem.fingerprint(generation.server),
        ]
    return "\n".join(lines)


def new_certificates(host: Host) -> str:
    """Return the announced roots and the new certificates of this server as text."""
    host.home.device()
    lines: List[str] = []
    for root in host.trust_store.current().trust.pending:
        lines += _describe("New CA: %s" % pem.subject(root), root)
    for record in host.state.load().updates.values():
        data = files.read(server_certificate.new_certificate_path(host, record.id)) or b""
        chain = pem.split(data.decode())
        if chain:
            lines.append("New certificate from update %s" % record.id)
            lines.append("  SHA-256          %s" % pem.fingerprint(chain[0]))
    return "\n".join(lines) or "No new CA or certificate is pending."


def updates(host: Host, chosen: List[str], *, as_json: bool, details: bool) -> str:
    """Return updates as JSON text, or as text with or without details."""
    shown = [update for update in _updates(host) if update["id"] in chosen]
    if as_json:
        return json.dumps(shown, sort_keys=True, indent=1)
    if not shown:
        return "There are no updates on this device."
    return "\n".join(_details(update) if details else _summary(update) for update in shown)


def servers(host: Host) -> str:
    """Return the servers of the zone as text."""
    host.home.device()
    return "\n".join(
        "%s (%s) %s" % (server.name, server.role, server.url or server.content_url)
        for server in host.home.zone_cache().servers
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
            "repository_fault": _repository_fault(record),
            "activates_at": record.activates_at(),
            "activation_order": record.activation_order is not None,
            # The name in the previous version.
            "go": record.activation_order is not None,
        }
        for record in host.state.load().updates.values()
    ]


def _describe(title: str, certificate: str) -> List[str]:
    begin, end = pem.dates(certificate)
    return [
        title,
        "  valid            %s to %s" % (_time(begin), _time(end)),
        "  SHA-256          %s" % pem.fingerprint(certificate),
    ]


def _summary(update: Dict[str, Any]) -> str:
    return "%s  %s  %s%s" % (update["id"], update["kind"], _step(update), _failure(update))


def _details(update: Dict[str, Any]) -> str:
    at = update["activates_at"]
    rows = (
        ("kind", update["kind"]),
        ("step", _step(update)),
        ("revision", update["revision"]),
        ("attempt", update["attempt"]),
        ("new root SHA-256", update["root_sha256"]),
        ("activation order", "received" if update["activation_order"] else "not received"),
        ("failure", update["failure"]),
        ("remint repository", update["repository_fault"]),
        ("activation", _time(at) if at else "immediate"),
    )
    lines = ["  %-16s %s" % (label, value) for label, value in rows if value != ""]
    return "\n".join(["%s: %s" % (update["id"], update["name"]), *lines])


def _step(update: Dict[str, Any]) -> str:
    step: str = update["step"]
    return STEP_LABELS.get(step, step)


def _failure(update: Dict[str, Any]) -> str:
    reason = update["failure"] or update["repository_fault"]
    return ": %s" % reason if reason else ""


def _repository_fault(record: UpdateRecord) -> str:
    """Return what is wrong with the files in the remint repository, while they are needed."""
    return record.repository_fault if record.step == state.AWAITING_CERTIFICATE else ""


def _root_label(trust: Trust, root: str) -> str:
    if root == trust.current:
        return "Current"
    return "Earlier" if root in trust.in_grace else "Announced"


def _time(seconds: float) -> str:
    if not seconds:
        return "never"
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
