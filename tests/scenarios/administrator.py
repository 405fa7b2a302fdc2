"""What administrators do in scenarios: through the pages as a person, or by the REST API."""

from __future__ import annotations

import io
import re
import subprocess
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import serialization

from pki.certificates import details
from tests.harness.program import Program, later
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone
from tests.support.public_ca import PublicCA, make_csr, make_key, written
from zcc.runtime.layout import save_layout

PAGE = "/configuration/certificates/"
FORMS = ("pem", "der", "p7b")
TOOL = "zenworks-setup/ZENworks_Certificate_Update_Linux.bin"


def remint_ca(
    api: Program, seconds: float | None = 75, *, key: str = "", **changes: Any
) -> dict[str, Any]:
    """Start a Remint CA; without seconds it asks for Immediate. `key` makes it the same one."""
    values = {"common_name": "DEMO-ZONE", "activates_at": seconds and later(seconds), **changes}
    return dict(api.post("/operations/remint-ca", _key=key, **values))


def insist(start: Callable[[str], object], seconds: float = 60) -> None:
    """Start something while servers die: try again until it is answered, with one key."""
    key = str(uuid4())

    def answered() -> bool:
        with suppress(OSError, HTTPException):
            start(key)
            return True
        return False

    until(answered, "the console answers", seconds)


def change_to_internal(
    api: Program, server: str, seconds: float | None = 75, **changes: Any
) -> dict[str, Any]:
    """Start a Change CA to an internal authority on a server."""
    values = {
        "certificate_server_id": api.servers()[server],
        "subject": "NEW-ZONE",
        "years": 5,
        "activates_at": seconds and later(seconds),
        **changes,
    }
    return dict(api.post("/operations/change-ca/internal", **values))


def change_to_subordinate(
    api: Program, server: str, seconds: float | None = 180, **changes: Any
) -> dict[str, Any]:
    """Start a Change CA to a subordinate authority on a server."""
    values = {
        "certificate_server_id": api.servers()[server],
        "subject": "CN=ZONE CA,O=Acme",
        "activates_at": seconds and later(seconds),
        **changes,
    }
    return dict(api.post("/operations/change-ca/subordinate", **values))


def get_ca_csr(api: Program) -> str:
    """Wait for the CSR of the new zone CA, and download it."""
    until(lambda: api.operation()["awaits_ca_certificate"], "the CSR of the new zone CA", 60)
    pem: bytes = api.get(f"/operations/{api.operation()['id']}/ca-csr")
    return pem.decode()


def have_ca_certified(api: Program, certify: Callable[[str], str]) -> str:
    """Have the CSR of the new zone CA signed, and import the chain, which is returned."""
    chain = certify(get_ca_csr(api))
    api.act("ca-certificate", certificates=chain)
    return chain


def change_to_external(
    api: Program, ca: PublicCA, seconds: float = 110, **changes: Any
) -> dict[str, Any]:
    """Start a Change CA to an external authority."""
    values = {
        "certificates": "".join([ca.root.pem, *ca.chain]),
        "activates_at": later(seconds),
        "subject": {"organization": "Acme"},
        **changes,
    }
    return dict(api.post("/operations/change-ca/external", **values))


def change_to_external_on_the_pages(person: Visitor, ca: PublicCA) -> None:
    """Go through the wizard: root and chain, Generate CSR, the suggested activation time."""
    chain = written([*ca.chain, ca.root.pem], "p7b")
    page = person.upload(
        person.get(f"{PAGE}change-ca/"),
        {"confirm": "on", "change_to": "external"},
        {"file": {"chain.p7b": chain}},
    )
    assert page.path.endswith("/csr/"), page.text[:3000]
    page = person.submit(page, {"organization": "Acme", "country": "US"}, action=page.path)
    assert page.path.endswith("/activation/"), page.text[:3000]
    page = person.submit(page, {}, action=page.path)
    assert page.path == PAGE, page.text[:3000]
    assert "The Change CA operation has been initiated" in page.text


def certified(zone: RunningZone) -> set[str]:
    """Return the names of the servers that have a certificate of their own."""
    return {h.name for r in ("primary", "authentication-satellite") for h in zone.hosts(r)}


def all_have_a_request(api: Program, zone: RunningZone, *, but: str = "") -> None:
    """Wait until every server has made its request."""

    def asked() -> bool:
        rows = {name: api.server(name)["future"] for name in certified(zone)}
        there = {name for name, future in rows.items() if future and future["has_csr"]}
        return there >= certified(zone) - {but}

    until(asked, "a request of every server", 90)


