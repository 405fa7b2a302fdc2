"""Whether the agent runs from a zip application."""

from __future__ import annotations

import sys

from zac import archive


def test_a_checkout_starts_the_service_as_a_module() -> None:
    assert archive.find_path() == ""
    assert archive.service_command("/etc/zac") == [sys.executable, "-m", "zac.service", "/etc/zac"]
