"""Signed documents of the console: manifests of updates, activation orders, trust notices."""

from __future__ import annotations

import base64
from typing import Callable, Dict, List, Sequence, Tuple, Type, Union

from faults import Fault
from wire import json_codec, metadata
from wire.envelope import Envelope
from wire.messages import CANCELED, DOWNLOADING, StatusReport
from wire.metadata import (
    ActivationNotice,
    ActivationOrder,
    Cancellation,
    Manifest,
    RecoveryNotices,
    Retirement,
    Rollback,
    verify_document,
)
from wire.records import replace
from zac.host import state
from zac.host.host import Host
from zac.host.state import Report, State, UpdateRecord
from zac.trust import store
from zac.trust.store import Generation, with_trust
from zac.updates import activation, state_machine
from zac.updates.preparation import OutdatedUpdate

MAX_CANCELED, MAX_REASON_LENGTH = 100, 300
MAX_RECOVERY_NOTICES = MAX_RETIREMENTS = 8


class ForeignZone(Fault):
    """A signed notice belongs to another zone."""


def process_manifests(host: Host, envelopes: Sequence[Envelope], ignored: Sequence[str]) -> None:
    """Verify manifests, and store new and revised ones unless they are ignored."""
    for update in ignored:
        _ignore(host, update)
    for envelope in envelopes:
        try:
            manifest = verify_manifest(host, envelope)
        except Fault as fault:
            reject_document(host, "manifest", fault)
            continue
        if manifest.id not in ignored:
            store_manifest(host, manifest, envelope)


def reject_document(host: Host, kind: str, fault: Fault, **details: str) -> None:
    """Log why a signed document was rejected, and report it with the next refresh."""
    host.log_event("%s-rejected" % kind, reason=fault.explanation, **details)
    reason = "%s: %s" % (kind, fault.explanation)
    host.state.update(lambda held: state.with_rejected_document(held, reason[:MAX_REASON_LENGTH]))


def verify_manifest(host: Host, envelope: Envelope) -> Manifest:
    """Return a verified manifest for this zone; raises NotSigned, InvalidManifest."""
    device = host.device
    manifest = verify_document(Manifest, metadata.MANIFEST, envelope, device.zone_keys)
    manifest.validate(device.zone)
    return manifest


def store_manifest(host: Host, manifest: Manifest, envelope: Envelope) -> None:
    """Store a verified manifest unless it is known, outdated, or canceled."""
    rejected: List[str] = []

    def change(held: State) -> State:
        if held.canceled.get(manifest.id, -1) >= manifest.revision:
            rejected.append("The update has been canceled.")
            return held
        known = held.updates.get(manifest.id)
        # A revision that is newer than the cancellation starts a canceled update again (D-165).
        if known is None or known.step in (state.IGNORED, state.CANCELED):
            return _with_new_update(host, held, manifest, envelope)
        if manifest.revision < known.revision:
            rejected.append("The update is older than the current update on this device.")
        if manifest.revision <= known.revision:
            return held
        return _with_revised_update(host, held, known, manifest, envelope)

    host.state.update(change)
    for reason in rejected:
        reject_document(host, "manifest", OutdatedUpdate(reason))


def redeploy(host: Host, updates: Sequence[str]) -> None:
    """Retry failed updates immediately."""
    for update in updates:
        state_machine.retry(host, update)


def process_notices(host: Host, notices: Sequence[Envelope]) -> bool:
    """Verify and apply signed notices; return True if an update was canceled."""
    canceled = False
    for envelope in notices:
        try:
            canceled = _process(host, envelope) or canceled
        except Fault as fault:
            reject_document(host, "notice", fault, type=envelope.payload_type)
    return canceled


def _process(host: Host, envelope: Envelope) -> bool:
    kinds: Dict[str, Tuple[Type[object], Callable[..., bool]]] = {
        metadata.ACTIVATION_ORDER: (ActivationOrder, _store_activation_order),
        metadata.CANCELLATION: (Cancellation, _cancel),
        metadata.ACTIVATION_NOTICE: (ActivationNotice, _store_recovery_notice),
        metadata.RETIREMENT: (Retirement, _store_retirement),
        metadata.ROLLBACK: (Rollback, _roll_back),
    }
    if envelope.payload_type not in kinds:
        return False
    record_type, apply = kinds[envelope.payload_type]
    notice = verify_document(record_type, envelope.payload_type, envelope, host.device.zone_keys)
    if getattr(notice, "zone", "") != host.device.zone:
        raise ForeignZone("The signed trust notice belongs to a different zone.")
    return apply(host, notice, envelope)


def _store_activation_order(host: Host, order: ActivationOrder, _envelope: Envelope) -> bool:
    def change(record: UpdateRecord) -> UpdateRecord:
        known = record.activation_order
        if known is not None and known.revision > order.revision:
            return record
        return replace(record, activation_order=order)

    host.state.edit(order.id, change)
    return False


def _cancel(host: Host, notice: Cancellation, _envelope: Envelope) -> bool:
    with host.state.locked():
        held = host.state.load()
        if held.canceled.get(notice.id, -1) >= notice.revision:
            # Received before, maybe by a process that crashed before it removed the new root, or
            # the console has lost the report.
            _report_canceled(host, notice)
            return True
        record = held.updates.get(notice.id)
        if record is None:
            _report_canceled(host, notice)
        elif notice.revision >= record.revision:
            _revert(host, record)
            _close(host, record, state.CANCELED)
        host.state.update(lambda held: _with_canceled(held, notice.id, notice.revision))
    if record is not None:
        activation.delete_staged_files(host, notice.id)
    host.log_event("canceled", update=notice.id)
    return True


