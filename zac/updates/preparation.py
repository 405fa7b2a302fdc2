"""Preparation of an update: download the files, trust the new root, run the preflight check.

See: manual 1.2.4
"""

from __future__ import annotations

from typing import Optional

from faults import Fault
from wire.envelope import NotSigned
from wire.messages import APPLIED, APPLYING, DOWNLOADING
from wire.metadata import ROOT_FILE, Manifest, ManifestFile, sha256
from zac.content import content
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.trust import pem, store
from zac.trust.store import with_trust
from zac.updates import preflight
from zac.updates.state_machine import Step, create_step, register_step


class OutdatedUpdate(Fault):
    """The update is older than the one that this device has activated."""

    action = "Nothing was changed. Assign the current update instead."


class InvalidRoot(NotSigned):
    """The CA file of an update is not the root in the manifest."""


def repository_path(host: Host, update: str, *names: str) -> str:
    """Return the path of a file of an update in the remint repository."""
    return host.home.path_to("remint-repo", update, *names)


@register_step
class Offered(Step):
    """The manifest is verified. Download its files and check their digests."""

    name = state.OFFERED
    reported_state = DOWNLOADING

    def run(self, host: Host) -> Optional[Step]:
        manifest = self.record(host).manifest()
        if manifest.changes_ca:
            is_current = _is_current_root(host, manifest)
            if is_current and not host.is_certified:
                return create_step(state.ACTIVATED, self.update)
            if manifest.epoch <= host.state.load().epoch and not is_current:
                raise OutdatedUpdate("The update is older than the trust settings on this device.")
        files.make_folder(repository_path(host, self.update))
        for file in manifest.files:
            _store_file(host, self.update, file)
        return Downloaded(self.update)


@register_step
class Downloaded(Step):
    """The files are stored. Trust the new root in addition to the current one (D-28)."""

    name = state.DOWNLOADED
    reported_state = APPLYING

    def run(self, host: Host) -> Optional[Step]:
        manifest = self.record(host).manifest()
        if manifest.changes_ca:
            root = read_root(host, manifest)
            with host.state.locked():
                generation = host.trust_store.current()
                trust = store.with_pending(generation.trust, root)
                host.trust_store.activate(with_trust(generation, trust))
        return Staged(self.update)


@register_step
class Staged(Step):
    """The new root is trusted. Servers request a certificate, others run preflight checks."""

    name = state.STAGED
    reported_state = APPLIED

    def run(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        if replaces_certificate(host, record):
            return create_step(state.AWAITING_CERTIFICATE, self.update)
        if not preflight.is_activation_due(host, record):
            preflight.run_checks(host, record)
        return create_step(state.READY, self.update)


def read_root(host: Host, manifest: Manifest) -> str:
    """Return the new root from the repository; raises InvalidRoot."""
    data = files.read(repository_path(host, manifest.id, ROOT_FILE)) or b""
    file = next((file for file in manifest.files if file.name == ROOT_FILE), None)
    if file is None or sha256(data) != file.sha256:
        raise InvalidRoot("The update does not contain a CA certificate.")
    try:
        roots = pem.split(data.decode())
    except UnicodeDecodeError as error:
        raise InvalidRoot("The CA certificate in the update is not in PEM format.") from error
    if len(roots) != 1 or pem.fingerprint(roots[0]) != manifest.root_sha256:
        raise InvalidRoot("The CA certificate in the update does not match the manifest.")
    pem.describe(roots[0])
    return roots[0]


def replaces_certificate(host: Host, record: UpdateRecord) -> bool:
    """Return True if the update replaces the server certificate of this host."""
    if not host.is_certified:
        return False
    manifest = record.manifest()
    return host.device.id in manifest.servers or (manifest.changes_ca and not manifest.servers)


def _is_current_root(host: Host, manifest: Manifest) -> bool:
    return pem.fingerprint(host.trust_store.current().trust.current) == manifest.root_sha256


def _store_file(host: Host, update: str, file: ManifestFile) -> None:
    path = repository_path(host, update, file.name)
    if sha256(files.read(path) or b"") != file.sha256:
        files.write(path, content.fetch(host, file.sha256, file.size))
