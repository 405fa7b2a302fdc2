"""What a Remint CA means for other programs of a device: trust store of the system, TLS libraries.

One device has a trust store of its own, which Debian's command updates, and a GnuTLS with a list of
roots of its own, which does not contain the new root.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pki.certificates import details
from tests.harness.installation import keep
from tests.harness.private_system import ROOTS, PrivateSystem
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.zac.support.certificates import Root
from wire.messages import MANAGED
from zcc.runtime.components import BASE_DIR
from zcc.runtime.layout import Host

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long
COMPANY = Root("Company CA")
LIBRARIES = ("openssl", "gnutls", "curl")
# The agent calls it with the new root as the first option. A company CA takes its place.
GNUTLS = """#!/bin/sh
[ "$1" = --version ] && exec {program} --version
shift 2
exec {program} --x509cafile {root} "$@"
"""
# The exit code of curl if it does not trust the certificate of a server.
NOT_TRUSTED = 60


@pytest.fixture
def system(tmp_path: Path) -> PrivateSystem:
    """A host with a root of the company in its trust store, and with a GnuTLS of its own."""
    found = PrivateSystem(tmp_path / "system")
    if obstacle := found.find_obstacle():
        pytest.skip(f"NOT TESTED: roots in the trust store of an operating system. {obstacle}")
    program = shutil.which("gnutls-cli")
    assert program, "the Debian package gnutls-bin is missing"
    root = found.roots / "company.crt"
    root.write_text(COMPANY.pem)
    found.add_program("gnutls-cli", GNUTLS.format(program=program, root=root))
    return found


def start_agent(stack: ExitStack, zone: RunningZone, host: Host, system: PrivateSystem) -> None:
    """Run the agent of a host of the launcher with another operating system."""
    zone.take_down(f"{host.name}.agent")
    command = [sys.executable, "-m", "zac", "--home", str(host.home), "run"]
    keep(
        stack,
        system.build_command(*command),
        zone.home / "logs" / f"{host.name}.private.log",
        env={**os.environ, "ZAC_TLS_STACKS": ",".join(LIBRARIES)},
        cwd=BASE_DIR,
    )


def connect(system: PrivateSystem, url: str) -> int:
    """Connect with curl, which uses the trust store of the system; return its exit code."""
    options = ("-q", "--silent", "--noproxy", "*", "--max-time", "20", "--output", "/dev/null")
    return system.run("curl", *options, url).returncode


def test_the_trust_store_of_a_system_follows_and_a_library_that_rejects_is_named(
    start_zone: StartZone, system: PrivateSystem
) -> None:
    real = sorted(ROOTS.iterdir())
    zone = start_zone(devices=2, primaries=1, satellites=0)
    api, visitor = zone.program(), zone.visitor()
    other, device = zone.hosts(MANAGED)
    url = zone.hosts("primary")[0].url
    ids = {one["name"]: one["id"] for one in api.get("/devices")["items"]}

    def read(host: Host) -> dict[str, Any]:
        return dict(api.get(f"/devices/{ids[host.name]}"))

    def has_installed(count: int) -> bool:
        found = read(device)["system_trust"]
        return bool(found) and (found["state"], found["roots"]) == ("installed", count)

    def read_libraries(host: Host) -> dict[str, str]:
        found = read(host)["tls_libraries"]
        return {one["library"]: one["state"] for one in found["results"]} if found else {}

    api.patch("/zone", system_trust=True, grace_seconds=20)
    allowed = zone.zac(device, "system-trust", "allow")
    assert allowed.returncode == 0, allowed.stderr
    with ExitStack() as stack:
        start_agent(stack, zone, device, system)
        company, old = COMPANY.sha256, details.get_digest(api.root())
        until(partial(has_installed, 1), "the root is in the trust store of the system")
        assert system.list_trusted() == {company, old}
        assert connect(system, url) == 0
        until(lambda: read(other)["system_trust"], "the other device has reported")
        assert read(other)["system_trust"]["state"] == "not-allowed"

        administrator.remint_ca(api, 100)
        until(partial(has_installed, 2), "the new root is in the trust store of the system", 90)
        new = details.get_digest(zone.look()["new"])
        assert system.list_trusted() == {company, old, new}

        # The libraries check the new certificate of the server. One of them rejects it.
        until(lambda: read_libraries(device) and read_libraries(other), "they have been checked")
        assert read_libraries(other) == dict.fromkeys(LIBRARIES, "accepted")
        expected = {"openssl": "accepted", "gnutls": "rejected", "curl": "accepted"}
        assert read_libraries(device) == expected
        libraries = read(device)["tls_libraries"]["results"]
        [gnutls] = [one for one in libraries if one["library"] == "gnutls"]
        assert "issuer is unknown" in gnutls["detail"]
        sentence = f"GnuTLS {gnutls['version']}: new certificate rejected ({gnutls['detail']})."
        operation = f"/configuration/certificates/operations/{api.operation()['id']}/"
        for path in (f"/devices/{ids[device.name]}/", operation):
            assert sentence in visitor.get(path).text
        assert "1 device has a TLS library that rejects" in visitor.get(operation).text
        assert sentence not in visitor.get(f"/devices/{ids[other.name]}/").text

        # It is only a warning. Other programs connect to the server also with its new certificate.
        zone.completes()
        assert connect(system, url) == 0
        until(partial(has_installed, 1), "the old root has been removed", 90)
        assert system.list_trusted() == {company, new}
        assert connect(system, url) == 0
        shown = "Roots of the zone installed: 1 (ca-certificates)"
        assert shown in visitor.get(f"/devices/{ids[device.name]}/").text

        api.patch("/zone", system_trust=False)
        until(lambda: read(device)["system_trust"]["state"] == "removed", "it has been removed")
        assert system.list_trusted() == {company}
        assert connect(system, url) == NOT_TRUSTED
        zone.everybody_is_in_contact()
    assert zone.refused() == []
    assert sorted(ROOTS.iterdir()) == real, "the trust store of this machine is not changed"
