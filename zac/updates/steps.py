"""Steps of an update: each does one thing and returns the next; the machine stores and reports.

A step is stored before it is reported and before it is taken, so after any death the same step is
taken again. Each can therefore be repeated without harm.

From the offer of an update to readiness: fetch, check, trust, rehearse (manual, 1.2.4).
"""

from __future__ import annotations

from typing import ClassVar, Dict, Optional, Type

from faults import Fault, Kind
from wire.envelope import NotSigned
from wire.messages import APPLIED, APPLYING, DOWNLOADING, FAILED, StatusReport
from wire.metadata import ROOT_FILE, File, Manifest, sha256
from wire.values import Value, replace
from zac.content import content
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import Record, Report
from zac.trust import pem, store
from zac.trust.store import with_trust
from zac.updates import preflight

# A failed step is tried again at the next refresh, then ever less often.
LONGEST_PAUSE = 3600.0
DOUBLINGS = 16


class Stale(Fault):
    """The update has moved on in another thread or process."""


class Step(Value):
    """One step of one update. `word` is what the console is told on entering it, "" for nothing.

    `offline` steps need no network; where an activation thread runs, it alone takes them, so that
    a server that hangs can never delay an activation. `detail` goes into the report.
    """

    update: str
    detail: str = ""
    name: ClassVar[str] = ""
    word: ClassVar[str] = ""
    offline: ClassVar[bool] = False

    def take(self, host: Host) -> Optional["Step"]:
        """Do this step; returns the next one, or None to wait."""
        raise NotImplementedError

    def record(self, host: Host) -> Record:
        """Return the record of this step's update; raises Stale if it moved on."""
        record = host.state.record(self.update)
        if record is None or record.step != self.name:
            raise Stale("The update is no longer at this step.")
        return record


STEPS: Dict[str, Type[Step]] = {}


def register(step: Type[Step]) -> Type[Step]:
    """Make a step known under its name, so that it can be taken up after a restart."""
    STEPS[step.name] = step
    return step


def at(name: str, update: str, detail: str = "") -> Step:
    """Return the step of that name."""
    return STEPS[name](update, detail)


def advance(host: Host, update: str, *, offline: bool = False) -> None:
    """Take steps until one waits, fails or ends; `offline` takes none that needs the network."""
    step = _resumed(host, update)
    while step is not None and _is_ours(host, step, offline=offline):
        try:
            there = step.take(host)
        except Stale:
            there = _resumed(host, update)
        except Fault as fault:
            _failed(host, step, fault)
            return
        if there is None or not _entered(host, step, there):
            return
        step = there


def advance_all(host: Host, *, offline: bool = False) -> None:
    """Advance every open update, one after another."""
    for update in list(host.state.load().updates):
        advance(host, update, offline=offline)


def status(
    host: Host, record: Record, word: str, step: str, *, detail: str = "", action: str = ""
) -> StatusReport:
    """Return a report on an update."""
    return StatusReport(
        state=word,
        step=step,
        attempt=record.attempt,
        at=host.clock.now(),
        revision=record.revision,
        detail=detail,
        action=action,
    )


def try_again(host: Host, update: str) -> None:
    """Let an update that failed be tried again at once (manual, 1.2.4 and A.4)."""

    def edit(record: Record) -> Record:
        if not record.failure:
            return record
        return replace(record, failures=0, try_at=0.0)

    host.state.amend(update, edit)


def _is_ours(host: Host, step: Step, *, offline: bool) -> bool:
    if step.offline and host.activator is not None and not offline:
        host.activator()
        return False
    return step.offline or not offline


def _resumed(host: Host, update: str) -> Optional[Step]:
    record = host.state.record(update)
    if record is None or not record.open or record.step not in STEPS:
        return None
    if record.failure:
        if host.clock.now() < record.try_at:
            return None
        record = _new_attempt(host, record)
    return STEPS[record.step](update)


def _new_attempt(host: Host, failed: Record) -> Record:
    fresh = replace(failed, failure="", attempt=failed.attempt + 1)
    host.state.put(fresh)
    if fresh.word:
        _queue(host, fresh, status(host, fresh, fresh.word, fresh.step))
    return fresh


def _entered(host: Host, here: Step, there: Step) -> bool:
    if here.name == there.name:
        return False
    record = host.state.record(here.update)
    if record is None:
        return False
    report = None
    if there.word:
        report = status(host, record, there.word, there.name, detail=there.detail)
    if not host.state.move(here.update, here.name, there.name, report):
        return False
    host.note("step", update=here.update, step=there.name)
    return True


def _failed(host: Host, step: Step, fault: Fault) -> None:
    if fault.kind is Kind.UNAVAILABLE:
        host.log("%s waits: %s" % (step.name, fault.explanation))
        return
    record = host.state.record(step.update)
    if record is None:
        return
    failures = record.failures + 1
    interval = host.home.known().refresh_s
    pause = min(interval * 2 ** min(failures - 1, DOUBLINGS), max(LONGEST_PAUSE, interval))
    record = replace(
        record,
        failures=failures,
        failure=fault.explanation,
        try_at=host.clock.now() + pause,
    )
    host.state.put(record)
    words = {"detail": fault.explanation, "action": fault.action}
    _queue(host, record, status(host, record, FAILED, step.name, **words))
    host.note("failed", update=step.update, step=step.name, reason=str(fault))


def _queue(host: Host, record: Record, report: StatusReport) -> None:
    host.state.change(lambda held: state.queued(held, Report(record.id, report)))


class OldUpdate(Fault):
    """The update is older than what this device has activated already."""

    action = "Nothing was changed. Assign the update that is in force now."


class WrongRoot(NotSigned):
    """The CA file of an update is not the root that the manifest names."""


def repository(host: Host, update: str, *names: str) -> str:
    """Return the path of something in an update's part of the remint repository."""
    return host.home.at("remint-repo", update, *names)


@register
class Offered(Step):
    """The manifest is verified: fetch its files, each checked by its digest."""

    name = state.OFFERED
    word = DOWNLOADING

    def take(self, host: Host) -> Optional[Step]:
        manifest = self.record(host).manifest()
        if manifest.changes_ca:
            held = host.security.current().trust
            if pem.fingerprint(held.current) == manifest.root_sha256 and not host.is_certified:
                return at(state.ACTIVATED, self.update)
            if manifest.epoch <= host.state.load().epoch and not _in_force(host, manifest):
                raise OldUpdate("The update is older than the trust of this device.")
        files.make_folder(repository(host, self.update))
        for file in manifest.files:
            _keep_file(host, self.update, file)
        return Downloaded(self.update)


@register
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
                held = store.with_pending(generation.trust, root)
                host.security.use(with_trust(generation, held))
        return Staged(self.update)


@register
class Staged(Step):
    """The future root is trusted. A server now needs its certificate, others rehearse."""

    name = state.STAGED
    word = APPLIED

    def take(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        if gets_certificate(host, record):
            return at(state.CERTIFICATE, self.update)
        if not preflight.is_late(host, record):
            preflight.rehearse(host, record)
        return at(state.ARMED, self.update)


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
