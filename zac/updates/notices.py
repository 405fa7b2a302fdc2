"""Which updates this host takes up, and what the console's signed notices do to them."""

from __future__ import annotations

import base64
from typing import Callable, Dict, List, Sequence, Tuple, Type, Union

from faults import Fault
from wire import json_codec
from wire import metadata as words
from wire.envelope import Envelope
from wire.messages import CANCELED, DOWNLOADING, StatusReport
from wire.metadata import Activated, Cancel, Go, Manifest, Recovery, Retire, Rollback, open_as
from wire.values import replace
from zac.host import state
from zac.host.host import Host
from zac.host.state import Record, Report, State
from zac.trust import store
from zac.trust.store import Generation, with_trust
from zac.updates import activation, steps
from zac.updates import steps as updates_steps

REMEMBERED = 100


class ForeignZone(Fault):
    """A signed notice belongs to another zone."""


def take_up(host: Host, envelopes: Sequence[Envelope], ignored: Sequence[str]) -> None:
    """Verify manifests and keep the new and revised ones; the journal tells what was refused."""
    for update in ignored:
        _ignore(host, update)
    for envelope in envelopes:
        try:
            manifest = verified(host, envelope)
        except Fault as fault:
            distrust(host, "manifest", fault)
            continue
        if manifest.id not in ignored:
            keep(host, manifest, envelope)


def distrust(host: Host, what: str, fault: Fault, **more: str) -> None:
    """Refuse a signed document: the journal keeps it, the console hears of it."""
    host.note("%s-refused" % what, reason=fault.explanation, **more)
    why = "%s: %s" % (what, fault.explanation)
    host.state.change(lambda held: state.distrusting(held, why[:300]))


def verified(host: Host, envelope: Envelope) -> Manifest:
    """Return a manifest that the zone key signed for this zone; raises NotSigned, BadManifest."""
    device = host.device
    manifest = open_as(Manifest, words.MANIFEST, envelope, device.zone_pub)
    manifest.check(device.zone)
    return manifest


def keep(host: Host, manifest: Manifest, envelope: Envelope) -> None:
    """Store a verified manifest, unless it is known, older than the known one, or cancelled."""
    old: List[str] = []

    def edit(held: State) -> State:
        if held.canceled.get(manifest.id, -1) >= manifest.revision:
            old.append("The update was cancelled.")
            return held
        known = held.updates.get(manifest.id)
        if known is None or known.step == state.IGNORED:
            return _begun(host, held, manifest, envelope)
        if manifest.revision < known.revision:
            old.append("The update is older than the one that is known.")
        if manifest.revision <= known.revision:
            return held
        return _revised(host, held, known, manifest, envelope)

    host.state.change(edit)
    for why in old:
        distrust(host, "manifest", updates_steps.OldUpdate(why))


def redeploy(host: Host, updates: Sequence[str]) -> None:
    """Try failed updates again because an administrator asked for it."""
    for update in updates:
        steps.try_again(host, update)


def heed(host: Host, notices: Sequence[Envelope]) -> bool:
    """Act on signed notices; True if one cancelled something."""
    canceled = False
    for envelope in notices:
        try:
            canceled = _heed(host, envelope) or canceled
        except Fault as fault:
            distrust(host, "notice", fault, kind=envelope.payload_type)
    return canceled


def heed_go(host: Host, envelope: Envelope) -> None:
    """Keep a go for the update it names; raises NotSigned."""
    _go(host, open_as(Go, words.GO, envelope, host.device.zone_pub), envelope)


def _heed(host: Host, envelope: Envelope) -> bool:
    kinds: Dict[str, Tuple[Type[object], Callable[..., bool]]] = {
        words.GO: (Go, _go),
        words.CANCEL: (Cancel, _cancel),
        words.ACTIVATED: (Activated, _activated),
        words.RETIRE: (Retire, _retire),
        words.ROLLBACK: (Rollback, _roll_back),
    }
    if envelope.payload_type not in kinds:
        return False
    shape, act = kinds[envelope.payload_type]
    notice = open_as(shape, envelope.payload_type, envelope, host.device.zone_pub)
    if getattr(notice, "zone", "") != host.device.zone:
        raise ForeignZone("The notice belongs to another zone.")
    return act(host, notice, envelope)


def _go(host: Host, notice: Go, _envelope: Envelope) -> bool:
    if notice.zone != host.device.zone:
        raise ForeignZone("The notice belongs to another zone.")

    def edit(record: Record) -> Record:
        older = record.go is not None and record.go.revision > notice.revision
        return record if older else replace(record, go=notice)

    host.state.amend(notice.id, edit)
    return False


def _cancel(host: Host, notice: Cancel, _envelope: Envelope) -> bool:
    with host.state.held():
        known = host.state.load()
        if known.canceled.get(notice.id, -1) >= notice.revision:
            # Heard before, perhaps by a process that died before it dropped the announced root.
            return True
        record = known.updates.get(notice.id)
        if record is None:
            _say_canceled(host, notice)
        elif notice.revision >= record.revision:
            _drop(host, record)
            _close(host, record, state.CANCELED)
        host.state.change(lambda held: _forgotten(held, notice.id, notice.revision))
    if record is not None:
        activation.empty_repository(host, notice.id)
    host.note("canceled", update=notice.id)
    return True


