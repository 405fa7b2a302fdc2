"""From the offer of an update to readiness: fetch, check, trust, rehearse (manual, 1.2.4)."""

from __future__ import annotations

from typing import Optional

from faults import Fault
from wire.envelope import NotSigned
from wire.messages import APPLIED, APPLYING, DOWNLOADING
from wire.metadata import ROOT_FILE, File, Manifest, sha256
from zac.content import content
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import Record
from zac.trust import pem, trust
from zac.trust.store import with_trust
from zac.updates import preflight, steps
from zac.updates.steps import Step


class OldUpdate(Fault):
    """The update is older than what this device has activated already."""

    action = "Nothing was changed. Assign the update that is in force now."


class WrongRoot(NotSigned):
    """The CA file of an update is not the root that the manifest names."""


def repository(host: Host, update: str, *names: str) -> str:
    """Return the path of something in an update's part of the remint repository."""
    return host.home.at("remint-repo", update, *names)


@steps.register
class Offered(Step):
    """The manifest is verified: fetch its files, each checked by its digest."""

    name = state.OFFERED
    word = DOWNLOADING

    def take(self, host: Host) -> Optional[Step]:
        manifest = self.record(host).manifest()
        if manifest.changes_ca:
            held = host.security.current().trust
            if pem.fingerprint(held.current) == manifest.root_sha256 and not host.is_certified:
                return steps.at(state.ACTIVATED, self.update)
            if manifest.epoch <= host.state.load().epoch and not _in_force(host, manifest):
                raise OldUpdate("The update is older than the trust of this device.")
        files.make_folder(repository(host, self.update))
        for file in manifest.files:
            _keep_file(host, self.update, file)
        return Downloaded(self.update)


@steps.register
class Downloaded(Step):
    """The files are here: trust the future root beside the current one (D-28)."""

    name = state.DOWNLOADED
    word = APPLYING

    def take(self, host: Host) -> Optional[Step]:
        manifest = self.record(host).manifest()
        if manifest.changes_ca:
            root = read_root(host, manifest)
            with host.state.held():
                generation = host.security.current()
                held = trust.with_pending(generation.trust, root)
                host.security.use(with_trust(generation, held))
        return Staged(self.update)


@steps.register
class Staged(Step):
    """The future root is trusted. A server now needs its certificate, others rehearse."""

    name = state.STAGED
    word = APPLIED

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        if gets_certificate(host, record):
            return steps.at(state.CERTIFICATE, self.update)
        if not preflight.is_late(host, record):
            preflight.rehearse(host, record)
        return steps.at(state.ARMED, self.update)


def read_root(host: Host, manifest: Manifest) -> str:
    """Return the future root out of the repository; raises WrongRoot."""
    data = files.read(repository(host, manifest.id, ROOT_FILE)) or b""
    file = next((file for file in manifest.files if file.name == ROOT_FILE), None)
    if file is None or sha256(data) != file.sha256:
        raise WrongRoot("The update holds no CA certificate.")
    try:
        roots = pem.split(data.decode())
    except UnicodeDecodeError as error:
        raise WrongRoot("The CA certificate of the update is not PEM.") from error
    if len(roots) != 1 or pem.fingerprint(roots[0]) != manifest.root_sha256:
        raise WrongRoot("The CA certificate of the update is not the one its manifest names.")
    pem.describe(roots[0])
    return roots[0]


def gets_certificate(host: Host, record: Record) -> bool:
    """Tell whether this host is a server whose certificate the update replaces."""
    if not host.is_certified:
        return False
    manifest = record.manifest()
    return host.device.id in manifest.servers or (manifest.changes_ca and not manifest.servers)


def _in_force(host: Host, manifest: Manifest) -> bool:
    return pem.fingerprint(host.security.current().trust.current) == manifest.root_sha256


def _keep_file(host: Host, update: str, file: File) -> None:
    path = repository(host, update, file.name)
    if sha256(files.read(path) or b"") != file.sha256:
        files.write(path, content.fetch(host, file.sha256, file.size))
