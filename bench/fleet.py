"""Create many devices and assignments in bulk."""

from __future__ import annotations

from typing import Any

PIECE = 50_000


def devices(count: int) -> None:
    """Create managed devices by copying one, many per statement."""
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
    """Update the planner statistics, as the database does in production."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def spread(update: Any) -> None:
    """Assign an update and put its devices into every state, most of them activated."""
    from django.db import connection

    from systemupdates.assignments import assignment

    assignment.assign(update)
    states = ("CASE MOD(id, 100) WHEN 0 THEN 'failed' WHEN 1 THEN 'ignored' WHEN 2 THEN 'pending' "
              "WHEN 3 THEN 'applying' WHEN 4 THEN 'assigned' ELSE CASE WHEN MOD(id, 100) < 40 "
              "THEN 'applied' ELSE 'activated' END END")  # fmt: skip
    key = update._meta.pk.get_db_prep_value(update.pk, connection)
    sql = f"UPDATE systemupdates_assignment SET state = {states} WHERE update_id = %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [key])
    analyze()


def few(server: Any, count: int) -> Any:
    """Return an update for a few devices."""
    from devices.models import Device
    from systemupdates.assignments import assignment
    from tests.support import factories

    update = factories.update(server, state="assigned", name="few")
    guids = list(Device.objects.registered().values_list("pk", flat=True)[:count])
    assignment.assign(update, only=guids)
    return update


def grow(made: int, size: int) -> None:
    """Create the missing devices."""
    from django.db import connection

    from devices.models import Device

    if made:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM devices_device WHERE role = 'managed'")
    devices(size)
    assert Device.objects.filter(role="managed").count() == size
