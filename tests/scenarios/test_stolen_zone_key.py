"""An attacker with the real Ed25519 zone key, without the second one, moves no device (D-175)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pki.protection import second_key, zone_key
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_trust_list import EVIL, get_roots, redirect, stolen_server, zac
from wire import json_codec, metadata, records
from wire.envelope import Envelope, build_envelope, pre_authentication_encoding
from wire.messages import RefreshResponse, Trust
from zcc.runtime.layout import Host

STOLEN_KEY = """
from devices.identity import zone_keys
print(zone_keys.get_keyring().zone_key)
"""
REASONS = """
from audit.models import Entry
print(list(Entry.objects.filter(action="distrusted").values_list("note", flat=True)))
"""
DAY = 86_400
UPDATE = "evil-update"
# An attacker can create a second key, but devices have stored the one of the zone.
OTHER_SECOND = second_key.generate_second_key()


def sign(private: str, kind: str, document: Any, second: str) -> Envelope:
    data = json_codec.dump(document)
    encoded = pre_authentication_encoding(kind, data)
    second_signature = second_key.sign(second, encoded) if second else b""
    return build_envelope(kind, data, zone_key.sign(private, encoded), second_signature)


def forge(private: str, device: Path, second: str) -> RefreshResponse:
    """Return a response with a forged trust list, manifest, and retirement notice."""
    zone = json.loads((device / "device.json").read_text())["zone"]
    [root] = get_roots(device)
    now = int(time.time())
    trusted = metadata.TrustList(
        zone=zone,
        version=(now + DAY) * 1000,
        epoch=1,
        issued_at=now,
        expires_at=now + 7 * DAY,
        trust=Trust(current=EVIL.pem),
        servers=[],
        refresh_s=99_999.0,
        second_key=second_key.get_public_key(second) if second else "",
    )
    manifest = metadata.Manifest(
        id=UPDATE,
        zone=zone,
        kind=metadata.REMINT_CA,
        name="Evil",
        epoch=9,
        revision=1,
        created=now,
        activate_at=0,
        grace_until=now + DAY,
        root_sha256=EVIL.sha256,
        old_root_sha256=root,
        files=[metadata.ManifestFile("ca.cert", EVIL.sha256, len(EVIL.pem))],
    )
    retirement = metadata.Retirement(zone, 9, [root])
    return RefreshResponse(
        time=float(now),
        approved=True,
        refresh_s=99_999.0,
        trust_list=sign(private, metadata.TRUST_LIST, trusted, second),
        updates=[sign(private, metadata.MANIFEST, manifest, second)],
        notices=[sign(private, metadata.RETIREMENT, retirement, second)],
    )


def attack(device: Path, satellite: Host, message: RefreshResponse) -> None:
    """Respond to a refresh of a device with forged documents, as a network attacker can."""
    identity = (device / "device.json").read_text()
    plain = records.to_plain(message)

    def respond(path: str) -> tuple[int, dict[str, Any]]:
        return 200, plain if path == "/zac/v1/refresh" else {}

    with stolen_server(satellite.home, satellite.address, respond) as url:
        redirect(device, url)
        refreshed = zac(device, "refresh")
    (device / "device.json").write_text(identity)
    assert "Traceback" not in refreshed.stderr


def has_all_reasons(zone: RunningZone) -> bool:
    """Return True if the audit log contains each kind of document that the device rejected."""
    text = zone.run(REASONS)
    rejected = "The document is not signed with the second key"
    return all(f"{kind}: {rejected}" in text for kind in ("trust-list", "manifest", "notice"))


def list_updates(device: Path) -> list[str]:
    return list(json.loads((device / "state.json").read_text())["updates"])


@pytest.mark.long
def test_a_stolen_ed25519_key_moves_no_device(
    start_zone: Callable[..., RunningZone], tmp_path: Path
) -> None:
    zone = start_zone(devices=1, satellites=1, primaries=1)
    satellite = zone.hosts("authentication-satellite")[0]
    device = zone.hosts("managed")[0]
    until((satellite.home / "security/current/server.pem").exists, "it is certified")
    identity_file = device.home / "device.json"
    until(lambda: '"second_pub":""' not in identity_file.read_text(), "it has the second key")
    zone.take_down(f"{device.name}.agent")
    private = zone.run(STOLEN_KEY).strip()
    roots = get_roots(device.home)
    # Without the second key, the stolen key would be enough.
    careless = tmp_path / "careless"
    shutil.copytree(device.home, careless, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    identity = json.loads((careless / "device.json").read_text())
    (careless / "device.json").write_text(json.dumps({**identity, "second_pub": ""}))
    attack(careless, satellite, forge(private, careless, ""))
    assert list_updates(careless) == [UPDATE]
    for second in ("", OTHER_SECOND):
        attack(device.home, satellite, forge(private, device.home, second))
        assert get_roots(device.home) == roots
        assert list_updates(device.home) == []
    # The device reports the attempts at its next refresh with the console.
    zone.bring_back(f"{device.name}.agent")
    until(partial(has_all_reasons, zone), "the audit log contains all attempts")
    assert get_roots(device.home) == roots
