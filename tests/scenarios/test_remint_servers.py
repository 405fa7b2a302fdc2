"""Remint Certificate in a zone of real processes: one server, several, both kinds of CA (1.3.2).

An administrator goes through the pane as it is without JavaScript; a small CA outside the zone
signs what is downloaded from it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.harness.evidence import leaked_secrets
from tests.harness.visitor import Page, Visitor
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.support.public_ca import PublicCA, make_csr, make_key

StartZone = Callable[..., RunningZone]
PANE = "/configuration/certificates/"
ROW = r'value="([0-9a-f-]{36})" form="servers-form" aria-label="Select %s"'
SHOWN = """
import json
from certificates.models import ServerCertificate
rows = ServerCertificate.objects.current()
print(json.dumps(dict(rows.values_list("device__name", "digest"))))
"""
CANCEL = """
from django.utils import timezone
from certificates.models import Operation
from certificates.operations import cancellation
cancellation.cancel(Operation.objects.first(), now=timezone.now())
"""
ROOT = "from certificates.models import Authority\nprint(Authority.objects.current().root_pem)"


class Pane:
    """The server pane, used by an administrator."""

    def __init__(self, zone: RunningZone) -> None:
        self.zone = zone
        self.visitor: Visitor = zone.visitor()

    def act(self, do: str, *names: str) -> Page:
        """Select servers and press a button; returns the dialog, or a download."""
        page = self.visitor.get(PANE).text
        ids = [re.findall(ROW % name, page)[0] for name in names]
        return self.visitor.post(f"{PANE}servers/selected/", {"do": do, "ids": ids})

    def remint(self, *names: str, seconds: int = 75, **more: Any) -> str:
        """Remint Certificate under an internal CA; returns the page that follows."""
        given = {"confirm": "on", "name": "Scenario", "activates_at": self._at(seconds), **more}
        return self._submit(self.act("remint-certificate", *names), given).text

    def remint_external(self, *names: str, manual_csr: bool = False, seconds: int = 100) -> str:
        """Remint Certificate under an external CA: two pages."""
        how = {"manual_csr": "manual" if manual_csr else "automatic", "organization": "Acme"}
        last = self._submit(self.act("remint-certificate", *names), how)
        given = {"name": "Scenario", "activates_at": self._at(seconds)}
        return self._submit(last, given).text

    def csrs(self, *names: str) -> dict[str, str]:
        """Download CSRs to Zip File."""
        answer = self.act("csr-zip", *names)
        assert answer.headers["content-type"] == "application/zip", answer.text[:500]
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}

    def csr(self, name: str) -> str:
        """Download the CSR of one server; "" while there is none."""
        found = re.findall(ROW % name, self.visitor.get(PANE).text)[0]
        answer = self.visitor.get(f"{PANE}servers/{found}/csr/")
        return answer.text if answer.status == 200 else ""

    def import_files(self, files: dict[str, bytes], *names: str) -> str:
        """Import Certificate; returns what the dialog tells."""
        dialog = self.act("import-certificate", *names)
        shown = self.visitor.upload(dialog, {}, {"file": files})
        assert shown.status == 200, re.sub(r"<[^>]+>|\s+", " ", shown.text)[:2000]
        return shown.text

    def generate(self, name: str, **given: str) -> None:
        """Generate CSR for one server."""
        self._submit(self.act("generate-csr", name), given)

    def status(self, name: str) -> str:
        """Return the Certificate Status of a server, as the export tells it."""
        text = self.visitor.get(f"{PANE}?export=csv&q={name}").body.decode("utf-8-sig")
        heading, line = (row.split(",") for row in text.splitlines()[:2])
        return line[heading.index("Certificate Status")]

    def _submit(self, page: Page, given: dict[str, Any]) -> Page:
        shown = self.visitor.submit(page, given, action=page.path)
        assert shown.status == 200, re.sub(r"<[^>]+>|\s+", " ", shown.text)[:2000]
        return shown

    def _at(self, seconds: int) -> str:
        moment = datetime.now(ZoneInfo("UTC")) + timedelta(seconds=seconds)
        return f"{moment:%Y-%m-%dT%H:%M:%S}"


def shown(zone: RunningZone) -> dict[str, str]:
    """Return what each server shows, once the console tells the same of it."""
    found: dict[str, str] = {}

    def agree() -> bool:
        told = json.loads(zone.run(SHOWN).splitlines()[-1])
        found.update(zone.verify(zone.run(ROOT)))
        return bool(told == found)

    until(agree, "the console tells what each server shows")
    return found


def ended(zone: RunningZone, state: str = "completed") -> dict[str, Any]:
    """Wait for the end of the newest operation; nobody may have lost contact."""
    seen = zone.reaches(state, seconds=240)
    assert zone.refused() == []
    assert leaked_secrets(zone.home) == []
    return seen


@pytest.mark.manual("R179")
@pytest.mark.long
def test_one_server_is_reminted_and_the_others_are_left_alone(start_zone: StartZone) -> None:
    zone = start_zone(devices=1, satellites=0)
    pane, before = Pane(zone), shown(zone)
    assert "The Remint Certificate operation has been initiated." in pane.remint("ps-02")
    seen = ended(zone)
    assert seen["assigned"] == {"ps-02": "activated"}
    after = shown(zone)
    assert after["ps-01"] == before["ps-01"]
    assert after["ps-02"] != before["ps-02"]
    assert pane.status("ps-02") == "Active"
    zone.everybody_is_in_contact()


@pytest.mark.manual("R219")
@pytest.mark.long
def test_two_servers_with_a_satellite_and_a_device_that_was_away(start_zone: StartZone) -> None:
    """A device that was off all the while, through more than two refreshes, keeps contact (A.7)."""
    zone = start_zone(devices=2)
    pane, before = Pane(zone), shown(zone)
    zone.stop("device-01.agent")
    # The satellite is not selected: it belongs to ps-01 and is offered with it.
    pane.remint("ps-01", "ps-02")
    seen = ended(zone)
    assert seen["futures"] == dict.fromkeys(("ps-01", "ps-02", "as-01"), "active")
    after = shown(zone)
    assert all(after[name] != before[name] for name in before)
    zone.cont("device-01.agent")
    zone.everybody_is_in_contact()
    assert zone.refused() == []


@pytest.mark.long
def test_disjoint_remints_run_side_by_side(start_zone: StartZone) -> None:
    zone = start_zone(devices=1)
    pane, before = Pane(zone), shown(zone)
    pane.remint("ps-01", satellites=[], seconds=90)
    assert "already waiting for a new certificate" in pane.act("remint-certificate", "ps-01").text
    page = pane.remint("as-01", seconds=75)
    assert page.count("<b>The Remint Certificate operation has been initiated.</b>") == 2
    ended(zone)
    until(lambda: pane.status("ps-01") == "Active", "both have ended", 120)
    after = shown(zone)
    assert {name for name in before if after[name] != before[name]} == {"ps-01", "as-01"}
    assert zone.refused() == []


@pytest.mark.manual("R185")
@pytest.mark.long
def test_an_external_ca_signs_a_zip_of_csrs_and_answers_unordered(
    start_zone: StartZone,
) -> None:
    zone, ca = start_zone(devices=1), PublicCA("First")
    administrator.change_to_external_with_answers(zone, ca)
    zone.completes()
    pane, before = Pane(zone), shown(zone)
    every = ("ps-01", "ps-02", "as-01")
    pane.remint_external(*every)
    until(lambda: all(pane.csr(name) for name in every), "a CSR of every server", 90)
    addresses = {host.fqdn: host.address for host in zone.hosts() if host.port}
    answers = {
        f"{number}.p7b": ca.answer(request, "p7b", addresses=[addresses[name.removesuffix(".csr")]])
        for number, (name, request) in enumerate(sorted(pane.csrs(*every).items()))
    }
    assert "3 certificates were imported." in pane.import_files(answers, *every)
    assert pane.status("as-01") == "New certificate uploaded"
    ended(zone)
    after = shown(zone)
    assert all(after[name] != before[name] for name in every)
    zone.everybody_is_in_contact()
    assert zone.refused() == []


@pytest.mark.manual("R081", "R195")
@pytest.mark.long
def test_by_hand_through_the_repository_and_a_csr_overridden_after_its_import(
    start_zone: StartZone,
) -> None:
    zone, ca = start_zone(devices=1, satellites=0), PublicCA("First")
    administrator.change_to_external_with_answers(zone, ca)
    zone.completes()
    pane = Pane(zone)
    pane.remint_external("ps-01", "ps-02", manual_csr=True, seconds=120)
    one, two = zone.hosts("primary")

    # ps-02: ZENworks makes the CSR after all; after the import another one replaces it.
    pane.generate("ps-02", organization="Acme")
    until(lambda: pane.csr("ps-02"), "the CSR of ps-02", 60)
    first = pane.csr("ps-02")
    pane.import_files({"a.pem": ca.answer(first, "chain", addresses=[two.address])}, "ps-02")
    assert pane.status("ps-02") == "New certificate uploaded"
    pane.generate("ps-02", organization="Acme Two", replaces="on")
    until(lambda: pane.csr("ps-02") not in ("", first), "another CSR of ps-02", 60)
    second = ca.answer(pane.csr("ps-02"), "p7b", addresses=[two.address])
    pane.import_files({"b.p7b": second}, "ps-02")

    # ps-01: key and certificate are made elsewhere and placed into its repository.
    key = make_key("rsa2048")
    signed = ca.answer(make_csr(key, one.fqdn), "p7b", dns=[one.fqdn], addresses=[one.address])
    place = one.home / "remint-repo"
    place.mkdir(exist_ok=True)
    raw = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (place / "server.p7b").write_bytes(signed)
    (place / "key.der").write_bytes(raw)
    (place / "key.der").chmod(0o600)
    until(lambda: pane.status("ps-01") == "New certificate uploaded", "taken over", 60)

    ended(zone)
    shown(zone)
    assert not (place / "key.der").exists(), "after activation the repository is empty"
    zone.everybody_is_in_contact()
    assert zone.refused() == []


# The satellite holds no content, so that freezing it does not hold the replication.
TARGET = "as-01"
HOLDS = {
    "preparing": "ps-01.worker",
    "replicating": "cs-01.agent",
    "assigned": f"{TARGET}.agent",
}


@pytest.mark.manual("R098")
@pytest.mark.long
def test_cancel_at_each_stage_leaves_everything_as_it_was(start_zone: StartZone) -> None:
    zone = start_zone(devices=1)
    pane, before = Pane(zone), shown(zone)
    for stage, held in HOLDS.items():
        zone.stop(held)
        pane.remint(TARGET)
        zone.reaches(stage)
        zone.run(CANCEL)
        zone.cont(held)
        ended(zone, "canceled")
    # With the new certificate at hand, and the trial listener showing it.
    pane.remint(TARGET)
    until(lambda: zone.look()["futures"] == {TARGET: "created"}, "the new certificate", 60)
    zone.run(CANCEL)
    ended(zone, "canceled")
    # Blocked: the server did not come for its new certificate.
    zone.stop(HOLDS["assigned"])
    pane.remint(TARGET, seconds=75)
    zone.reaches("blocked", seconds=120)
    zone.run(CANCEL)
    zone.cont(HOLDS["assigned"])
    ended(zone, "canceled")

    assert pane.status(TARGET) == "Active"
    assert shown(zone) == before
    place = zone.hosts("authentication-satellite")[0].home / "remint-repo"
    until(lambda: not [p for p in place.rglob("*") if p.is_file()], "the repository is empty")
    zone.everybody_is_in_contact()
    assert zone.refused() == []
    # And the next one goes through.
    pane.remint(TARGET)
    ended(zone)
    assert shown(zone)[TARGET] != before[TARGET]
