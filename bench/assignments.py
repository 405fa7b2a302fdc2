"""P-7, P-8: assign an update to many devices, count and show their states, compared with bare SQL.

Times are CPU times of this process and of the database process that serves it. What is compared
runs in turn, round after round, in one process on one database.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median
from typing import Any

from bench import zone
from bench.fleet import few, grow, spread
from bench.results import Row, tell


def taken(acts: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Run functions in turn for several rounds; return the median seconds of each."""
    times: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for act, told in zip(acts, times, strict=True):
            start = zone.spent()
            act()
            told.append(zone.spent() - start)
    return [median(told) for told in times]


class Undone:
    """A function whose rows are deleted afterwards; the deletion is not timed."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self.seconds: list[float] = []

    def __call__(self) -> None:
        from django.db import transaction

        with transaction.atomic():
            start = zone.spent()
            self._act()
            self.seconds.append(zone.spent() - start)
            transaction.set_rollback(True)


def bare_assign(update: Any, only: int = 0) -> Callable[[], None]:
    """Run the minimum that any assignment must do: one row for each registered device."""
    from django.db import connection

    key = update._meta.pk.get_db_prep_value(update.pk, connection)
    no = "FALSE" if connection.vendor == "postgresql" else "0"

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO systemupdates_assignment (update_id, device_id, state, wave, step, "
                "attempt, reason, action, redeploy, cancellation_acknowledged) "
                f"SELECT %s, guid, 'pending', 2, '', 0, '', '', {no}, {no} "
                "FROM devices_device WHERE state = 'registered'",
                [key],
            )

    return run


def assigning(update: Any, rounds: int) -> tuple[float, float]:
    """Return the median seconds of the bare statement and of the product's assignment."""
    from systemupdates.assignments import assignment

    acts = [Undone(bare_assign(update)), Undone(lambda: assignment.assign(update))]
    for _ in range(rounds):
        for act in acts:
            act()
    bare, product = (median(act.seconds) for act in acts)
    return bare, product


def bare_counts(update: Any) -> Callable[[], Any]:
    """Return the indexed SQL that counts the devices of an update by state."""
    from django.db import connection

    key = update._meta.pk.get_db_prep_value(update.pk, connection)
    sql = "SELECT state, COUNT(*) FROM systemupdates_assignment WHERE update_id = %s GROUP BY state"

    def run() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(sql, [key])
            return cursor.fetchall()

    return run


def bare_search(update: Any, like: str) -> Callable[[], Any]:
    """Return the SQL that counts the devices of an update that match a search."""
    from django.db import connection

    key = update._meta.pk.get_db_prep_value(update.pk, connection)
    sql = (
        "SELECT a.state, COUNT(*) FROM systemupdates_assignment a JOIN devices_device d "
        "ON d.guid = a.device_id WHERE a.update_id = %s AND d.name LIKE %s GROUP BY a.state"
    )

    def run() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(sql, [key, like])
            return cursor.fetchall()

    return run


def visitor(name: str = "admin") -> Callable[[str], Callable[[], None]]:
    """Return a function that requests pages as a logged-in administrator."""
    from django.test import Client

    from tests.support import factories

    client = Client()
    client.force_login(factories.admin(name))

    def visit(path: str) -> Callable[[], None]:
        def run() -> None:
            answer = client.get(path, secure=True)
            assert answer.status_code == 200, (path, answer.status_code)

        return run

    return visit


