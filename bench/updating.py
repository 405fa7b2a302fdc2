"""P-7, P-8: assign an update to many devices, count and show their states, against the bare SQL.

Times are wall times, because the database of production works in another process. What is
compared runs in turn, round after round, in one process on one database.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from bench import place
from bench.rows import Row, tell

PIECE = 50_000


def wall(acts: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Run some acts in turn, round after round; returns the median seconds of each."""
    times: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for act, taken in zip(acts, times, strict=True):
            start = perf_counter()
            act()
            taken.append(perf_counter() - start)
    return [median(taken) for taken in times]


def devices(count: int) -> None:
    """Make managed devices by copying one, many in a statement."""
    from django.db import connection

    from devices.models import Device

    pattern = Device.objects.create(name="pattern", role="managed", version="0.1.0", os="Linux")
    columns = [field.column for field in Device._meta.concrete_fields]
    one, number = (
        ("gen_random_uuid()", "n::text")
        if connection.vendor == "postgresql"
        else ("lower(hex(randomblob(16)))", "CAST(n AS TEXT)")
    )
    special = {"guid": one, "name": f"'pc-' || {number}"}
    values = ", ".join(special.get(column, f"d.{column}") for column in columns)
    series = "WITH RECURSIVE s(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM s WHERE n < %s)"
    with connection.cursor() as cursor:
        for begin in range(1, count + 1, PIECE):
            cursor.execute(
                f"{series} INSERT INTO devices_device ({', '.join(columns)}) "
                f"SELECT {values} FROM devices_device d, s WHERE d.name = 'pattern'"
                if connection.vendor == "postgresql"
                else f"INSERT INTO devices_device ({', '.join(columns)}) {series} "
                f"SELECT {values} FROM devices_device d, s WHERE d.name = 'pattern'",
                [begin, min(begin + PIECE - 1, count)],
            )
    pattern.delete()
    analyze()


def analyze() -> None:
    """Let the database know its tables, as it does by itself in the long run."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def undone(act: Callable[[], Any]) -> Callable[[], None]:
    """Return an act whose rows are taken back; taking back is not part of its time."""
    from django.db import transaction

    def run() -> None:
        with transaction.atomic():
            start = perf_counter()
            act()
            run.seconds.append(perf_counter() - start)  # type: ignore[attr-defined]  # its own
            transaction.set_rollback(True)

    run.seconds = []  # type: ignore[attr-defined]  # read below
    return run


def bare_assign(update: Any, only: int = 0) -> Callable[[], None]:
    """Return the least that any assignment must do: one row for each registered device."""
    from django.db import connection

    key = update._meta.pk.get_db_prep_value(update.pk, connection)
    no = "FALSE" if connection.vendor == "postgresql" else "0"

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO systemupdates_assignment (update_id, device_id, state, wave, step, "
                "attempt, reason, action, redeploy, told) "
                f"SELECT %s, guid, 'pending', 2, '', 0, '', '', {no}, {no} "
                "FROM devices_device WHERE state = 'registered'",
                [key],
            )

    return run


def assigning(update: Any, rounds: int) -> tuple[float, float]:
    """Return the median seconds of the bare statement and of the product's assignment."""
    from systemupdates import assignment

    acts = [undone(bare_assign(update)), undone(lambda: assignment.assign(update))]
    for _ in range(rounds):
        for act in acts:
            act()
    bare, product = (median(act.seconds) for act in acts)  # type: ignore[attr-defined]  # above
    return bare, product


def spread(update: Any) -> None:
    """Assign an update and let its devices be in every state, most of them activated."""
    from django.db import connection

    from systemupdates import assignment

    assignment.assign(update)
    states = ("CASE MOD(id, 100) WHEN 0 THEN 'failed' WHEN 1 THEN 'ignored' WHEN 2 THEN 'pending' "
              "WHEN 3 THEN 'applying' WHEN 4 THEN 'assigned' ELSE CASE WHEN MOD(id, 100) < 40 "
              "THEN 'applied' ELSE 'activated' END END")  # fmt: skip
    key = update._meta.pk.get_db_prep_value(update.pk, connection)
    sql = f"UPDATE systemupdates_assignment SET state = {states} WHERE update_id = %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [key])
    analyze()


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


def few(server: Any, count: int) -> Any:
    """Return an update for some devices alone."""
    from devices.models import Device
    from systemupdates import assignment
    from tests import make

    update = make.update(server, state="assigned", name="few")
    guids = list(Device.objects.registered().values_list("pk", flat=True)[:count])
    assignment.assign(update, only=guids)
    return update


