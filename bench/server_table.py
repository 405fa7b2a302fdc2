"""P-9 and P-14: the server pane with 10,000 rows compared with 100, its queries, and its weight.

CPU time of the web process and of the database process that serves it: whatever else runs on the
machine does not count.
"""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from pathlib import Path
from time import process_time
from typing import Any
from uuid import UUID

import psutil

from bench import zone
from bench.results import Row, tell
from console.pages.paging import encode_cursor

PAGE = "/configuration/certificates/"
# A position after all rows: the last page is shown.
AFTER_ALL = encode_cursor([None, "zzz", str(UUID(int=2**128 - 1))])
# What is asked of the pane, each a whole page of rows, and how much longer a hundred times the
# rows may take.
ASKED = {
    "as it comes": ("", 1.5),
    "by expiry, last page": (f"?sort=-expires&after={AFTER_ALL}", 1.5),
    "by status": ("?sort=status", 1.5),
    "a chip": ("?state=expiring", 1.5),
    "a search": ("?q=bench.example", 4.0),
    "a search by fingerprint": ("?q=AB:00:0", 4.0),
}
STATIC = re.compile(r'(?:src|href)="/static/([^"]+\.(?:js|css|svg))"')


def grow(ca: Any, start: int, stop: int) -> None:
    """Add servers with a certificate each; every third expires soon."""
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
            _certificate(server, ca, number, now + timedelta(days=300 if number % 3 else 20))
            for number, server in enumerate(servers, start)
        ],
        batch_size=1000,
    )


def _certificate(server: Any, ca: Any, number: int, not_after: Any) -> Any:
    from certificates.models import ServerCertificate

    plain = f"ab{number:06x}" + f"{number * 7919:024x}"
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


def analyze() -> None:
    """Update the planner statistics, as the database does in production."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def client() -> Any:
    """Return a client that is logged in with all rights."""
    from django.contrib.auth.models import User
    from django.test import Client

    one = Client(SERVER_NAME="localhost", raise_request_exception=True)
    one.force_login(User.objects.create_superuser("bench", password="a long pass phrase"))
    return one


def taken(visitor: Any, query: str, rounds: int) -> float:
    """Return the CPU seconds of the page in this process and in the database process."""
    visitor.get(PAGE + query, secure=True)
    start = process_time() + of_database()
    for _ in range(rounds):
        answer = visitor.get(PAGE + query, secure=True)
        assert answer.status_code == 200, answer.status_code
    return (process_time() + of_database() - start) / rounds


def of_database() -> float:
    """Return the CPU seconds of the process that serves this connection; 0 for SQLite."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        used = psutil.Process(cursor.fetchone()[0]).cpu_times()
    return float(used.user + used.system)


def queries(visitor: Any, query: str) -> int:
    """Return the number of queries of the page."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as caught:
        visitor.get(PAGE + query, secure=True)
    return len(caught)


def weight(visitor: Any) -> tuple[float, int]:
    """Return the compressed size of the page and its files in KiB, and the number of requests."""
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
    zone.enter()
    from django.core.management import call_command

    from tests.support import factories

    call_command("collectstatic", interactive=False, verbosity=0)

    few, many = 100, zone.size("SERVERS", 10_000)
    rounds = zone.size("PANE_ROUNDS", 15)
    factories.zone("BENCH")
    ca = factories.authority(factories.server("holder"))
    visitor = client()
    grow(ca, 0, few)
    analyze()
    before = {name: taken(visitor, query, rounds) for name, (query, _) in ASKED.items()}
    counted = {name: queries(visitor, query) for name, (query, _) in ASKED.items()}
    packed, requests = weight(visitor)
    grow(ca, few, many)
    analyze()
    for name, (query, most) in ASKED.items():
        after = taken(visitor, query, rounds)
        detail = {"ms_100": before[name] * 1000, "ms_many": after * 1000}
        what = f"server pane of {many:,} rows against {few}, {name}, {zone.database()}"
        tell(Row("P-9", what, after / before[name], most=most, detail=detail))
    more = max(queries(visitor, query) - counted[name] for name, (query, _) in ASKED.items())
    what = f"queries of the server pane that {many:,} rows add, {zone.database()}"
    tell(Row("P-9", what, more, most=0, detail={"queries": max(counted.values())}))
    if zone.database() == "SQLite":
        tell(Row("P-14", "weight of Certificates and all it loads, packed, KiB", packed, most=80))
        tell(Row("P-14", "requests that Certificates takes", requests, most=8))


if __name__ == "__main__":
    main()
