"""P-9 and P-14: the server pane with 10,000 rows against 100, its queries, the page's weight.

Wall time, since a database of its own works in another process; the least of some rounds, since
whatever else runs on the machine only adds to it.
"""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from bench import place
from bench.rows import Row, tell

PAGE = "/configuration/certificates/"
# What is asked of the pane, and how much longer it may take with a hundred times the rows.
ASKED = {
    "sorted as it comes": ("", 1.5),
    "sorted by expiry, last page": ("?sort=-expires&page=9999", 1.5),
    "sorted by status": ("?sort=status", 1.5),
    "a chip": ("?state=expiring", 1.5),
    "a search": ("?q=ps-0000", 4.0),
    "a search by fingerprint": ("?q=00:00:00:01", 4.0),
}
STATIC = re.compile(r'(?:src|href)="/static/([^"]+\.(?:js|css|svg))"')


def grow(ca: Any, start: int, stop: int) -> None:
    """Add servers with a certificate each; every tenth expires soon."""
    from django.utils import timezone

    from certificates.models import ServerCertificate
    from devices.models import Device, Role

    now = timezone.now()
    servers = [
        Device(
            name=f"ps-{number:05d}",
            role=Role.AUTHENTICATION_SATELLITE,
            state="registered",
            fqdn=f"ps-{number:05d}.bench.example",
            addresses=[f"10.1.{number >> 8}.{number & 255}"],
            last_contact=now,
            version="0.1.0",
        )
        for number in range(start, stop)
    ]
    Device.objects.bulk_create(servers, batch_size=1000)
    ServerCertificate.objects.bulk_create(
        [
            _certificate(server, ca, number, now + timedelta(days=300 if number % 10 else 20))
            for number, server in enumerate(servers, start)
        ],
        batch_size=1000,
    )


def _certificate(server: Any, ca: Any, number: int, not_after: Any) -> Any:
    from certificates.models import ServerCertificate

    plain = f"{number:08x}" + f"{number * 7919:024x}"
    colons = ":".join(plain[at : at + 2] for at in range(0, 32, 2)).upper()
    return ServerCertificate(
        device=server,
        authority=ca,
        chain_pem="-----BEGIN CERTIFICATE-----\n" * 40,
        subject=server.fqdn,
        issuer="Bench",
        not_before=not_after - timedelta(days=365),
        not_after=not_after,
        key_length=256,
        md5=colons,
        sha1=colons + ":00:00:00:00",
        sha256=colons + ":" + colons,
        digest=plain * 2,
        active_since=not_after - timedelta(days=365),
    )


def analyse() -> None:
    """Let the database know how much there is, as its own upkeep does in time."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def client() -> Any:
    """Return a client that is logged in and may do everything."""
    from django.contrib.auth.models import User
    from django.test import Client

    one = Client(SERVER_NAME="localhost", raise_request_exception=True)
    one.force_login(User.objects.create_superuser("bench", password="a long pass phrase"))
    return one


def least(visitor: Any, query: str, rounds: int) -> float:
    """Return the shortest time in seconds that the page took."""
    taken = []
    for _ in range(rounds + 1):
        start = perf_counter()
        answer = visitor.get(PAGE + query, secure=True)
        taken.append(perf_counter() - start)
        assert answer.status_code == 200, answer.status_code
    return min(taken[1:])


def queries(visitor: Any, query: str) -> int:
    """Return how many queries the page takes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as caught:
        visitor.get(PAGE + query, secure=True)
    return len(caught)


def weight(visitor: Any) -> tuple[float, int]:
    """Return what the page and all it loads weigh when packed, in KiB, and how many requests."""
    from django.contrib.staticfiles import finders

    page = visitor.get(PAGE, secure=True).content
    assets = sorted(set(STATIC.findall(page.decode())))
    parts = [page]
    for asset in assets:
        # The names of built files carry a digest; the file itself has none.
        plain = re.sub(r"\.[0-9a-f]{12}(\.\w+)$", r"\1", asset)
        found = finders.find(plain)
        assert found, f"{asset} is not there"
        parts.append(Path(found).read_bytes())
    return sum(len(gzip.compress(part, 6)) for part in parts) / 1024, len(parts)


def main() -> None:
    """Measure P-9 and P-14."""
    place.enter()
    from django.core.management import call_command

    from tests import make

    call_command("collectstatic", interactive=False, verbosity=0)

    few, many = 100, place.size("SERVERS", 10_000)
    rounds = place.size("PANE_ROUNDS", 9)
    make.zone("BENCH")
    ca = make.authority(make.server("holder"))
    visitor = client()
    grow(ca, 0, few)
    analyse()
    before = {name: least(visitor, query, rounds) for name, (query, _) in ASKED.items()}
    counted = {name: queries(visitor, query) for name, (query, _) in ASKED.items()}
    packed, requests = weight(visitor)
    grow(ca, few, many)
    analyse()
    for name, (query, most) in ASKED.items():
        after = least(visitor, query, rounds)
        detail = {"ms_100": before[name] * 1000, "ms_many": after * 1000}
        what = f"server pane of {many:,} rows against {few}, {name}, {place.database()}"
        tell(Row("P-9", what, after / before[name], most=most, detail=detail))
    more = max(queries(visitor, query) - counted[name] for name, (query, _) in ASKED.items())
    what = f"queries of the server pane that {many:,} rows add, {place.database()}"
    tell(Row("P-9", what, more, most=0, detail={"queries": max(counted.values())}))
    if place.database() == "SQLite":
        tell(Row("P-14", "weight of Certificates and all it loads, packed, KiB", packed, most=80))
        tell(Row("P-14", "requests that Certificates takes", requests, most=8))


if __name__ == "__main__":
    main()
