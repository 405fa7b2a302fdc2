"""Hosts without an agent: certbot on a host gets certificates over TLS, before and after a remint.

See: D-300, D-302, D-317
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pki.chains import chains
from tests.harness.places import free_port
from tests.harness.program import Program
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.support.certbot import Certbot

NAME, LATE = "web.hosts.example", "late.hosts.example"
# Python loads it when a process of the zone starts. It takes the place of a DNS server.
RESOLVER = """
import socket
resolve = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    return resolve({address!r} if str(host).endswith(".hosts.example") else host, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""
END_GRACE_PERIOD = """
from django.utils import timezone
from certificates.models import Authority
Authority.objects.filter(state="grace").update(grace_until=timezone.now())
"""
# Until the new CA is assigned, and certbot has renewed once or more, on a busy machine.
SECONDS = 300


def start(start_zone: Callable[..., RunningZone], folder: Path, port: int) -> RunningZone:
    """Start a zone whose processes find the names of hosts at the last address of its network."""
    names = folder / "names"
    names.mkdir()
    environment = {"PYTHONPATH": str(names), "ZCC_ACME_HTTP_PORT": str(port)}

    def before(zone: RunningZone) -> None:
        text = RESOLVER.format(address=get_host_address(zone))
        (names / "sitecustomize.py").write_text(text)

    return start_zone(devices=1, primaries=1, satellites=0, before=before, environment=environment)


def get_host_address(zone: RunningZone) -> str:
    return f"{zone.plan.base}.200"


def install(zone: RunningZone, folder: Path, port: int) -> Certbot:
    """Return certbot on a host that trusts the root of the zone."""
    roots = folder / "roots.pem"
    roots.write_text(zone.program().root())
    [server] = zone.hosts("primary")
    return Certbot(
        folder / "certbot", server.url, port, address=get_host_address(zone), roots=str(roots)
    )


def verify(folder: Path, chain: str, root: str, name: str) -> None:
    """Have openssl verify a chain as strictly as it can, trusting one root only."""
    leaf, *others = chains.split(chain)
    files = {"leaf.pem": leaf, "others.pem": "".join(others), "root.pem": root}
    for file, text in files.items():
        (folder / file).write_text(text)
    strictly = ("-x509_strict", "-purpose", "sslserver", "-no-CApath", "-no-CAstore")
    anchors = ["-CAfile", "root.pem", "-verify_hostname", name]
    anchors += ["-untrusted", "others.pem"] if others else []
    done = subprocess.run(
        ["openssl", "verify", *strictly, *anchors, "leaf.pem"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def get_names_at_risk(api: Program) -> list[str]:
    operation = api.operation()["id"]
    return [one["name"] for one in api.get(f"/operations/{operation}/hosts-at-risk")["items"]]


def get_hosts_of_old_root(api: Program) -> list[Any]:
    roots = api.get("/trust")["roots"]
    return [(root["hosts"], root["retires"]) for root in roots if root["state"] == "grace"]


@pytest.mark.long
def test_certbot_renews_before_the_activation_of_a_new_ca(
    start_zone: Callable[..., RunningZone], tmp_path: Path
) -> None:
    port = free_port()
    zone = start(start_zone, tmp_path, port)
    api = zone.program()
    old = api.root()
    key = api.post("/acme-account-keys", label="hosts", names=["*.hosts.example"])
    certbot = install(zone, tmp_path, port)
    certbot.request(key["key_id"], key["hmac_key"], NAME)
    certbot.request(key["key_id"], key["hmac_key"], LATE, lineage="late")
    first = certbot.get_chain()
    verify(tmp_path, first, old, NAME)

    administrator.remint_ca(api, SECONDS)
    zone.reaches("assigned")
    assert api.operation()["hosts"] == {"total": 2, "ready": 0, "at_risk": 2}
    assert get_names_at_risk(api) == [LATE, NAME]

    def has_renewed() -> bool:
        """Return True if certbot has renewed. At each try, it selects a time at random."""
        certbot.forget_renewal_info()
        certbot.renew("--cert-name", "web")
        return certbot.get_chain() != first

    until(has_renewed, "certbot has renewed", SECONDS)
    assert zone.look()["state"] in ("assigned", "activating"), "before the activation"
    assert api.operation()["hosts"] == {"total": 2, "ready": 1, "at_risk": 1}
    assert get_names_at_risk(api) == [LATE]

    seen = zone.completes(seconds=SECONDS + 240)
    assert zone.refused() == []
    assert seen["old"] == old
    for root in (seen["old"], seen["new"]):
        verify(tmp_path, certbot.get_chain(), root, NAME)
    # The other host delays the retirement of the old root until it renews, which it is told to do.
    zone.run(END_GRACE_PERIOD)
    left = "Hosts without an agent that still use a certificate of this CA: 1."
    [(hosts, retires)] = get_hosts_of_old_root(api)
    assert hosts == 1
    assert retires.startswith("overdue")
    assert left in retires
    certbot.forget_renewal_info("late")
    certbot.renew("--cert-name", "late")
    verify(tmp_path, certbot.get_chain("late"), seen["new"], LATE)
    until(lambda: get_hosts_of_old_root(api) == [], "the old root is retired")
    assert zone.refused() == []