def _say_canceled(host: Host, notice: Union[Cancel, Rollback]) -> None:
    """Tell the console that an update never taken up is gone, so that it need not say so again."""
    report = StatusReport(
        state=CANCELED,
        step=state.CANCELED,
        attempt=1,
        at=host.clock.now(),
        revision=notice.revision,
    )
    host.state.change(lambda held: state.queued(held, Report(notice.id, report)))


def _drop(host: Host, record: Record) -> None:
    manifest = record.manifest()
    if record.step in state.AFTER_SWAP:
        activation.undo(host, record, keep="")
        return
    generation = host.security.current()
    if manifest.changes_ca:
        held = store.without(generation.trust, [manifest.root_sha256])
        generation = with_trust(generation, held)
    if record.bare:
        generation = Generation(generation.trust, host.security.read(record.bare).server)
    host.security.use(generation)


def _roll_back(host: Host, notice: Rollback, _envelope: Envelope) -> bool:
    with host.state.held():
        if host.state.load().canceled.get(notice.id, -1) >= notice.revision:
            return False
        record = host.state.record(notice.id)
        if record is None:
            _say_canceled(host, notice)
        elif notice.revision < record.revision:
            return False
        else:
            _go_back(host, record)
            _close(host, record, state.ROLLED_BACK)
        host.state.change(lambda held: _forgotten(held, notice.id, notice.revision))
    if record is not None:
        activation.empty_repository(host, notice.id)
    left = [one for one in host.home.recovery().notices if _update_of(one) != notice.id]
    host.home.keep_recovery(Recovery(zone=notice.zone, notices=left))
    host.note("rolled-back", update=notice.id)
    return True


def _go_back(host: Host, record: Record) -> None:
    """Put the old root in force again, and on a server that swapped its old key and chain.

    Both roots stay trusted: other servers may not have gone back yet.
    """
    if record.step in state.AFTER_SWAP and record.before:
        activation.undo(host, record, keep="in_grace")
        return
    manifest, generation = record.manifest(), host.security.current()
    if manifest.changes_ca:
        held = store.reverted(
            generation.trust, manifest.old_root_sha256, manifest.root_sha256, "in_grace"
        )
        host.security.use(with_trust(generation, held))


def _activated(host: Host, notice: Activated, envelope: Envelope) -> bool:
    """Keep it for devices that can no longer verify TLS; they check the signature themselves."""
    known = host.home.recovery().notices
    undone = notice.id in host.state.load().canceled
    if envelope not in known and not undone:
        kept = sorted([*known, envelope], key=_epoch)[-8:]
        host.home.keep_recovery(Recovery(zone=notice.zone, notices=kept))
    return False


def _epoch(envelope: Envelope) -> int:
    return json_codec.load(Activated, base64.b64decode(envelope.payload)).epoch


def _update_of(envelope: Envelope) -> str:
    return json_codec.load(Activated, base64.b64decode(envelope.payload)).id


def _retire(host: Host, notice: Retire, _envelope: Envelope) -> bool:
    def edit(held: State) -> State:
        if notice in held.retire:
            return held
        return replace(held, retire=[*held.retire, notice][-8:])

    trusted = set(store.digests(host.security.current().trust))
    if trusted.intersection(notice.roots_sha256):
        host.state.change(edit)
    return False


def _begun(host: Host, held: State, manifest: Manifest, envelope: Envelope) -> State:
    record = Record(
        id=manifest.id,
        envelope=envelope,
        revision=manifest.revision,
        word=DOWNLOADING,
        since=host.clock.now(),
    )
    report = steps.status(host, record, DOWNLOADING, state.OFFERED)
    updates = {**held.updates, record.id: record}
    return state.queued(replace(held, updates=updates), Report(record.id, report))


def _revised(
    host: Host, held: State, known: Record, manifest: Manifest, envelope: Envelope
) -> State:
    # A later activation time keeps what is staged; another root starts from the beginning.
    if manifest.root_sha256 != known.manifest().root_sha256:
        return _begun(host, held, manifest, envelope)
    record = replace(known, envelope=envelope, revision=manifest.revision)
    held = replace(held, updates={**held.updates, record.id: record})
    if not record.word:
        return held
    report = steps.status(host, record, record.word, record.step)
    return state.queued(held, Report(record.id, report))


def _ignore(host: Host, update: str) -> None:
    record = host.state.record(update)
    if record is not None and record.step in state.BEFORE_SWAP:
        host.state.amend(update, lambda held: replace(held, step=state.IGNORED))
        activation.empty_repository(host, update)
        host.note("ignored", update=update)


def _close(host: Host, record: Record, step: str) -> None:
    record = replace(record, step=step, word=CANCELED, failure="")
    host.state.put(record)
    report = steps.status(host, record, CANCELED, step)
    host.state.change(lambda held: state.queued(held, Report(record.id, report)))


def _forgotten(held: State, update: str, revision: int) -> State:
    canceled = {**held.canceled, update: revision}
    for name in list(canceled)[: max(0, len(canceled) - REMEMBERED)]:
        del canceled[name]
    return replace(held, canceled=canceled)
