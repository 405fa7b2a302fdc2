"""What agents get: statement, welcome, trust, servers, updates, notices, recovery."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from django.db import transaction
from django.db.models import F

from audit.chain.states import WrongMove
from audit.models import Entry
from certificates.issuance.requests import ask_again, expect_first
from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations import distribution, rollback
from certificates.operations.activation import record_current
from certificates.operations.states import READY
from certificates.trust import roots
from certificates.trust import roots as trust_roots
from devices.identity import zone_keys
from devices.models import Device, Zone
from pki.certificates import details
from pki.chains import chains
from systemupdates.assignments import assignment, delivery
from systemupdates.content import replication
from systemupdates.models import Assignment, Notice
from systemupdates.updates import lifecycle
from wire import json_codec, messages, metadata
from wire.envelope import Envelope

WAITING_REFRESH_SECONDS = 60
DISTRUST_AT_MOST = 10
DISTRUST_ONCE_PER = timedelta(days=1)
log = logging.getLogger(__name__)


def statement(said: messages.Hello, *, now: datetime) -> messages.HelloAnswer:
    """Sign, for a stranger's nonce, which certificate this server shows and which roots count."""
    ring = zone_keys.here()
    zone = Zone.objects.the()
    pem = (ring.home / "security" / "current" / "server.pem").read_text()
    known = trust_roots.trust()
    payload = metadata.Statement(
        zone=str(zone.guid),
        nonce=said.nonce[:128],
        host=said.host[:253],
        certificate_sha256=details.digest(chains.split(pem)[0]),
        roots=[known.current, *known.in_grace, *known.pending],
        time=now.timestamp(),
    )
    signed = ring.sign_unrecorded(metadata.STATEMENT, json_codec.dump(payload))
    return messages.HelloAnswer(zone_pub=zone.public_key, statement=signed)


def welcome(device: Device) -> None:
    """Give a new or returning device what every device gets, at once (B-9, A.3)."""
    assignment.offer_again(device)
    if device.holds_content:
        replication.join(device)
    if not device.is_certified:
        return
    for future in FutureCertificate.objects.open().filter(device=device, operation__isnull=False):
        ask_again(future)
    distribution.join(device)
    expect_first(device, Authority.objects.current())


def registered(device: Device, *, now: datetime) -> messages.Registered:
    """Answer a registration: identity, secret, trust, servers."""
    zone = Zone.objects.the()
    guid = str(device.pk)
    return messages.Registered(
        id=guid,
        secret=zone_keys.here().device_secret(guid, device.credential_epoch),
        epoch=device.credential_epoch,
        trust_epoch=zone.epoch,
        zone=str(zone.guid),
        zone_pub=zone.public_key,
        time=now.timestamp(),
        approved=device.state == "registered",
        trust=trust_roots.trust(),
        servers=servers(),
        refresh_s=float(zone.refresh_seconds),
        server_id=str(zone_keys.here().server_id),
    )


def servers() -> list[messages.ServerAddress]:
    """Return where the servers of the zone answer: Primary Servers, then satellites."""
    rows = Device.objects.registered().exclude(role=messages.MANAGED).order_by("role", "name")
    order = {role: number for number, role in enumerate(messages.ROLES)}
    found = sorted(rows, key=lambda device: (order[device.role], device.name))
    return [device.server_address() for device in found]


def refreshed(device: Device, said: messages.Refresh, *, now: datetime) -> bytes:
    """Answer a refresh. What is the same for every device is made once per zone revision."""
    hear(device, said, now=now)
    zone = Zone.objects.the()
    interval = _interval(device, zone)
    errands = _errands(device, said) if device.errands or device.role != messages.MANAGED else {}
    own = {
        "approved": device.state == "registered",
        "time": now.timestamp(),
        "names": [],
        **errands,
    }
    if device.state != "registered":
        waiting = float(min(zone.refresh_seconds, WAITING_REFRESH_SECONDS))
        return json.dumps({**own, "refresh_s": waiting}).encode()
    # Two JSON objects joined as text: the second is the same for every device.
    return (
        f"{json.dumps(own)[:-1]}, {_common(str(zone.guid), zone.revision, interval)[1:]}".encode()
    )


def _interval(device: Device, zone: Zone) -> float:
    """Return how often a device refreshes; a content server as often as it replicates (D-34)."""
    if not device.holds_content:
        return float(zone.refresh_seconds)
    return float(min(zone.refresh_seconds, device.replication_interval(zone).total_seconds()))


@lru_cache(maxsize=16)
def _common(guid: str, revision: int, interval: float) -> str:
    plain = messages.Refreshed(
        time=0,
        approved=True,
        refresh_s=interval,
        trust=trust_roots.trust(),
        servers=servers(),
        server_id=str(zone_keys.here().server_id),
    )
    common = json.loads(json_codec.dump(plain))
    wanted = ("refresh_s", "trust", "servers", "server_id")
    return json.dumps({name: common[name] for name in wanted})


