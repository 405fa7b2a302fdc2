"""The closed process of the drill: `python -m certificates.backup.proof PROBE`.

It runs with the restored database, data directory, and CA vault only. It has no broker and starts
nothing. It writes the private key and the certificate of the probe to the file PROBE, and the
result to standard output as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import django
from django.utils import timezone

from faults import Fault


def main() -> None:
    """Write the result as JSON. A fault is part of it."""
    os.umask(0o077)
    django.setup()
    from certificates.backup import restored  # noqa: PLC0415 - needs the environment

    found: dict[str, Any]
    try:
        restored.migrate()
        found = restored.prove(Path(sys.argv[1]), now=timezone.now())
    except Fault as fault:
        found = {"fault": fault.explanation, "action": fault.action}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