def _report_canceled(host: Host, notice: Union[Cancellation, Rollback]) -> None:
    """Report an update as canceled that this device never started, or canceled before."""
    queued = host.state.load().reports
    if any(one.update == notice.id and one.status.state == CANCELED for one in queued):
        return
    report = StatusReport(
        state=CANCELED,
        step=state.CANCELED,
        attempt=1,
        at=host.clock.now(),
        revision=notice.revision,
    )
    host.state.update(lambda held: state.with_report(held, Report(notice.id, report)))


def _revert(host: Host, record: UpdateRecord) -> None:
    manifest = record.manifest()
    if record.step in state.AFTER_SWITCH:
        activation.restore_previous(host, record, keep="")
        return
    generation = host.trust_store.current()
    trust, server = generation.trust, generation.server
    if manifest.changes_ca:
        trust = store.without(trust, [manifest.root_sha256])
    if record.generation_without_cross:
        server = host.trust_store.read(record.generation_without_cross).server
    host.trust_store.activate(Generation(trust, server))


def _roll_back(host: Host, notice: Rollback, _envelope: Envelope) -> bool:
    with host.state.locked():
        if host.state.load().canceled.get(notice.id, -1) >= notice.revision:
            _report_canceled(host, notice)
            return False
        record = host.state.get(notice.id)
        if record is None:
            _report_canceled(host, notice)
        elif notice.revision < record.revision:
            return False
        else:
            _restore_old_root(host, record)
            _close(host, record, state.ROLLED_BACK)
        host.state.update(lambda held: _with_canceled(held, notice.id, notice.revision))
    if record is not None:
        activation.delete_staged_files(host, notice.id)
    known = host.home.recovery_notices().notices
    remaining = [envelope for envelope in known if _parse_notice(envelope).id != notice.id]
    host.home.save_recovery_notices(RecoveryNotices(zone=notice.zone, notices=remaining))
    host.log_event("rolled-back", update=notice.id)
    return True


def _restore_old_root(host: Host, record: UpdateRecord) -> None:
    """Activate the old root and, on a server that has switched, its old key and chain.

    Both roots stay trusted, because other servers might not have rolled back yet.
    """
    if record.step in state.AFTER_SWITCH and record.previous_generation:
        activation.restore_previous(host, record, keep="in_grace")
        return
    manifest, generation = record.manifest(), host.trust_store.current()
    if manifest.changes_ca:
        trust = store.with_previous(
            generation.trust, manifest.old_root_sha256, manifest.root_sha256, "in_grace"
        )
        host.trust_store.activate(with_trust(generation, trust))


def _store_recovery_notice(host: Host, notice: ActivationNotice, envelope: Envelope) -> bool:
    """Store an activation notice to serve it to devices that cannot verify TLS."""
    known = host.home.recovery_notices().notices
    if envelope not in known and notice.id not in host.state.load().canceled:
        # The zone signs a notice again when it gets its second key.
        others = [stored for stored in known if _parse_notice(stored).id != notice.id]
        notices = sorted([*others, envelope], key=lambda known: _parse_notice(known).epoch)
        latest = notices[-MAX_RECOVERY_NOTICES:]
        host.home.save_recovery_notices(RecoveryNotices(zone=notice.zone, notices=latest))
    return False


def _parse_notice(envelope: Envelope) -> ActivationNotice:
    """Return a stored activation notice, which was verified before."""
    return json_codec.load(ActivationNotice, base64.b64decode(envelope.payload))


def _store_retirement(host: Host, notice: Retirement, _envelope: Envelope) -> bool:
    def change(held: State) -> State:
        if notice in held.retirements:
            return held
        return replace(held, retirements=[*held.retirements, notice][-MAX_RETIREMENTS:])

    trusted = set(store.digests(host.trust_store.current().trust))
    if trusted.intersection(notice.roots_sha256):
        host.state.update(change)
    return False


def _with_new_update(host: Host, held: State, manifest: Manifest, envelope: Envelope) -> State:
    record = UpdateRecord(
        id=manifest.id,
        envelope=envelope,
        revision=manifest.revision,
        reported_state=DOWNLOADING,
        received_at=host.clock.now(),
    )
    report = state_machine.build_report(host, record, DOWNLOADING, state.OFFERED)
    updates = {**held.updates, record.id: record}
    return state.with_report(replace(held, updates=updates), Report(record.id, report))


def _with_revised_update(
    host: Host, held: State, known: UpdateRecord, manifest: Manifest, envelope: Envelope
) -> State:
    # With another activation time the staged files stay valid; with another root they do not.
    if manifest.root_sha256 != known.manifest().root_sha256:
        return _with_new_update(host, held, manifest, envelope)
    record = replace(known, envelope=envelope, revision=manifest.revision)
    held = replace(held, updates={**held.updates, record.id: record})
    if not record.reported_state:
        return held
    report = state_machine.build_report(host, record, record.reported_state, record.step)
    return state.with_report(held, Report(record.id, report))


def _ignore(host: Host, update: str) -> None:
    record = host.state.get(update)
    if record is not None and record.step in state.BEFORE_SWITCH:
        host.state.edit(update, lambda record: replace(record, step=state.IGNORED))
        activation.delete_staged_files(host, update)
        host.log_event("ignored", update=update)


def _close(host: Host, record: UpdateRecord, step: str) -> None:
    record = replace(record, step=step, reported_state=CANCELED, failure="")
    host.state.put(record)
    report = state_machine.build_report(host, record, CANCELED, step)
    host.state.update(lambda held: state.with_report(held, Report(record.id, report)))


def _with_canceled(held: State, update: str, revision: int) -> State:
    canceled = {**held.canceled, update: revision}
    for name in list(canceled)[: max(0, len(canceled) - MAX_CANCELED)]:
        del canceled[name]
    return replace(held, canceled=canceled)
