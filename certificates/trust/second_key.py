"""Introduce the second zone key (SLH-DSA) in new zones and in zones of earlier versions.

The key is created first, so that all documents from then on have both signatures. Then stored
documents get the second signature. At last, the trust list announces the key to the devices, which
require both signatures from then on.

See: D-175, D-177
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from django.db import transaction

from audit.models import Entry
from audit.models.authenticated import RowAltered
from certificates.trust import trust_list
from devices.identity import zone_keys
from devices.models import Device, Zone, ZoneKey
from pki.protection import second_key
from systemupdates.models import SystemUpdate, TrustNotice, serialize_envelope
from systemupdates.remint_tool import build
from wire import json_codec
from wire.envelope import Envelope, NotSigned, PublicKeys
from wire.metadata import ACTIVATION_NOTICE, ActivationNotice
from wire.records import replace

# Number of documents that are signed in one run, so that a run takes only a few seconds.
MAX_DOCUMENTS = 10


def introduce(*, now: datetime) -> None:
    """Take the next step to introduce the second key. It can be repeated at any time."""
    if Zone.objects.get_zone().second_public_key:
        return
    if not ZoneKey.objects.filter(kind=ZoneKey.Kind.SECOND).exists():
        _create()
        return
    signed = 0
    for document in _list_documents_to_sign():
        signed += _add_signature(document)
        if signed >= MAX_DOCUMENTS:
            return
    _announce()
    trust_list.sign_and_store(now=now)


@transaction.atomic
def _create() -> None:
    """Create the key, encrypted for every Primary Server that has the zone key."""
    zone = Zone.objects.lock()
    if ZoneKey.objects.filter(kind=ZoneKey.Kind.SECOND).exists():
        return
    private = second_key.generate_second_key()
    signing_key = zone_keys.get_keyring().zone_key
    holding = ZoneKey.objects.filter(kind=ZoneKey.Kind.SIGNING).values("server")
    for server in Device.objects.filter(pk__in=holding).exclude(vault_key=""):
        # An altered row can contain the vault key of an attacker (D-170).
        with suppress(RowAltered):
            server.check_row_mac()
            zone_keys.store_second_key(zone, server, private, signing_key=signing_key)


@transaction.atomic
def _announce() -> None:
    """Announce the key. Documents that were signed with one key in the meantime get the other.

    Signing a document locks the checkpoint of the audit log until the end of the transaction.
    """
    zone = Zone.objects.lock()
    checkpoint = Entry.objects.lock_checkpoint()
    for document in _list_documents_to_sign():
        _add_signature(document)
    public = zone_keys.get_keyring().get_second_public_key()
    if Zone.objects.filter(second_public_key="").update(second_public_key=public):
        Zone.objects.advance_revision()
        Entry.objects.append(checkpoint, "second-key", f"devices.Zone:{zone.guid}", note=zone.name)


def _list_documents_to_sign() -> Iterator[SystemUpdate | TrustNotice]:
    """Yield the stored documents without a second signature, manifests before notices."""
    updates = SystemUpdate.objects.exclude(envelope=None).order_by("created_at")
    for document in (*updates, *TrustNotice.objects.order_by("pk")):
        if not document.get_envelope().second_signature:
            yield document


@transaction.atomic
def _add_signature(document: SystemUpdate | TrustNotice) -> bool:
    """Sign a stored document with both keys. Return False unless the zone key signed it before."""
    known = _lock(document).get_envelope()
    zone = Zone.objects.get_zone()
    try:
        payload = known.verify(PublicKeys(zone_keys.get_public_zone_key(zone)), known.payload_type)
    except NotSigned:
        return False
    if known.payload_type == ACTIVATION_NOTICE:
        payload = _with_signed_manifest(payload)
    signed = zone_keys.get_keyring().sign_without_entry(known.payload_type, payload)
    document.envelope = serialize_envelope(signed)
    document.save(update_fields=["envelope"])
    update = document if isinstance(document, SystemUpdate) else document.update
    if update is not None:
        build.invalidate_tool(update)
    return True


def _lock(document: SystemUpdate | TrustNotice) -> SystemUpdate | TrustNotice:
    """Lock the row of a document, and return it with its current envelope."""
    if isinstance(document, SystemUpdate):
        return SystemUpdate.objects.select_for_update().get(pk=document.pk)
    return TrustNotice.objects.select_for_update().get(pk=document.pk)


def _with_signed_manifest(payload: bytes) -> bytes:
    """Return an activation notice with the second signature of the manifest in it."""
    notice = json_codec.load(ActivationNotice, payload)
    manifest = notice.manifest
    data = base64.b64decode(manifest.payload)
    signed: Envelope = zone_keys.get_keyring().sign_without_entry(manifest.payload_type, data)
    return json_codec.dump(replace(notice, manifest=signed))
