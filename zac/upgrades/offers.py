"""Verify another version of the agent that the console offers, and store it for a trial.

The console only says which file to use. The file itself must be signed with the keys of the zone as
an agent, and its own version must be later than the one that runs: an older agent that the zone has
once signed is rejected.

See: D-220
"""

from __future__ import annotations

import base64
import binascii
from typing import Optional

from faults import Fault, Kind
from wire.envelope import build_envelope
from wire.metadata import AGENT
from wire.records import replace
from wire.update_messages import NOT_UPGRADED, UPGRADED, AgentOffer
from zac import VERSION
from zac.content import content
from zac.content.replication import MAX_BYTES
from zac.host.host import Host
from zac.upgrades import installation, programs, versions
from zac.upgrades.programs import Program, UpgradeRecord
from zac.upgrades.versions import InvalidAgent

MIN_TIME_LIMIT, MAX_TIME_LIMIT = 10, 3600


def receive(host: Host, offer: Optional[AgentOffer]) -> None:
    """Store the version of an offer for a trial, or why it was rejected.

    Nothing is done while an update of certificates is open on this device. The console repeats the
    offer at each refresh until it has a result.
    """
    if offer is None or _has_open_update(host):
        return
    held = programs.load(host.home)
    if offer.id == held.offer and (held.trial is not None or held.state):
        return
    limit = min(max(offer.time_limit, MIN_TIME_LIMIT), MAX_TIME_LIMIT)
    held = replace(held, offer=offer.id, trial=None, tries=0, time_limit=limit)
    if offer.version == VERSION:
        programs.save(host.home, replace(held, state=UPGRADED, detail=""))
        return
    try:
        data = _fetch(host, offer)
        program = Program(offer.sha256, _verify(host, offer, data))
        programs.start_trial(host.home, held, program, data)
    except Fault as fault:
        if isinstance(fault, content.ContentMissing) or fault.kind is Kind.UNAVAILABLE:
            host.log_warning("agent upgrade: %s" % fault.explanation)
        else:
            _reject(host, held, fault)
    else:
        host.log_event("agent-upgrade", version=program.version, sha256=program.sha256)


def is_trial_due(host: Host) -> bool:
    """Return True if a version is stored for a trial, and no update of certificates is open."""
    return programs.load(host.home).trial is not None and not _has_open_update(host)


def _has_open_update(host: Host) -> bool:
    return any(update.is_open for update in host.state.load().updates.values())


def _fetch(host: Host, offer: AgentOffer) -> bytes:
    if installation.find_installation() != installation.ARCHIVE:
        raise InvalidAgent("The console does not upgrade an agent that a package has installed.")
    if not installation.accepts_upgrades(host.home):
        raise InvalidAgent("This device does not accept upgrades of its agent by the console.")
    if not 0 < offer.size <= MAX_BYTES:
        raise InvalidAgent("The new version of the agent has an invalid size.")
    return content.fetch(host, offer.sha256, offer.size)


def _verify(host: Host, offer: AgentOffer, data: bytes) -> str:
    """Return the version of a file that the zone has signed as a later agent."""
    signature, second = _decode(offer.signature), _decode(offer.second_signature)
    build_envelope(AGENT, data, signature, second).verify(host.device.zone_keys, AGENT)
    version = versions.read_version(data)
    if not versions.is_newer(version, VERSION):
        raise InvalidAgent("%s is not later than the installed version %s." % (version, VERSION))
    return version


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _reject(host: Host, held: UpgradeRecord, fault: Fault) -> None:
    rejected = replace(held, state=NOT_UPGRADED, detail=fault.explanation)
    programs.save(host.home, rejected)
    host.log_event("agent-upgrade-rejected", reason=fault.explanation)
