"""P-10 and P-14: cost of polling an unchanged pane compared with rendering it, and page weight.

A zone of 200 servers and 2,000 devices with a Remint CA under way, through all middlewares.
"""

from __future__ import annotations

import gzip
from typing import Any

from bench import zone
from bench.results import Row, tell

SERVERS, DEVICES = 200, 2_000
PAGE = "/configuration/certificates/"
KIB = 1024


def main() -> None:
    """Measure P-10 and P-14."""
    zone.enter()
    _collect_static()
    client, operation = _zone()
    rounds = zone.size("ROUNDS", 15)
    _poll(client, f"{PAGE}zone-ca/", PAGE, rounds)
    there = f"{PAGE}operations/{operation.pk}/"
    _poll(client, f"{there}live/", there, rounds)
    _weight(client)


def _collect_static() -> None:
    """Collect the static files as in production."""
    from django.core.management import call_command

    call_command("collectstatic", verbosity=0, interactive=False)


def _poll(client: Any, pane: str, page: str, rounds: int) -> None:
    """Compare a poll without changes with rendering its page and its pane."""
    heard = {"headers": {"HX-Request": "true"}}
    full = client.get(pane, **heard)
    again = pane + "?rev=" + full.content.decode().split("?rev=")[1].split('"')[0]
    assert client.get(again, **heard).status_code == 204, "the pane is unchanged"
    poll, part, whole = zone.interleaved(
        [
            lambda: [client.get(again, **heard) for _ in range(5)],
            lambda: [client.get(pane, **heard) for _ in range(5)],
            lambda: [client.get(page) for _ in range(5)],
        ],
        rounds,
    )
    detail = {"poll_ms": poll * 200, "pane_ms": part * 200, "page_ms": whole * 200}
    what = "an operation" if "operations" in page else "Certificates"
    where = f"{what}, {zone.database()}"
    tell(Row("P-10", f"unchanged poll / render of {where}", poll / whole, most=0.15, detail=detail))
    tell(Row("P-10", f"unchanged poll / pane alone of {where}", poll / part))


def _weight(client: Any) -> None:
    """Return the compressed size of the first page load: page, style, scripts, icon."""
    import re

    from django.conf import settings

    page = client.get(PAGE, headers={"Accept-Encoding": "gzip"})
    text = gzip.decompress(page.content).decode()
    files = sorted(set(re.findall(r'(?:src|href)="/static/([^"?]+)', text)))
    root = settings.STATIC_ROOT
    weight = len(page.content) + sum(len(gzip.compress((root / f).read_bytes())) for f in files)
    tell(Row("P-14", "page weight of Certificates, uncached (KiB)", weight / KIB, most=80))
    tell(Row("P-14", "requests of Certificates, uncached", 1 + len(files), most=8))


def _zone() -> tuple[Any, Any]:
    """Create the zone and log an administrator in."""
    from django.test import Client

    from certificates.models import Operation
    from devices.models import Device, Role
    from systemupdates.models import Assignment
    from tests.support import factories

    factories.zone()
    first = factories.server("ps-001")
    authority = factories.authority(first)
    pem = factories.certificate(first, authority).chain_pem
    operation = factories.operation(authority, state="assigned")
    operation.future_authority = factories.authority(first, name="NEW", state="future")
    operation.save()
    assert operation.update is not None
    for number in range(2, SERVERS + 1):
        role = Role.PRIMARY if number < 20 else Role.AUTHENTICATION_SATELLITE
        server = factories.server(f"s-{number:04}", role)
        factories.certificate(server, authority, pem=pem)
        factories.future(operation, server, "created", chain_pem=pem)
        if number < 20:
            factories.replica(operation.update, server, "available")
    Device.objects.bulk_create(Device(name=f"pc-{n:05}", role=Role.MANAGED) for n in range(DEVICES))
    Assignment.objects.bulk_create(
        Assignment(update=operation.update, device=device, state="applied")
        for device in Device.objects.all()
    )
    client = Client(raise_request_exception=True)
    client.force_login(factories.admin())
    return client, Operation.objects.get(pk=operation.pk)


if __name__ == "__main__":
    main()
