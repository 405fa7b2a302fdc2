"""A console process that runs code sent by a test, one JSON document per line.

Starting Django for each piece would take a second of a processor that the zone itself needs.
"""

from __future__ import annotations

import io
import json
import sys
import traceback
from contextlib import redirect_stdout

import django
from django.db import connections


def answer(code: str) -> dict[str, str]:
    """Run code in its own namespace; return its output."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            exec(compile(code, "<scenario>", "exec"), {"__name__": "scenario"})
    except Exception:
        return {"error": traceback.format_exc()}
    finally:
        connections.close_all()
    return {"printed": printed.getvalue()}


def main() -> None:
    django.setup()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
