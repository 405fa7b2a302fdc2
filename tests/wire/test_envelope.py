"""Documents signed by the zone key (S-60, S-61; DSSE)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.zac.support.zone import Signer
from wire import json_codec, metadata, values
from wire.envelope import NotSigned, signed_bytes
from wire.metadata import BadManifest, Cancel, File, Go, Manifest, open_as

NOTICE = Cancel("update-1", "zone-1", 1)
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
    files=[File("ca.cert", "2" * 64, 10)],
)


def test_the_payload_comes_out_if_the_zone_key_signed_it() -> None:
    zone = Signer()
    envelope = zone.sign(metadata.CANCEL, NOTICE)
    assert open_as(Cancel, metadata.CANCEL, envelope, zone.zone_pub) == NOTICE


def test_the_signed_bytes_are_those_of_dsse() -> None:
    assert signed_bytes("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_document_of_one_kind_is_not_taken_for_another() -> None:
    zone = Signer()
    envelope = zone.sign(metadata.CANCEL, NOTICE)
    with pytest.raises(NotSigned):
        open_as(Go, metadata.GO, envelope, zone.zone_pub)
    renamed = values.replace(envelope, payload_type=metadata.ROLLBACK)
    with pytest.raises(NotSigned):
        open_as(metadata.Rollback, metadata.ROLLBACK, renamed, zone.zone_pub)


def test_another_zones_key_is_refused() -> None:
    envelope = Signer().sign(metadata.CANCEL, NOTICE)
    with pytest.raises(NotSigned):
        open_as(Cancel, metadata.CANCEL, envelope, Signer().zone_pub)


def test_an_altered_payload_is_refused() -> None:
    zone = Signer()
    envelope = zone.sign(metadata.CANCEL, NOTICE)
    other = base64.b64encode(json_codec.dump(values.replace(NOTICE, revision=2))).decode()
    with pytest.raises(NotSigned):
        values.replace(envelope, payload=other).open(zone.zone_pub, metadata.CANCEL)


@pytest.mark.parametrize("field", ["payload", "signature"])
def test_what_is_not_base64_is_refused(field: str) -> None:
    zone = Signer()
    envelope = values.replace(zone.sign(metadata.CANCEL, NOTICE), **{field: "%%%"})
    with pytest.raises(NotSigned):
        envelope.open(zone.zone_pub, metadata.CANCEL)


def test_a_manifest_of_this_zone_passes() -> None:
    MANIFEST.check("zone-1")


@pytest.mark.parametrize(
    "change",
    [
        {"zone": "zone-2"},
        {"kind": "format-disk"},
        {"protocol": 2},
        {"files": [File("../ca.cert", "2" * 64, 10)]},
        {"files": [File("run.sh", "2" * 64, 10)]},
        {"files": [File("ca.cert", "2" * 63 + "/", 10)]},
        {"files": [File("ca.cert", "2" * 64, 0)]},
        {"files": [File("ca.cert", "2" * 64, (1 << 20) + 1)]},
        {"files": [File("ca.cert", "2" * 64, 1), File("ca.cert", "3" * 64, 1)]},
    ],
    ids=str,
)
def test_a_manifest_that_asks_for_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadManifest):
        Manifest(**{**vars(MANIFEST), **change}).check("zone-1")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "x" * 65, "a\x00b"])
def test_an_update_whose_id_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(BadManifest):
        values.replace(MANIFEST, id=name).check("zone-1")
