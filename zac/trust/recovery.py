"""A device that can no longer verify TLS finds back by the zone key alone (B-10).

What it takes is an "activated" notice, which the console signs only after an activation: a
replayed manifest of a cancelled update proves nothing. After that a verified refresh must succeed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Iterator, List, Tuple

from faults import Fault
from wire import json_codec
from wire import metadata as words
from wire.envelope import Envelope
from wire.metadata import Activated, Manifest, Recovery, open_as
from wire.values import replace
from zac.content import content
from zac.host import files, state
from zac.host.host import Host
from zac.network.tls import Refused, Unreachable
from zac.trust import store
from zac.trust.store import Generation
from zac.updates import notices, steps


class NoWayBack(Fault):
    """No server offers a signed notice of a newer activation."""

    action = "Run the Certificate Remint Tool of the last update on this device."


def recover(host: Host) -> None:
    """Take over the newest activated root that any known server offers; raises NoWayBack."""
    for notice in sorted(_notices(host), key=lambda one: -one.epoch):
        try:
            take_over(host, notice)
        except steps.OldUpdate as fault:
            # Every server keeps the notices of earlier changes, too: nothing is wrong with them.
            host.note("recovery-refused", reason=fault.explanation)
        except Fault as fault:
            notices.distrust(host, "recovery", fault)
        else:
            return
    raise NoWayBack("No server offers a newer certificate authority signed for this device.")


def take_over(host: Host, notice: Activated) -> None:
    """Make the root of a verified notice the current one and take its update up."""
    manifest, envelope = checked(host, notice)
    file = next((one for one in manifest.files if one.name == words.ROOT_FILE), None)
    if file is None:
        raise steps.WrongRoot("The update holds no CA certificate.")
    data = content.fetch(host, file.sha256, file.size)
    files.make_folder(steps.repository(host, manifest.id))
    files.write(steps.repository(host, manifest.id, words.ROOT_FILE), data)
    root = steps.read_root(host, manifest)
    with host.state.held():
        generation = host.security.current()
        held = store.with_pending(generation.trust, root)
        if not host.is_certified:
            held = store.activated(held, manifest.root_sha256)
        host.security.use(Generation(held, generation.server))
    notices.keep(host, manifest, envelope)
    if not host.is_certified:
        _skip_to_activated(host, manifest)
    host.note("recovered", update=manifest.id, root=manifest.root_sha256[:16])


def checked(host: Host, notice: Activated) -> Tuple[Manifest, Envelope]:
    """Return the manifest of a notice if the two belong together and are newer than our trust."""
    manifest = notices.verified(host, notice.manifest)
    same = (notice.id, notice.epoch, notice.ca_sha256, notice.zone)
    if same != (manifest.id, manifest.epoch, manifest.root_sha256, manifest.zone):
        raise steps.WrongRoot("Notice and manifest do not belong together.")
    if not manifest.changes_ca or notice.epoch <= host.state.load().epoch:
        raise steps.OldUpdate("The notice is older than the trust of this device.")
    return manifest, notice.manifest


def _skip_to_activated(host: Host, manifest: Manifest) -> None:
    host.state.amend(
        manifest.id,
        lambda held: replace(held, step=state.ACTIVATED, failure="", before=held.before or ""),
    )


def _notices(host: Host) -> Iterator[Activated]:
    zone_pub = host.device.zone_pub
    seen: List[Envelope] = []
    for document in _documents(host):
        for envelope in document.notices:
            if envelope in seen:
                continue
            seen.append(envelope)
            try:
                yield open_as(Activated, words.ACTIVATED, envelope, zone_pub)
            except Fault as fault:
                notices.distrust(host, "recovery", fault)


def _documents(host: Host) -> Iterator[Recovery]:
    for url in _urls(host):
        try:
            with host.transport.unverified(url) as line:
                answer = line.send("GET", "/recovery")
            if answer.status == HTTPStatus.OK:
                yield json_codec.load(Recovery, answer.body)
        except (Unreachable, Refused, json_codec.Malformed) as fault:
            host.log("recovery: %s" % fault.explanation)


def _urls(host: Host) -> List[str]:
    servers = content.nearest(host)
    urls = [server.content_url for server in servers] + [server.url for server in servers]
    return [url for url in dict.fromkeys([*urls, host.device.url]) if url]
