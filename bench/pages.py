"""P-18: pages of a large zone compared with those of a small one, and what the worker spends.

The worker has stored the numbers of the large zone, as it does every few seconds.
"""

from __future__ import annotations

from typing import Any

from bench import zone
from bench.assignments import taken, visitor
from bench.fleet import grow, spread
from bench.results import Row, tell

SMALL = 1_000
PAGE = "/configuration/certificates/"


def measure(operation: Any, size: int, rounds: int) -> dict[str, float]:
    """Return the CPU seconds of each page in a zone of a size, and of what the worker stores."""
    from django.utils import timezone

    from certificates.summaries import schedule
    from devices.models import Device, DeviceSummary
    from devices.models import summary as stored
    from systemupdates.assignments import rollout

    spread(operation.update)
    Device.objects.update(last_contact=timezone.now())
    # The pages are measured one after the other, which takes longer than the numbers are used.
    stored.MAX_INTERVALS = 10_000
    now = timezone.now()
    rollout.record_sample(operation.update, now=now)
    rollout.MAX_COUNTS_AGE *= 1_000
    [store] = taken([lambda: schedule.store_due(now)], 1)
    assert DeviceSummary.objects.exists() == (size >= stored.LARGE_ZONE)
    visit = visitor(f"admin-{size}")
    there = f"{PAGE}operations/{operation.pk}/"
    paths = {
        "page of an operation": there,
        "its live pane": f"{there}live/",
        "Status by Device": f"/system-updates/{operation.update.pk}/devices/",
        "Home": "/",
        "Devices": "/devices/",
        "Certificates": PAGE,
    }
    times = taken([visit(path) for path in paths.values()], rounds)
    return {"store": store, **dict(zip(paths, times, strict=True))}


def main() -> None:
    """Measure P-18 on the database of this process."""
    zone.enter()
    from django.test.utils import override_settings

    from tests.support import factories

    factories.zone()
    server = factories.server("ps-01")
    authority = factories.authority(server)
    factories.certificate(server, authority)
    new = factories.authority(server, name="NEW", state="future")
    operation = factories.operation(authority, state="assigned", future_authority=new)
    factories.future(operation, server, "created")
    operation.update.assigned_at = factories.now()
    operation.update.save()
    count, rounds, where = zone.size("PAGES", 100_000), zone.size("ROUNDS", 7), zone.database()
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    pages = {"ROOT_URLCONF": "zcc.urls", "STORAGES": {"staticfiles": plain}}
    with override_settings(ALLOWED_HOSTS=["testserver"], **pages):
        grow(0, SMALL)
        few = measure(operation, SMALL, rounds)
        grow(SMALL, count)
        many = measure(operation, count, rounds)
    for name in list(few)[1:]:
        told = {"small_ms": few[name] * 1000, "large_ms": many[name] * 1000}
        what = f"{name} with {count:,} devices, {where}: time / with {SMALL:,}"
        tell(Row("P-18", what, many[name] / few[name], most=1.5, detail=told))
    from devices.models.summary import get_interval

    share = many["store"] / get_interval(count).total_seconds()
    what = f"counting {count:,} devices for these pages, {where}: share of one core"
    tell(Row("P-18", what, share, most=0.1, detail={"ms": many["store"] * 1000}))


if __name__ == "__main__":
    main()
