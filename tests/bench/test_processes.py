"""CPU time of a family of processes while some of them start and end."""

import os
import subprocess
import sys
from types import SimpleNamespace

import psutil

from bench.processes import Family

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"


def test_cpu_of_a_child_that_has_ended_is_included():
    family = Family(os.getpid())
    before = family.spent()

    subprocess.run([sys.executable, "-c", BURN], check=True)

    assert family.spent() - before >= 0.15


def test_cpu_of_a_running_child_is_included():
    family = Family(os.getpid())
    before = family.spent()
    with subprocess.Popen(
        [sys.executable, "-c", BURN + "print(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdout.readline()

        assert family.spent() - before >= 0.15

        child.communicate(b"\n")


def test_a_process_that_vanishes_during_the_measurement_counts_as_ended(monkeypatch):
    family = Family(os.getpid())
    # Other tests of this process can leave children that run or end in the meantime.
    monkeypatch.setattr(psutil.Process, "children", lambda _process, *, recursive: [])
    before = family.spent()
    listed: list[object] = []

    def vanish():
        raise psutil.NoSuchProcess(1)

    def list_children(_process, *, recursive):
        assert recursive
        if not listed:
            # It ends after it was listed.
            subprocess.run([sys.executable, "-c", BURN], check=True)
            listed.append(SimpleNamespace(cpu_times=vanish))
        return listed

    monkeypatch.setattr(psutil.Process, "children", list_children)

    assert family.spent() - before >= 0.15
