"""Recovery of a device that cannot verify any server, with the zone key.

It requires a signed activation notice, which the console creates only after an activation, because
the manifest of a canceled update could be replayed. A verified refresh must succeed afterward.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Iterator, List, Tuple

from faults import Fault
from wire import json_codec, metadata
from wire.envelope import Envelope
from wire.metadata import ActivationNotice, Manifest, RecoveryNotices, verify_document
from wire.records import replace
from zac.content import content
from zac.host import files, state
from zac.host.host import Host
from zac.network.errors import CertificateRejected, Unreachable
from zac.trust import store
from zac.trust.store import Generation
from zac.updates import notices, preparation


class RecoveryFailed(Fault):
    """No server has a signed notice of a newer activation."""

    action = "Run the Certificate Remint Tool for the most recent update on this device."


def recover(host: Host) -> None:
    """Trust the newest activated root that a known server has; raises RecoveryFailed."""
    for notice in sorted(_notices(host), key=lambda notice: -notice.epoch):
        try:
            apply_notice(host, notice)
        except preparation.OutdatedUpdate as fault:
            # Servers also have the notices of earlier changes, which are valid but outdated.
            host.log_event("recovery-rejected", reason=fault.explanation)
        except Fault as fault:
            notices.reject_document(host, "recovery", fault)
        else:
            return
    raise RecoveryFailed(
        ("No server has a newer CA certificate that is signed with this zone's key.")
    )


def apply_notice(host: Host, notice: ActivationNotice) -> None:
    """Make the root of a verified notice the current one, and start its update."""
    manifest, envelope = verify_notice(host, notice)
    file = next((file for file in manifest.files if file.name == metadata.ROOT_FILE), None)
    if file is None:
        raise preparation.InvalidRoot("The update does not contain a CA certificate.")
    data = content.fetch(host, file.sha256, file.size)
    files.make_folder(preparation.repository_path(host, manifest.id))
    files.write(preparation.repository_path(host, manifest.id, metadata.ROOT_FILE), data)
    root = preparation.read_root(host, manifest)
    with host.state.locked():
        generation = host.trust_store.current()
        trust = store.with_pending(generation.trust, root)
        if not host.is_certified:
            trust = store.with_current(trust, manifest.root_sha256)
        host.trust_store.activate(Generation(trust, generation.server))
    notices.store_manifest(host, manifest, envelope)
    if not host.is_certified:
        _skip_to_activated(host, manifest)
    host.log_event("recovered", update=manifest.id, root=manifest.root_sha256[:16])


def verify_notice(host: Host, notice: ActivationNotice) -> Tuple[Manifest, Envelope]:
    """Return the manifest of a notice; raises a fault if they do not match or are outdated."""
    manifest = notices.verify_manifest(host, notice.manifest)
    stated = (notice.id, notice.epoch, notice.ca_sha256, notice.zone)
    if stated != (manifest.id, manifest.epoch, manifest.root_sha256, manifest.zone):
        raise preparation.InvalidRoot("The signed trust notice does not match the update.")
    if not manifest.changes_ca or notice.epoch <= host.state.load().epoch:
        raise preparation.OutdatedUpdate(
            ("The signed trust notice is older than the trust settings on this device.")
        )
    return manifest, notice.manifest


def _skip_to_activated(host: Host, manifest: Manifest) -> None:
    host.state.edit(
        manifest.id,
        lambda record: replace(record, step=state.ACTIVATED, failure=""),
    )


def _notices(host: Host) -> Iterator[ActivationNotice]:
    keys = host.device.zone_keys
    seen: List[Envelope] = []
    for document in _documents(host):
        for envelope in document.notices:
            if envelope in seen:
                continue
            seen.append(envelope)
            try:
                yield verify_document(ActivationNotice, metadata.ACTIVATION_NOTICE, envelope, keys)
            except Fault as fault:
                notices.reject_document(host, "recovery", fault)


def _documents(host: Host) -> Iterator[RecoveryNotices]:
    for url in _urls(host):
        try:
            with host.transport.unverified(url) as connection:
                response = connection.send("GET", "/recovery")
            if response.status == HTTPStatus.OK:
                yield json_codec.load(RecoveryNotices, response.body)
        except (Unreachable, CertificateRejected, json_codec.Malformed) as fault:
            host.log_warning("recovery: %s" % fault.explanation)


def _urls(host: Host) -> List[str]:
    servers = content.list_nearest_servers(host)
    urls = [server.content_url for server in servers] + [server.url for server in servers]
    return [url for url in dict.fromkeys([*urls, host.device.url]) if url]
