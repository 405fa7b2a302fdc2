"""Hosts without an agent: strongSwan on a host gets certificates with EST, in spite of faults.

See: D-302, D-313 to D-315
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pki.chains import chains
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_acme import get_names_at_risk, verify
from tests.scenarios.test_faults import family
from tests.support.strongswan import PENDING, Request, Strongswan

StartZone = Callable[..., RunningZone]
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
NAME, LATE = "web.hosts.example", "late.hosts.example"
LABEL = "appliances"
WORKER, WEB = "ps-01.worker", "ps-01.web"
# Until the activation: the update is assigned before, and a host renews.
SECONDS = 180
COUNT = """
import json
from collections import Counter
from audit.models import Entry
from certificates.models import AcmeCertificate, AcmeOrder
issued = Entry.objects.filter(action="issue", detail__account_key={label!r})
print(json.dumps({{
    "orders": Counter(names[0] for names in AcmeOrder.objects.values_list("names", flat=True)),
    "certificates": Counter(AcmeCertificate.objects.values_list("subject", flat=True)),
    "issued": Counter(found["names"][0] for found in issued.values_list("detail", flat=True))}}))
"""


def start(start_zone: StartZone, folder: Path) -> tuple[RunningZone, Strongswan]:
    """Start a small zone, and install strongSwan on a host that trusts its root."""
    zone = start_zone(devices=1, primaries=1, satellites=0)
    api = zone.program()
    values: dict[str, Any] = {"label": LABEL, "names": ["*.hosts.example"], "allows_est": True}
    key = api.post("/acme-account-keys", **values)
    user = f"{key['key_id']}:{key['hmac_key']}"
    [server] = zone.hosts("primary")
    return zone, Strongswan(folder / "strongswan", server.url, user, api.root())


def get_cross_certificate(found: list[str], subject: str, issuer: str) -> str:
    """Return the certificate for the key of one root that another root has signed."""
    key = chains.get_public_key(subject)
    [pem] = [one for one in found if not chains.is_root(one) and chains.has_key(one, key)]
    assert chains.is_signed_by(pem, issuer)
    return pem


def test_strongswan_renews_before_and_after_the_activation_of_a_new_ca(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone, host = start(start_zone, tmp_path)
    api = zone.program()
    old = api.root()
    verify(tmp_path, host.request(NAME), old, NAME)
    verify(tmp_path, host.request(LATE), old, LATE)
    assert host.get_ca_certificates() == [old]

    administrator.remint_ca(api, SECONDS)
    new = zone.reaches("assigned")["new"]
    assert api.operation()["hosts"] == {"total": 2, "ready": 0, "at_risk": 2}
    assert get_names_at_risk(api) == [LATE, NAME]
    found = host.get_ca_certificates()
    new_with_old = get_cross_certificate(found, new, old)
    old_with_new = get_cross_certificate(found, old, new)
    assert sorted(found) == sorted([old, new, new_with_old, old_with_new])

    host.trust(old, new)
    renewed = host.request(NAME)
    assert zone.look()["state"] in ("assigned", "activating"), "before the activation"
    assert api.operation()["hosts"] == {"total": 2, "ready": 1, "at_risk": 1}
    assert get_names_at_risk(api) == [LATE]
    for root in (old, new):
        verify(tmp_path, renewed + new_with_old, root, NAME)

    seen = zone.completes(seconds=SECONDS + 120)
    assert (seen["old"], seen["new"]) == (old, new)
    assert zone.refused() == []
    # The other host has missed it: with the old root, it gets the new one, and then renews.
    host.trust(old)
    assert sorted(host.get_ca_certificates()) == sorted(found)
    host.trust(old, new)
    verify(tmp_path, host.request(LATE), new, LATE)
    # The same CSR within 12 hours is a repetition, because its response could be lost (D-315).
    assert host.request(NAME) == renewed
    verify(tmp_path, renewed, new, NAME)
    assert api.operation()["hosts"] == {"total": 2, "ready": 2, "at_risk": 0}
    assert zone.refused() == []


def count(zone: RunningZone) -> dict[str, dict[str, int]]:
    """Return how many orders, certificates, and entries of the audit log there are for a name."""
    found: dict[str, dict[str, int]] = json.loads(zone.run(COUNT.format(label=LABEL)))
    return found


def start_without_signing(zone: RunningZone, host: Strongswan, name: str) -> Request:
    """Freeze the worker, and send a request. Return when the console has stored it."""
    zone.stop(WORKER)
    request = host.start(name)
    until(lambda: count(zone)["orders"].get(name) == 1, "the request is stored", 60)
    assert name not in count(zone)["certificates"]
    return request


def kill(pids: list[int]) -> None:
    """Kill processes (SIGKILL) that can have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_worker(zone: RunningZone, host: Strongswan, name: str) -> None:
    """Kill the worker before it signs. The client is told to repeat the request, and does."""
    request = start_without_signing(zone, host, name)
    children = family(zone.pids()[WORKER])[1:]
    zone.take_down(WORKER)
    kill(children)
    until(lambda: PENDING in request.read_log(), "the response is 202 with Retry-After", 30)
    zone.bring_back(WORKER)
    assert request.is_answered(), request.read_log()
    host.save(name, request)


def kill_console(zone: RunningZone, host: Strongswan, name: str) -> None:
    """Kill the console while the client waits for a response. It repeats the request."""
    request = start_without_signing(zone, host, name)
    kill(family(zone.pids()[WEB]))
    assert not request.is_answered(), "the connection was closed"
    zone.cont(WORKER)
    repeat(host, name)


def kill_at_any_moment(zone: RunningZone, host: Strongswan, name: str, part: str) -> None:
    """Kill a part as soon as the request is stored, whatever it does at this moment."""
    request = host.start(name)
    until(lambda: name in count(zone)["orders"], "the request is stored", 60)
    zone.kill(part)
    if request.is_answered():
        host.save(name, request)
    else:
        repeat(host, name)


def repeat(host: Strongswan, name: str) -> None:
    """Repeat a request until there is a certificate."""

    def is_answered() -> bool:
        request = host.start(name)
        if request.is_answered():
            host.save(name, request)
            return True
        return False

    until(is_answered, f"{name} has a certificate", 400)


def test_a_request_whose_worker_or_console_is_killed_gets_one_certificate(
    start_zone: StartZone, tmp_path: Path
) -> None:
    """Whatever is killed (SIGKILL) at any moment, nothing is lost, and nothing is issued twice."""
    zone, host = start(start_zone, tmp_path)
    root = zone.program().root()
    kill_worker(zone, host, "worker.hosts.example")
    kill_console(zone, host, "console.hosts.example")
    names = ["worker.hosts.example", "console.hosts.example"]
    for number, part in enumerate((WORKER, WEB, "broker", WORKER)):
        names.append(f"any-{number}.hosts.example")
        kill_at_any_moment(zone, host, names[-1], part)
    once = dict.fromkeys(names, 1)
    assert count(zone) == {"orders": once, "certificates": once, "issued": once}
    for name in names:
        verify(tmp_path, host.get_certificate(name), root, name)