def _errands(device: Device, said: messages.Refresh) -> dict[str, object]:
    """Return what waits for this device, and take its mark off once nothing does.

    What is put there at the same moment must not be lost: the mark is taken off first, then is
    looked again, in one transaction. Who marks the device meanwhile waits for that.
    """
    if device.state != "registered":
        return {}
    found, busy = gather(device, said)
    if busy or not device.errands:
        return found
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(errands=False)
        found, busy = gather(device, said)
        if busy:
            Device.objects.filter(pk=device.pk).update(errands=True)
    return found


def gather(device: Device, said: messages.Refresh) -> tuple[dict[str, object], bool]:
    """Return what waits for this device beyond what every device gets, and whether it is much."""
    errands = delivery.errands_of(device)
    errands.notices += [notice.signed() for notice in roots.notices_for(device)]
    found: dict[str, object] = {
        "updates": [_plain(envelope) for envelope in errands.updates],
        "notices": [_plain(envelope) for envelope in errands.notices],
        "ignored": errands.ignored,
        "redeploy": errands.redeploy,
    }
    busy = errands.any
    if device.holds_content:
        replicate = replication.wanted_by(device)
        found["replicate"] = [json.loads(json_codec.dump(order)) for order in replicate]
        held = set(said.holds)
        found["withdraw"] = [one for one in replication.withdrawn_from(device) if one in held]
        busy = busy or bool(replicate)
    if device.role != messages.MANAGED:
        found["notices"] = [_plain(n) for n in (*errands.notices, *recovery().notices)]
    if device.is_certified:
        found["certificate"] = _first_waits(device, said)
    return found, busy


def _plain(envelope: Envelope) -> dict[str, str]:
    return {
        "payload_type": envelope.payload_type,
        "payload": envelope.payload,
        "signature": envelope.signature,
    }


def _first_waits(device: Device, said: messages.Refresh) -> bool:
    first = FutureCertificate.objects.open().filter(device=device, operation=None).first()
    if first is None:
        return False
    return not first.digest or first.digest != said.server_certificate_sha256


def hear(device: Device, said: messages.Refresh, *, now: datetime) -> None:
    """Write down what a device says of itself, only where it changed."""
    changes: dict[str, object] = {}
    facts = {
        "version": said.agent[:40],
        "generation": said.generation[:80],
        "root_sha256": said.root_sha256[:64],
        "anchored_sha256": said.anchored_sha256[:64],
        "trusted_sha256": said.trusted_sha256[:10],
    }
    changes.update({name: value for name, value in facts.items() if getattr(device, name) != value})
    if abs(device.skew - said.skew) > 1:
        changes["skew"] = said.skew
    if said.refused:
        changes["refused"] = F("refused") + said.refused
    if changes:
        Device.objects.filter(pk=device.pk).update(**changes)
    for why in said.distrusted[:DISTRUST_AT_MOST]:
        _note_distrust(device, why[:300], now)
    if device.holds_content:
        replication.heard(device, said.holds, said.copies, now=now)
    if device.is_certified and said.server_certificate_sha256:
        _first_is_served(device, said.server_certificate_sha256, now)
        with suppress(WrongMove):
            rollback.shows_again(device, said.server_certificate_sha256, now=now)


def _note_distrust(device: Device, why: str, now: datetime) -> None:
    """Keep in the ledger that somebody offered a device what the zone key did not sign."""
    told = Entry.objects.filter(action="distrusted", subject=f"devices.Device:{device.pk}")
    if not told.filter(note=why, at__gt=now - DISTRUST_ONCE_PER).exists():
        log.warning("%s refused a signed document: %s", device.name, why)
        Entry.objects.record("distrusted", f"devices.Device:{device.pk}", note=why)


def _first_is_served(device: Device, digest: str, now: datetime) -> None:
    rows = FutureCertificate.objects.open().filter(
        device=device, operation=None, digest=digest, state__in=READY
    )
    for future in rows.select_related("authority"):
        # Another call of the same server may have told it at the same moment.
        with suppress(WrongMove), transaction.atomic():
            FutureCertificate.objects.move(future, "active")
            record_current(device, future.authority, future.chain_pem, now=now)


def go_for(device: Device, update_id: str) -> Envelope | None:
    """Return the go of an update that is assigned to this server, if it was given."""
    try:
        row = Assignment.objects.filter(device=device, update_id=UUID(update_id)).first()
    except ValueError:
        row = None
    if row is None or row.state in ("ignored", "canceled"):
        return None
    operation = Operation.objects.filter(update=row.update_id).first()
    given = Notice.objects.filter(update=row.update_id, kind=Notice.Kind.GO)
    notice = given.order_by("-pk").first()
    if operation is None or notice is None or operation.state not in _GONE:
        return None
    return notice.signed()


_GONE = ("activating", "activated", "completed")


def recovery() -> metadata.Recovery:
    """Return the notices of the last activated CA changes, newest last; none rolled back."""
    undone = Operation.objects.filter(state__in=("rolling-back", "rolled-back"))
    found = Notice.objects.filter(kind=Notice.Kind.ACTIVATED)
    rows = found.exclude(update__in=undone.values("update")).order_by("-pk")[
        : lifecycle.RECOVERY_KEEPS
    ]
    zone = Zone.objects.the()
    return metadata.Recovery(zone=str(zone.guid), notices=[row.signed() for row in reversed(rows)])


def forget() -> None:
    """Drop cached answers (tests, and after a restore)."""
    _common.cache_clear()
