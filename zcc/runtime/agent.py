"""Call this host's agent as a program: it alone touches the host's keys and certificates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from faults import Unavailable


def run(home: Path, *arguments: str, stdin: str = "") -> str:
    """Run one `zac` command for a home and return what it prints; secrets go through stdin."""
    done = subprocess.run(  # noqa: S603 - our own program, arguments are a list
        [sys.executable, "-m", "zac", "--home", str(home), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=settings.BASE_DIR,
    )
    if done.returncode != 0:
        why = done.stderr.strip()
        raise Unavailable(f"The agent could not do its part ({arguments[0]}): {why}")
    return done.stdout
