"""The certificate of a satellite is revoked: a thief is refused, the satellite gets another one."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.certificates.revocation import get_key_id
from pki.chains import chains
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_trust_list import get_response, redirect, stolen_server, zac
from zac.cli import exit_codes
from zcc.runtime.layout import Host

ROOT = "from certificates.models import Authority\nprint(Authority.objects.current().root_pem)"
SERVERS = "/configuration/certificates/servers"
LINK = r'href="([^"]+/revoke/)"'


def steal(satellite: Host, folder: Path) -> Path:
    """Copy the key and certificate of a satellite to the data directory of a thief."""
    (folder / "security" / "current").mkdir(parents=True)
    copy = folder / "security" / "current" / "server.pem"
    copy.write_text((satellite.home / "security" / "current" / "server.pem").read_text())
    return folder


def revoke(zone: RunningZone, satellite: Host) -> None:
    """Revoke the certificate as an administrator does."""
    visitor = zone.visitor()
    guid = json.loads((satellite.home / "device.json").read_text())["id"]
    shown = visitor.get(f"{SERVERS}/{guid}/")
    dialog = visitor.get(re.findall(LINK, shown.text)[0])
    given = {"reason": "key-compromise", "confirm": "on"}
    visitor.submit(dialog, given, action=dialog.path)
    assert "Revoked" in visitor.get(f"{SERVERS}/{guid}/").text


def get_revoked(host: Host) -> list[str]:
    cache = json.loads((host.home / "servers.json").read_text())
    return list((cache.get("trust_list") or {}).get("revoked", []))


def is_on_crl(zone: RunningZone, root: str, leaf: str) -> bool:
    page = zone.visitor().send("GET", f"/crl/{get_key_id(root)}.crl")
    if page.status != 200:
        return False
    crl = x509.load_der_x509_crl(page.body)
    serial = x509.load_pem_x509_certificate(leaf.encode()).serial_number
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def get_ocsp_status(zone: RunningZone, root: str, leaf: str) -> ocsp.OCSPCertStatus | None:
    """Return the status of a certificate by OCSP, None without a response."""
    certificate, issuer = map(x509.load_pem_x509_certificate, (leaf.encode(), root.encode()))
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256())
    encoded = quote(b64encode(request.build().public_bytes(Encoding.DER)), safe="")
    page = zone.visitor().send("GET", f"/ocsp/{encoded}")
    response = ocsp.load_der_ocsp_response(page.body)
    is_successful = response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    return response.certificate_status if is_successful else None


@pytest.mark.long
def test_devices_refuse_a_revoked_server_until_it_has_another_certificate(
    start_zone: Callable[..., RunningZone], tmp_path: Path
) -> None:
    zone = start_zone(devices=1, satellites=1, primaries=1)
    [satellite], [device] = zone.hosts("authentication-satellite"), zone.hosts("managed")
    until((satellite.home / "security/current/server.pem").exists, "it is certified")
    zone.everybody_is_in_contact()
    root = zone.run(ROOT).strip() + "\n"
    before = zone.verify(root)[satellite.name]
    thief = steal(satellite, tmp_path / "thief")
    [leaf, *_others] = chains.split((thief / "security/current/server.pem").read_text())
    status = ocsp.OCSPCertStatus
    until(lambda: get_ocsp_status(zone, root, leaf) is status.GOOD, "it is good by OCSP")
    zone.take_down(f"{satellite.name}.agent")
    revoke(zone, satellite)
    until(lambda: get_revoked(device), "the device has the list with the revoked certificate")
    until(lambda: is_on_crl(zone, root, leaf), "it is on the revocation list of the CA")
    until(lambda: get_ocsp_status(zone, root, leaf) is status.REVOKED, "it is revoked by OCSP")

    zone.take_down(f"{device.name}.agent")
    heard: list[str] = []

    def respond(path: str) -> tuple[int, dict[str, Any]]:
        heard.append(path)
        return partial(get_response, root=root)(path)

    kept = {name: (device.home / name).read_text() for name in ("device.json", "servers.json")}
    with stolen_server(thief, satellite.address, respond) as url:
        redirect(device.home, url)
        refused = zac(device.home, "refresh")
    assert refused.returncode == exit_codes.NOT_VERIFIED, refused.stderr
    assert "revoked" in refused.stderr
    assert heard == []
    for name, text in kept.items():
        (device.home / name).write_text(text)

    zone.bring_back(f"{satellite.name}.agent")
    zone.bring_back(f"{device.name}.agent")

    def has_another() -> bool:
        text = (satellite.home / "security/current/server.pem").read_text()
        return chains.split(text)[0] != leaf

    until(has_another, "the satellite has another certificate", 120)
    until(lambda: zone.verify(root)[satellite.name] != before, "it presents the new certificate")
    since = time.time()

    def is_in_contact() -> bool:
        return any(
            one.ok and one.t > since and (one.host, one.server) == (device.name, satellite.name)
            for one in zone.contacts()
        )

    until(is_in_contact, "the device accepts the new certificate", 120)
    assert get_revoked(device)
