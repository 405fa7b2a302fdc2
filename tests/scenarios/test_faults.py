"""Everything is killed (SIGKILL), at any stage: the operation completes, and nothing happens twice.

Losing the broker, a worker, beat, a web process or an agent at any moment loses nothing: the rows
are the truth, every step can be repeated, and who comes back looks at them again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psutil
import pytest

from tests.harness.evidence import served_certificate
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long
STAGES = ["preparing", "replicating", "assigned", "activating", "activated"]


def test_whatever_is_killed_at_every_stage_the_operation_completes_once(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=2)
    administrator.remint_ca(zone.program(), 150)
    met = []
    for number, stage in enumerate(STAGES):
        met.append(zone.reaches(*STAGES[number:], "completed")["state"])
        if met[-1] == stage:
            kill_all(zone)
    assert {"assigned", "activating"} <= set(met), met
    once_only(zone)


def test_whatever_is_killed_in_whatever_order_the_operation_completes_once(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=2, primaries=2, satellites=2)
    api = zone.program()
    with killing(zone, seed=1):
        # A call may hit a web process that is just dead; the same key is the same operation.
        administrator.insist(lambda key: administrator.remint_ca(api, 120, key=key))
        zone.reaches("activated", "completed", seconds=240)
    once_only(zone)


def test_a_worker_that_hangs_and_wakes_does_nothing_twice(start_zone: StartZone) -> None:
    """It is frozen past the time after which its work is given to others (60 s), then wakes."""
    zone = start_zone(devices=2, primaries=2, satellites=1)
    administrator.remint_ca(zone.program(), 150)
    zone.reaches("replicating", "assigned")
    pids = family(zone.pids()["ps-02.worker"])
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        zone.reaches("activating", "activated", "completed")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    once_only(zone)


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def kill_all(zone: RunningZone) -> None:
    """Kill every part at once."""
    for name in zone.pids():
        with suppress(ProcessLookupError, KeyError):
            zone.kill(name)


@contextmanager
def killing(zone: RunningZone, seed: int, every: float = 2.0) -> Iterator[None]:
    """Kill one part after another, whichever the dice say, until the block ends."""
    dice, over = random.Random(seed), threading.Event()

    def run() -> None:
        while not over.wait(every):
            with suppress(ProcessLookupError, KeyError, FileNotFoundError):
                zone.kill(dice.choice(sorted(zone.pids())))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def all_answer(zone: RunningZone) -> bool:
    """Tell whether every server shows a certificate now."""
    try:
        return all(served_certificate(address, port) for _, address, port in zone.listeners())
    except OSError:
        return False


def once_only(zone: RunningZone) -> None:
    """Whatever must happen once has happened once, and the audit log is intact."""
    zone.reaches("completed")
    # Whoever was killed last is being started again: its old socket resets who comes just then.
    until(partial(all_answer, zone), "every server answers again", 60)
    seen = zone.completes()
    found: dict[str, Any] = json.loads(zone.run(COUNT).splitlines()[-1])
    repeated = {name: value for name, value in found.pop("moves").items() if value != 1}
    assert repeated == {}
    servers = len(administrator.certified(zone))
    assert found == {
        "authorities": 2,
        "current": 1,
        "cross-certificates": 2,
        "operations": 1,
        "updates": 1,
        "assignments": len(zone.hosts()),
        "activation orders": 1,
        "activated": 1,
        "certificates": 2 * servers,
        "current certificates": servers,
        "signed for the new CA": servers,
    }
    assert len(zone.verify(seen["new"])) == servers
    assert zone.refused() == []


COUNT = """
import json
from collections import Counter
from certificates.models import Authority, CrossCertificate, IssuedCertificate
from certificates.models import Operation, ServerCertificate
from audit.models import Entry
from systemupdates.models import Assignment, TrustNotice, SystemUpdate
previous = "0" * 64
for entry in Entry.objects.order_by("seq"):
    assert entry.previous == previous and entry.compute_digest() == entry.digest, entry.seq
    previous = entry.digest
op = Operation.objects.get()
moves = Counter(
    Entry.objects.filter(subject=f"certificates.Operation:{op.pk}", action="move")
    .exclude(there="").values_list("there", flat=True))
signed = IssuedCertificate.objects.filter(authority=op.future_authority, purpose="server")
signed = signed.exclude(sha256="")
print(json.dumps({
    "authorities": Authority.objects.count(),
    "current": Authority.objects.filter(state="current").count(),
    "cross-certificates": CrossCertificate.objects.count(), "operations": Operation.objects.count(),
    "updates": SystemUpdate.objects.count(), "assignments": Assignment.objects.count(),
    "activation orders": TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATION_ORDER).count(),
    "activated": TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATED).count(),
    "certificates": ServerCertificate.objects.count(),
    "current certificates": ServerCertificate.objects.current().count(),
    "signed for the new CA": signed.values("device").distinct().count(),
    "moves": moves}))
"""