def p7(server: Any) -> None:
    """Measure P-7, and its growth for P-12."""
    from tests.support import factories

    count, where = zone.size("ASSIGN", 100_000), zone.database()
    update = factories.update(server, state="assigned", name="P-7")
    times: list[tuple[int, float, float]] = []
    made = 0
    for size in (count // 100, count // 10, count):
        grow(made, size)
        made = size
        bare, product = assigning(update, zone.size("ROUNDS", 5))
        times.append((size, bare, product))
    size, bare, product = times[-1]
    told = {"bare_ms": bare * 1000, "product_ms": product * 1000, "devices": float(size)}
    what = f"assign to {size:,} devices, {where}: time / bare INSERT..SELECT"
    tell(Row("P-7", what, product / bare, most=1.2, detail=told))
    (small, bare_first, first), _middle, (large, bare_last, last) = times
    exponent = math.log(last / first) / math.log(large / small)
    bare_exponent = math.log(bare_last / bare_first) / math.log(large / small)
    what = f"growth of P-7 from {small:,} to {large:,} devices, {where}: exponent"
    tell(Row("P-12", what, exponent, most=1.05, detail={"bare_exponent": bare_exponent}))


def p8(server: Any) -> None:
    """Measure P-8: counts, the live pane, and the page Status by Device."""
    from console.pages.paging import encode_cursor
    from systemupdates.updates import tables
    from tests.support import factories

    count, where = zone.size("ASSIGNMENTS", 1_000_000), zone.database()
    grow(1, count)
    update = factories.update(server, state="assigned", name="P-8", assigned_at=factories.now())
    spread(update)
    rounds = zone.size("ROUNDS", 9)
    bare, product = taken([bare_counts(update), lambda: tables.count_devices([update])], rounds)
    told = {"bare_ms": bare * 1000, "product_ms": product * 1000, "rows": float(count)}
    what = f"status counts at {count:,} rows, {where}: time / bare indexed SQL"
    tell(Row("P-8", what, product / bare, most=1.3, detail=told))
    small, visit = few(server, 100), visitor()
    last = f"devices/?after={encode_cursor(['activated', 2**62])}"
    for name, path in (("Status by Device", "devices/"), ("its last page", last)):
        pages = [visit(f"/system-updates/{one.pk}/{path}") for one in (small, update)]
        less, more, least = taken([*pages, bare_counts(update)], rounds)
        told = {"at_100_ms": less * 1000, "at_size_ms": more * 1000, "bare_counts_ms": least * 1000}
        what = f"{name} at {count:,} devices, {where}: (time - time at 100) / bare indexed SQL"
        tell(Row("P-8", what, (more - less) / least, detail=told))
    page = visit(f"/system-updates/{update.pk}/devices/?q=pc-77")
    least, more = taken([bare_search(update, "%pc-77%"), page], rounds)
    told = {"bare_ms": least * 1000, "page_ms": more * 1000}
    what = f"Status by Device, search at {count:,} devices, {where}: time / bare SQL"
    tell(Row("P-8", what, more / least, detail=told))


def live(server: Any) -> None:
    """Measure the live pane of a rollout at 100,000 devices against 100."""
    from django.utils import timezone

    from systemupdates.assignments import rollout
    from tests.support import factories

    count, where = zone.size("ASSIGN", 100_000), zone.database()
    update = factories.update(server, state="assigned", name="live", assigned_at=factories.now())
    spread(update)
    small, visit = few(server, 100), visitor()
    small.assigned_at = factories.now()
    small.save()
    panes = [visit(f"/system-updates/{one.pk}/rollout/") for one in (small, update)]
    # As the sweep does every few seconds; what it counts is the first figure of P-8.
    rollout.record_sample(update, now=timezone.now())
    less, more = taken(panes, zone.size("ROUNDS", 15))
    told = {"at_100_ms": less * 1000, "at_size_ms": more * 1000}
    what = f"live pane of a rollout at {count:,} devices, {where}: time / at 100"
    tell(Row("P-8", what, more / less, most=1.5, detail=told))


def certificates(server: Any) -> None:
    """Measure the live pane of Certificates while an operation goes to 100,000 devices."""
    from django.utils import timezone

    from devices.models import Device
    from systemupdates.assignments import assignment, rollout
    from tests.support import factories

    count, where = zone.size("ASSIGN", 100_000), zone.database()
    authority = factories.authority(server)
    factories.certificate(server, authority)
    update: Any = factories.operation(authority, state="assigned").update
    update.assigned_at = factories.now()
    update.save()
    rounds, visit = zone.size("ROUNDS", 15), visitor("second")
    pane = visit("/configuration/certificates/zone-ca/")
    some = list(Device.objects.registered().values_list("pk", flat=True)[:100])
    assignment.assign(update, only=some)
    less = taken([pane], rounds)[0]
    spread(update)
    rollout.record_sample(update, now=timezone.now())
    more = taken([pane], rounds)[0]
    told = {"at_100_ms": less * 1000, "at_size_ms": more * 1000}
    what = f"live pane of Certificates at {count:,} devices, {where}: time / at 100"
    tell(Row("P-8", what, more / less, most=1.5, detail=told))


def main() -> None:
    """Measure P-7 and P-8 on the database of this process."""
    zone.enter()
    from django.contrib.auth.models import User
    from django.test.utils import override_settings

    from systemupdates.models import Assignment
    from tests.support import factories

    factories.zone()
    server = factories.server("ps-01")
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    pages = {"ROOT_URLCONF": "zcc.urls", "STORAGES": {"staticfiles": plain}}
    with override_settings(ALLOWED_HOSTS=["testserver"], **pages):
        p7(server)
        live(server)
        certificates(server)
        User.objects.all().delete()
        Assignment.objects.all().delete()
        p8(server)


if __name__ == "__main__":
    main()