def answered_on_the_pages(
    zone: RunningZone, person: Visitor, ca: PublicCA, ids: dict[str, str]
) -> None:
    """Download the zip of requests, have them signed, upload the answers in three formats."""
    chosen = {"ids": [ids[name] for name in sorted(certified(zone))]}
    got = person.post(f"{PAGE}servers/selected/", {"do": "csr-zip", **chosen})
    answers = {}
    with zipfile.ZipFile(io.BytesIO(got.body)) as requests:
        assert len(requests.namelist()) == len(chosen["ids"])
        for number, name in enumerate(sorted(requests.namelist())):
            form = FORMS[number % len(FORMS)]
            host = next(h for h in zone.hosts() if name.startswith(f"{h.name}."))
            signed = ca.answer(requests.read(name), form, addresses=[host.address])
            answers[f"{host.name}.{form}"] = signed
    # A .der holds one certificate only: its issuers come in a file of their own.
    answers["issuers.pem"] = "".join(ca.chain).encode()
    dialog = person.post(f"{PAGE}servers/selected/", {"do": "import-certificate", **chosen})
    assert re.search("/import-certificate/", dialog.path), dialog.text[:2000]
    shown = person.upload(dialog, {}, {"file": answers})
    assert shown.status == 200, shown.text[:3000]


def answered(zone: RunningZone, api: Program, ca: PublicCA, *names: str) -> None:
    """Download each server's request, have it signed, import the answer."""
    for number, name in enumerate(names or sorted(certified(zone))):
        request = api.get(f"/servers/{api.servers()[name]}/csr")
        address = next(host.address for host in zone.hosts() if host.name == name)
        form = ("chain", "p7b", "p7b-pem")[number % 3]
        api.imports(name, ca.answer(request, form, addresses=[address]))


def change_to_external_with_answers(zone: RunningZone, ca: PublicCA) -> None:
    """Start the change, wait for the requests, have them signed, import the answers."""
    api = zone.program()
    change_to_external(api, ca)
    all_have_a_request(api, zone)
    answered(zone, api, ca)


def placed_by_hand(
    zone: RunningZone, name: str, ca: PublicCA, form: str = "p7b", *, key: Any = None
) -> None:
    """Place a certificate and its key in a server's remint repository (manual, 1.2.4)."""
    host = next(host for host in zone.hosts() if host.name == name)
    own = make_key()
    fqdn = host.arguments()[host.arguments().index("--fqdn") + 1]
    signed = ca.answer(make_csr(own, fqdn), form, addresses=[host.address])
    folder = host.home / "remint-repo"
    folder.mkdir(mode=0o700, exist_ok=True)
    data = (key or own).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    place(folder / "key.der", data)
    place(folder / f"server.{'p7b' if form == 'p7b' else 'pem'}", signed)


def place(path: Path, data: bytes) -> None:
    """Write a file for its owner alone."""
    path.touch(0o600)
    path.write_bytes(data)


# Create the zone before the launcher does, which then uses the existing zone.
CREATE_ZONE = """
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
from devices.models import Zone
from pki.certificates import issuance
from pki.validity import Validity
now = timezone.now()
ends = now.replace(microsecond=0) + timedelta(seconds={life})
if {life}:
    issuance.get_root_validity = lambda now, years: Validity(now - timedelta(days=1), ends)
call_command("migrate", verbosity=0)
call_command("create_zone", *{arguments!r})
Zone.objects.update(refresh_seconds={refresh})
"""


def create_zone(zone: RunningZone, *, life: int = 0, refresh: int = 4) -> None:
    """Create a zone whose CA expires after `life` seconds, or that refreshes less often."""
    zone.home.mkdir(parents=True, exist_ok=True)
    # Only a demo zone has a database without a setting.
    save_layout(zone.home, zone.plan)
    first = zone.hosts("primary")[0]
    arguments = ["--name", "DEMO-ZONE", "--server-name", *first.arguments()[1:], "--demo"]
    arguments += ["--home", str(first.home), "--admin", "admin"]
    zone.run(CREATE_ZONE.format(life=life, refresh=refresh, arguments=arguments))


def ca_has_expired(root: str, seconds: float = 300) -> None:
    """Wait until a root has expired."""
    ends = details.get_details(root).not_after
    until(lambda: datetime.now(UTC) > ends + timedelta(seconds=2), "the CA has expired", seconds)


def fetched_tool(zone: RunningZone, folder: Path, server: str = "ps-01") -> Path:
    """Download the remint tool over plain HTTP, as a device does that can verify nothing."""
    host = next(host for host in zone.hosts() if host.name == server)
    file = folder / "tool.bin"
    with urllib.request.urlopen(f"http://{host.address}:{host.content_port}/{TOOL}") as answer:
        file.write_bytes(answer.read())
    file.chmod(0o700)
    return file


def run_tool(
    zone: RunningZone, name: str, file: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the tool on a device, with the Python that the system has."""
    home = next(host.home for host in zone.hosts() if host.name == name)
    command = ["sh", str(file), "--home", str(home), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
