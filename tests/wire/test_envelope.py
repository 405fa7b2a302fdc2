"""Documents signed by the zone key (S-60, S-61; DSSE)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pki.protection import second_key
from tests.zac.support.zone import Signer
from wire import json_codec, metadata, records
from wire.envelope import Envelope, NotSigned, PublicKeys, pre_authentication_encoding
from wire.metadata import (
    ActivationOrder,
    Cancellation,
    InvalidManifest,
    Manifest,
    ManifestFile,
    verify_document,
)

NOTICE = Cancellation("update-1", "zone-1", 1)
MANIFEST = Manifest(
    id="update-1",
    zone="zone-1",
    kind=metadata.REMINT_CA,
    name="Remint CA",
    epoch=1,
    revision=1,
    created=0,
    activate_at=0,
    grace_until=0,
    root_sha256="0" * 64,
    old_root_sha256="1" * 64,
    files=[ManifestFile("ca.cert", "2" * 64, 10)],
)


def test_the_payload_comes_out_if_the_zone_key_signed_it() -> None:
    zone = Signer()
    envelope = zone.sign(metadata.CANCELLATION, NOTICE)
    assert verify_document(Cancellation, metadata.CANCELLATION, envelope, zone.keys) == NOTICE


def test_the_signed_bytes_are_those_of_dsse() -> None:
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_document_of_one_kind_is_not_taken_for_another() -> None:
    zone = Signer()
    envelope = zone.sign(metadata.CANCELLATION, NOTICE)
    with pytest.raises(NotSigned):
        verify_document(ActivationOrder, metadata.ACTIVATION_ORDER, envelope, zone.keys)
    renamed = records.replace(envelope, payload_type=metadata.ROLLBACK)
    with pytest.raises(NotSigned):
        verify_document(metadata.Rollback, metadata.ROLLBACK, renamed, zone.keys)


def test_another_zones_key_is_refused() -> None:
    envelope = Signer().sign(metadata.CANCELLATION, NOTICE)
    with pytest.raises(NotSigned):
        verify_document(Cancellation, metadata.CANCELLATION, envelope, Signer().keys)


def test_an_altered_payload_is_refused() -> None:
    zone = Signer()
    envelope = zone.sign(metadata.CANCELLATION, NOTICE)
    other = base64.b64encode(json_codec.dump(records.replace(NOTICE, revision=2))).decode()
    with pytest.raises(NotSigned):
        records.replace(envelope, payload=other).verify(zone.keys, metadata.CANCELLATION)


SECOND = second_key.generate_second_key()


def test_both_signatures_must_hold_for_who_knows_both_keys() -> None:
    zone = Signer(SECOND)
    envelope = zone.sign(metadata.CANCELLATION, NOTICE)
    assert verify_document(Cancellation, metadata.CANCELLATION, envelope, zone.keys) == NOTICE
    for second_signature in ("", Signer(SECOND).sign(metadata.CANCELLATION, NOTICE).signature):
        forged = records.replace(envelope, second_signature=second_signature)
        with pytest.raises(NotSigned, match="second key"):
            forged.verify(zone.keys, metadata.CANCELLATION)
    other_first = records.replace(
        envelope, signature=Signer().sign(metadata.CANCELLATION, NOTICE).signature
    )
    with pytest.raises(NotSigned, match="key of this device's zone"):
        other_first.verify(zone.keys, metadata.CANCELLATION)


def test_the_second_signature_is_over_type_and_payload() -> None:
    zone = Signer(SECOND)
    envelope = zone.sign(metadata.CANCELLATION, NOTICE)
    other = zone.sign(metadata.CANCELLATION, records.replace(NOTICE, revision=2))
    mixed = records.replace(other, second_signature=envelope.second_signature)
    with pytest.raises(NotSigned, match="second key"):
        mixed.verify(zone.keys, metadata.CANCELLATION)


def test_a_reader_of_the_previous_version_ignores_the_second_signature() -> None:
    """Its envelope has three fields, and it verifies the Ed25519 signature only."""

    class PreviousEnvelope(records.Record):
        payload_type: str
        payload: str
        signature: str

    zone = Signer(SECOND)
    data = json_codec.dump(zone.sign(metadata.CANCELLATION, NOTICE))
    read = json_codec.load(PreviousEnvelope, data)
    same = Envelope(read.payload_type, read.payload, read.signature)
    first_only = PublicKeys(zone.zone_pub)
    assert verify_document(Cancellation, metadata.CANCELLATION, same, first_only) == NOTICE


@pytest.mark.parametrize("field", ["payload", "signature", "second_signature"])
def test_what_is_not_base64_is_refused(field: str) -> None:
    zone = Signer()
    envelope = records.replace(zone.sign(metadata.CANCELLATION, NOTICE), **{field: "%%%"})
    with pytest.raises(NotSigned):
        envelope.verify(zone.keys, metadata.CANCELLATION)


def test_a_manifest_of_this_zone_passes() -> None:
    MANIFEST.validate("zone-1")


@pytest.mark.parametrize(
    "change",
    [
        {"zone": "zone-2"},
        {"kind": "format-disk"},
        {"protocol": 2},
        {"files": [ManifestFile("../ca.cert", "2" * 64, 10)]},
        {"files": [ManifestFile("run.sh", "2" * 64, 10)]},
        {"files": [ManifestFile("ca.cert", "2" * 63 + "/", 10)]},
        {"files": [ManifestFile("ca.cert", "2" * 64, 0)]},
        {"files": [ManifestFile("ca.cert", "2" * 64, (1 << 20) + 1)]},
        {"files": [ManifestFile("ca.cert", "2" * 64, 1), ManifestFile("ca.cert", "3" * 64, 1)]},
    ],
    ids=str,
)
def test_a_manifest_that_asks_for_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidManifest):
        Manifest(**{**vars(MANIFEST), **change}).validate("zone-1")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "x" * 65, "a\x00b"])
def test_an_update_whose_id_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidManifest):
        records.replace(MANIFEST, id=name).validate("zone-1")