def visitor() -> Callable[[str], Callable[[], None]]:
    """Return a maker of visits by an administrator who is logged in."""
    from django.test import Client

    from tests import make

    client = Client()
    client.force_login(make.admin())

    def visit(path: str) -> Callable[[], None]:
        def run() -> None:
            answer = client.get(path, secure=True)
            assert answer.status_code == 200, (path, answer.status_code)

        return run

    return visit


def p7(server: Any) -> None:
    """Measure P-7, and its growth for P-12."""
    from tests import make

    count, where = place.size("ASSIGN", 100_000), place.database()
    update = make.update(server, state="assigned", name="P-7")
    times: list[tuple[int, float, float]] = []
    made = 0
    for size in (count // 100, count // 10, count):
        grow(made, size)
        made = size
        bare, product = assigning(update, place.size("ROUNDS", 5))
        times.append((size, bare, product))
    size, bare, product = times[-1]
    told = {"bare_ms": bare * 1000, "product_ms": product * 1000, "devices": float(size)}
    what = f"assign to {size:,} devices, {where}: time / bare INSERT..SELECT"
    tell(Row("P-7", what, product / bare, most=1.2, detail=told))
    (small, _b, first), _middle, (large, _c, last) = times
    exponent = math.log(last / first) / math.log(large / small)
    what = f"growth of P-7 from {small:,} to {large:,} devices, {where}: exponent"
    tell(Row("P-12", what, exponent, most=1.05))


def grow(made: int, size: int) -> None:
    """Make as many devices as are missing."""
    from django.db import connection

    from devices.models import Device

    if made:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM devices_device WHERE role = 'managed'")
    devices(size)
    assert Device.objects.filter(role="managed").count() == size


def p8(server: Any) -> None:
    """Measure P-8: counts, the live pane, and the page Status by Device."""
    from systemupdates import table
    from tests import make

    count, where = place.size("ASSIGNMENTS", 1_000_000), place.database()
    grow(1, count)
    update = make.update(server, state="assigned", name="P-8", assigned_at=make.now())
    spread(update)
    rounds = place.size("ROUNDS", 9)
    bare, product = wall([bare_counts(update), lambda: table.counts([update])], rounds)
    told = {"bare_ms": bare * 1000, "product_ms": product * 1000, "rows": float(count)}
    what = f"status counts at {count:,} rows, {where}: time / bare indexed SQL"
    tell(Row("P-8", what, product / bare, most=1.3, detail=told))
    small, visit = few(server, 100), visitor()
    for name, most, path in (
        ("Status by Device", None, "devices/"),
        ("Status by Device, last page", None, "devices/?page=999999"),
        ("Status by Device, search", 4.0, "devices/?q=7"),
    ):
        pages = [visit(f"/system-updates/{one.pk}/{path}") for one in (small, update)]
        less, more = wall(pages, rounds)
        told = {"at_100_ms": less * 1000, "at_size_ms": more * 1000, "bare_counts_ms": bare * 1000}
        what = f"{name} at {count:,} devices, {where}: time / at 100"
        tell(Row("P-8", what, more / less, most=most, detail=told))


def live(server: Any) -> None:
    """Measure the live pane of a rollout at 100,000 devices against 100."""
    from tests import make

    count, where = place.size("ASSIGN", 100_000), place.database()
    update = make.update(server, state="assigned", name="live", assigned_at=make.now())
    spread(update)
    small, visit = few(server, 100), visitor()
    small.assigned_at = make.now()
    small.save()
    panes = [visit(f"/system-updates/{one.pk}/rollout/") for one in (small, update)]
    less, more = wall(panes, place.size("ROUNDS", 15))
    told = {"at_100_ms": less * 1000, "at_size_ms": more * 1000}
    what = f"live pane of a rollout at {count:,} devices, {where}: time / at 100"
    tell(Row("P-8", what, more / less, most=1.5, detail=told))


def main() -> None:
    """Measure P-7 and P-8 on the database of this process."""
    place.enter()
    from django.contrib.auth.models import User
    from django.test.utils import override_settings

    from systemupdates.models import Assignment
    from tests import make

    make.zone()
    server = make.server("ps-01")
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    pages = {"ROOT_URLCONF": "zcc.urls", "STORAGES": {"staticfiles": plain}}
    with override_settings(ALLOWED_HOSTS=["testserver"], **pages):
        p7(server)
        live(server)
        User.objects.all().delete()
        Assignment.objects.all().delete()
        p8(server)


if __name__ == "__main__":
    main()
